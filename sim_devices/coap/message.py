"""As much of CoAP (RFC 7252) as a sensor needs: a message, its options, its bytes. No sockets in here."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import RemoteProtocolError

VERSION = 1
POST = 0x02  # 12.1.1
PUT = 0x03
URI_PATH = 11  # 12.2
CONTENT_FORMAT = 12
BLOCK1 = 27  # RFC 7959, 6
PAYLOAD_MARKER = 0xFF


class Type(IntEnum):
    """3."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


@dataclass(frozen=True)
class Message:
    """`code` is class * 32 + detail; `options` are (number, value), in the order of their numbers."""

    type: Type
    code: int
    id: int
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    @property
    def code_text(self) -> str:
        """As people write it: 2.04."""
        return f"{self.code >> 5}.{self.code & 31:02}"

    def encode(self) -> bytes:
        head = struct.pack(">BBH", VERSION << 6 | self.type << 4 | len(self.token), self.code, self.id)
        body = bytearray(head + self.token)
        last = 0
        for number, value in self.options:
            delta, long_delta = _nibble(number - last)
            length, long_length = _nibble(len(value))
            body += bytes((delta << 4 | length,)) + long_delta + long_length + value
            last = number
        return bytes(body) + (bytes((PAYLOAD_MARKER,)) + self.payload if self.payload else b"")


def post(message_id: int, token: bytes, path: str, content_format: int, payload: bytes, type_: Type) -> Message:
    segments = tuple((URI_PATH, segment.encode()) for segment in path.strip("/").split("/"))
    return Message(type_, POST, message_id, token, (*segments, (CONTENT_FORMAT, unsigned(content_format))), payload)


def unsigned(value: int) -> bytes:
    """3.2: without leading zeros, and nothing for 0."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Message:
    """Raises RemoteProtocolError."""
    if len(data) < 4 or data[0] >> 6 != VERSION or data[0] & 15 > 8:
        raise RemoteProtocolError(f"no CoAP message: {data[:8].hex(' ')}")
    first, code, message_id = struct.unpack_from(">BBH", data)
    at = 4 + (first & 15)
    if len(data) < at:
        raise RemoteProtocolError("the token is cut short")
    token, number = data[4:at], 0
    options = []
    while at < len(data) and data[at] != PAYLOAD_MARKER:
        nibbles = data[at]
        delta, at = _read_nibble(data, nibbles >> 4, at + 1)
        length, at = _read_nibble(data, nibbles & 15, at)
        number += delta
        if len(data) < at + length:
            raise RemoteProtocolError("an option is cut short")
        options.append((number, data[at : at + length]))
        at += length
    return Message(Type(first >> 4 & 3), code, message_id, token, tuple(options), data[at + 1 :])


def _nibble(value: int) -> tuple[int, bytes]:
    """3.1: up to 12 as it is, 13 for another byte, 14 for two."""
    if value < 13:
        return value, b""
    return (13, bytes((value - 13,))) if value < 269 else (14, struct.pack(">H", value - 269))


def _read_nibble(data: bytes, nibble: int, at: int) -> tuple[int, int]:
    """The value, and where what follows begins."""
    width = {13: 1, 14: 2}.get(nibble, 0)
    if nibble == 15 or len(data) < at + width:
        raise RemoteProtocolError("an option's head is wrong or cut short")
    base = {13: 13, 14: 269}.get(nibble, nibble)
    return base + int.from_bytes(data[at : at + width], "big"), at + width
