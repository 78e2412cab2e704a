"""Frames of CJ/T 188: 68 T A0..A6 C L DATA CS 16. Unlike in DL/T 645 nothing is added to the data."""

import re
from typing import NamedTuple

from protocols.errors import LocalProtocolError
from protocols.sum_frames import START, TAIL, WAKE, Length, SumDecoder, close_frame

ADDRESS_BYTES = 7
WILDCARD = "AA" * ADDRESS_BYTES  # whoever is alone on the line, with ANY_TYPE or a type of its own
ANY_TYPE = 0xAA
TYPES = range(0x10, 0x4A)  # 10..19 water, 20..29 heat and cold, 30..39 gas, 40..49 others
HEADER = 2 + ADDRESS_BYTES + 2
MOST_DATA = 100  # the longest that the standard names is a month's history; a reading has 16H or 2EH
WAKE_BYTES = 3  # at least 2 go ahead of a frame

# Makers put their code into the two highest bytes, some as hexadecimal digits.
_ADDRESS = re.compile(r"[0-9A-F]{14}", re.ASCII)


class Frame(NamedTuple):
    """`type` is the kind of meter, T. `address` has its highest digit first, though the wire has its low byte first."""

    type: int
    address: str
    control: int
    data: bytes = b""


def is_address(text: str) -> bool:
    """14 digits, A to F in upper case."""
    return _ADDRESS.fullmatch(text) is not None


def encode_frame(frame: Frame, wake: int = WAKE_BYTES) -> bytes:
    if frame.type not in TYPES and frame.type != ANY_TYPE:
        raise LocalProtocolError(f"{frame.type:#04x} is not a type of meter")
    if not is_address(frame.address):
        raise LocalProtocolError(f"{frame.address!r} is not the address of a meter: 14 digits")
    if not (0 <= frame.control <= 0xFF and len(frame.data) <= MOST_DATA):
        raise LocalProtocolError(f"control {frame.control:#04x} with {len(frame.data)} bytes of data is no frame")
    address = bytes.fromhex(frame.address)[::-1]
    head = bytes((START, frame.type, *address, frame.control, len(frame.data)))
    return bytes((WAKE,)) * wake + close_frame(head + frame.data)


class FrameDecoder(SumDecoder[Frame]):
    """Both sides use it: requests and replies differ by a bit of their control code."""

    def _measure(self, buffer: bytearray) -> int | Length:
        if len(buffer) > 1 and buffer[1] not in TYPES and buffer[1] != ANY_TYPE:
            return Length.IMPOSSIBLE
        if len(buffer) < HEADER:
            return Length.OPEN
        length = buffer[HEADER - 1]
        return HEADER + length + TAIL if length <= MOST_DATA else Length.IMPOSSIBLE

    def _build(self, frame: bytes) -> Frame:
        return Frame(frame[1], _address(frame), frame[HEADER - 2], frame[HEADER:-TAIL])

    def _who(self, buffer: bytearray) -> str:
        return f"meter {_address(buffer)}"


def _address(frame: bytes | bytearray) -> str:
    return frame[1 + ADDRESS_BYTES : 1 : -1].hex().upper()
