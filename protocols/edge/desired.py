"""The message that asks a gateway to run another configuration (docs/protocols/edge.md, section 11)."""

import hashlib
import zlib
from dataclasses import dataclass

from protocols.edge.cbor import Fields
from protocols.edge.limits import HASH_BYTES, MAX_SEQ, MAX_TIME_MS, MAX_U64
from protocols.errors import LocalProtocolError, RemoteProtocolError

MAX_TEXT = 1 << 20  # bytes of UTF-8; 1000 devices with filters of their own have 400 KB, which deflate to 20 KB
LONGEST_TRIAL_MS = 3_600_000


@dataclass(frozen=True)
class Desired:
    """Run `text` (TOML) on trial for `trial_ms`, and keep it if it proves itself; if `dry`, only say what would come
    of it.

    `number` counts up for a gateway, dry runs included: what is not above the last one it took is nothing new. `base`
    is the hash of the content that the author saw running; None where it shall replace whatever runs. `expires` (UTC,
    ms) is None where it waits for as long as it takes.
    """

    gateway: str
    incarnation: int
    number: int
    issued: int
    text: str
    trial_ms: int
    principal: str
    base: bytes | None = None
    expires: int | None = None
    dry: bool = False


def pack(text: str) -> bytes:
    """Deflated (zlib, RFC 1950). LocalProtocolError for a text that is too long."""
    try:
        plain = text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"a configuration's text cannot be written as UTF-8: {error.reason}") from None
    if len(plain) > MAX_TEXT:
        raise LocalProtocolError(f"a configuration of {len(plain)} bytes; the longest allowed is {MAX_TEXT}")
    return zlib.compress(plain, 9)


def unpack(packed: bytes) -> str:
    """No more is ever unpacked than a text may hold. RemoteProtocolError for anything but one whole UTF-8 text."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, MAX_TEXT)
    except zlib.error as error:
        raise RemoteProtocolError(f"a configuration's text is no zlib stream: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise RemoteProtocolError(f"a configuration's text is cut off, has a tail, or unpacks to over {MAX_TEXT} bytes")
    try:
        return plain.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"a configuration's text is not UTF-8: {error}") from None


def text_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def encode_desired(kind: int, message: Desired) -> dict[int, object]:
    packed = pack(message.text)
    fields: dict[int, object] = {
        0: kind,
        1: message.gateway,
        2: message.incarnation,
        3: message.number,
        5: message.issued,
    }
    if message.expires is not None:
        fields[6] = message.expires
    fields |= {
        7: text_hash(message.text),
        8: packed,
        9: message.trial_ms,
        10: message.principal,
        11: message.dry,
    }
    if message.base is not None:
        fields[12] = message.base
    return fields


def decode_desired(fields: Fields) -> Desired:
    text = unpack(fields.octets(8))
    if text_hash(text) != fields.octets(7, HASH_BYTES):
        raise RemoteProtocolError("a configuration's text is not the one that its hash names")
    return Desired(
        gateway=fields.text(1, 64),
        incarnation=fields.integer(2, 1, MAX_U64),
        number=fields.integer(3, 1, MAX_SEQ),
        issued=fields.integer(5, 0, MAX_TIME_MS),
        text=text,
        trial_ms=fields.integer(9, 1000, LONGEST_TRIAL_MS),
        principal=fields.text(10, 200),
        base=fields.octets(12, HASH_BYTES) if fields.has(12) else None,
        expires=fields.integer(6, 0, MAX_TIME_MS) if fields.has(6) else None,
        dry=fields.boolean(11),
    )
