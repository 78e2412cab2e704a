"""Frames of the link layer (FT 1.2 of IEC 60870-5-1 as EN 13757-2, 5.1 uses it).

E5                              acknowledgement
10 C A sum 16                   short frame
68 L L 68 C A CI data sum 16    long frame, L counts C to data; without data it is called a control frame
"""

from typing import NamedTuple, TypeAlias

from protocols.errors import LocalProtocolError
from protocols.mbus.codes import FROM_MASTER

SINGLE = 0xE5
SHORT = 0x10
LONG = 0x68
STOP = 0x16
SHORT_LENGTH = 5
MIN_L, MAX_L = 3, 255
OVERHEAD = 6  # of a long frame, around what L counts
MAX_FRAME = MAX_L + OVERHEAD
MAX_DATA = MAX_L - MIN_L


class Ack(NamedTuple):
    """The single character."""

    from_master: bool = False  # only a slave acknowledges


class ShortFrame(NamedTuple):
    control: int
    address: int

    @property
    def from_master(self) -> bool:
        return bool(self.control & FROM_MASTER)


class LongFrame(NamedTuple):
    control: int
    address: int
    ci: int
    data: bytes = b""

    @property
    def from_master(self) -> bool:
        return bool(self.control & FROM_MASTER)


Frame: TypeAlias = Ack | ShortFrame | LongFrame


def encode_frame(frame: Frame) -> bytes:
    match frame:
        case Ack():
            return bytes((SINGLE,))
        case ShortFrame(control, address):
            return bytes((SHORT, *_octets(control, address), (control + address) & 0xFF, STOP))
        case LongFrame(control, address, ci, data):
            if len(data) > MAX_DATA:
                raise LocalProtocolError(f"{len(data)} bytes of data do not fit a frame, which holds {MAX_DATA}")
            body = _octets(control, address, ci) + data
            return bytes((LONG, len(body), len(body), LONG)) + body + bytes((sum(body) & 0xFF, STOP))


def _octets(*numbers: int) -> bytes:
    try:
        return bytes(numbers)
    except ValueError:
        raise LocalProtocolError(f"{numbers} are not all numbers of a byte") from None
