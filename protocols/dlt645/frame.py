"""Frames of DL/T 645-2007, section 5: 68 A0..A5 68 C L DATA CS 16, every byte of DATA sent 33H higher."""

import re
from typing import NamedTuple

from protocols.errors import LocalProtocolError
from protocols.sum_frames import START, TAIL, WAKE, Length, SumDecoder, close_frame

ADDRESS_BYTES = 6
WILDCARD = "AA" * ADDRESS_BYTES  # whoever is alone on the line
BROADCAST = "99" * ADDRESS_BYTES  # all listen, none answers
HEADER = 2 + ADDRESS_BYTES + 2
MOST_DATA = 200  # 5.2.5: at most 200 bytes read, at most 50 written
OFFSET = 0x33
WAKE_BYTES = 4  # 5.2.2: 1 to 4 of them go ahead of a frame

_LIFT = bytes((byte + OFFSET) & 0xFF for byte in range(256))
_LOWER = bytes((byte - OFFSET) & 0xFF for byte in range(256))
# Digits; AA in place of leading pairs makes an address short.
_ADDRESS = re.compile(r"(AA)*([0-9]{2})*", re.ASCII)


class Frame(NamedTuple):
    """`address` reads as on the meter's plate, highest digit first, though the wire has its low byte first.

    `data` is without the 33H.
    """

    address: str
    control: int
    data: bytes = b""


def is_address(text: str) -> bool:
    """12 digits; leading pairs may be AA, which stands for any."""
    return len(text) == 2 * ADDRESS_BYTES and _ADDRESS.fullmatch(text) is not None


def encode_frame(frame: Frame, wake: int = WAKE_BYTES) -> bytes:
    if not is_address(frame.address):
        raise LocalProtocolError(f"{frame.address!r} is not the address of a meter: 12 digits")
    if not (0 <= frame.control <= 0xFF and len(frame.data) <= MOST_DATA):
        raise LocalProtocolError(f"control {frame.control:#04x} with {len(frame.data)} bytes of data is no frame")
    head = bytes((START, *bytes.fromhex(frame.address)[::-1], START, frame.control, len(frame.data)))
    return bytes((WAKE,)) * wake + close_frame(head + frame.data.translate(_LIFT))


class FrameDecoder(SumDecoder[Frame]):
    """Both sides use it: requests and replies differ by a bit of their control code."""

    def _measure(self, buffer: bytearray) -> int | Length:
        if len(buffer) > ADDRESS_BYTES + 1 and buffer[ADDRESS_BYTES + 1] != START:
            return Length.IMPOSSIBLE
        if len(buffer) < HEADER:
            return Length.OPEN
        length = buffer[HEADER - 1]
        return HEADER + length + TAIL if length <= MOST_DATA else Length.IMPOSSIBLE

    def _build(self, frame: bytes) -> Frame:
        return Frame(_address(frame), frame[HEADER - 2], frame[HEADER:-TAIL].translate(_LOWER))

    def _who(self, buffer: bytearray) -> str:
        return f"meter {_address(buffer)}"


def _address(frame: bytes | bytearray) -> str:
    return frame[ADDRESS_BYTES:0:-1].hex().upper()
