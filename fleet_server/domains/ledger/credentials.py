"""What a gateway is given at enrolment: DIR/key (64 hex digits) and DIR/password (of its MQTT user), both 0600."""

import secrets
from pathlib import Path

from fleet_server.domains.ledger.models import KEY_BYTES
from fleet_server.kernel import secret_files
from fleet_server.kernel.errors import Invalid


def read_key(folder: Path) -> bytes | None:
    """The key that lies there from an earlier time; Invalid when it is not one."""
    path = folder / "key"
    if not path.exists():
        return None
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Invalid(f"{path} does not hold {2 * KEY_BYTES} hexadecimal digits; move it away and run this again.")
    return key


def write_key(folder: Path, key: bytes) -> None:
    secret_files.folder(folder)
    secret_files.write(folder / "key", key.hex() + "\n")


def write_credentials(folder: Path, key: bytes) -> None:
    """A password that is there stays: the broker knows it."""
    if read_key(folder) != key:
        write_key(folder, key)
    password = folder / "password"
    if not password.exists():
        secret_files.write(password, secrets.token_urlsafe(24) + "\n")
