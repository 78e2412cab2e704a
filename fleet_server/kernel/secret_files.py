"""Secrets on disk: made once, 0600, in a folder of mode 0700; and the sealing of keys that rest in the database."""

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D, 8.2.1: a 96-bit nonce


class SecretsError(Exception):
    """A secret file is unreadable, of the wrong size, or not the one a value was sealed with."""


def folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(path: Path) -> bytes:
    """The 32 bytes in `path` (hex); made when absent. Two processes that make it at once end with the same one."""
    folder(path.parent)
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        write(fresh, secrets.token_hex(KEY_BYTES) + "\n")
        try:
            os.link(fresh, path)  # unlike a rename, it fails when the file is there by now
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SecretsError(f"{path}: not a readable key of {KEY_BYTES} bytes in hex: {error}") from None
    if len(key) != KEY_BYTES:
        raise SecretsError(f"{path}: {len(key)} bytes; a key has {KEY_BYTES}")
    return key


def write(path: Path, text: str) -> None:
    """Replace the file at once; it is 0600 from its first byte."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def seal(key: bytes, value: bytes, purpose: bytes) -> bytes:
    """AES-256-GCM; `purpose` binds the sealed bytes to their row, so that rows cannot be swapped."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, purpose)


def unseal(key: bytes, sealed: bytes, purpose: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError):
        raise SecretsError("a sealed key does not open: another key-encryption key, or an altered row") from None
