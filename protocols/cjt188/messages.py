"""What frames of CJ/T 188 say: reading data and the address, and the replies."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

from protocols.cjt188.frame import Frame
from protocols.errors import LocalProtocolError, RemoteProtocolError

REPLY, FAILED = 0x80, 0x40  # bits of the control code
METERING = 0x901F  # the reading of now
ADDRESS = 0x810A  # from memory
HEADER_BYTES = 3  # DI, DI, SER


class Control(IntEnum):
    """The requests that are served here; writing (04, 15, 16) and keys (09) are not."""

    READ = 0x01
    READ_ADDRESS = 0x03


@dataclass(frozen=True)
class Read:
    """`serial` numbers the request, 0..255: the answer repeats it.

    `low_first` is the order of the identifier's bytes: 1F 90 as the edition of 2018 has it, or 90 1F as that of 2004.
    Meters on sale do either, and some answer in the other order than they were asked.
    """

    di: int
    serial: int
    low_first: bool = True
    control: Control = Control.READ

    def __post_init__(self) -> None:
        if not (0 <= self.di <= 0xFFFF and 0 <= self.serial <= 0xFF):
            raise LocalProtocolError(f"identifier {self.di:#x} or number {self.serial} is out of range")

    def frame(self, meter_type: int, address: str) -> Frame:
        order: Literal["little", "big"] = "little" if self.low_first else "big"
        return Frame(meter_type, address, self.control, self.di.to_bytes(2, order) + bytes((self.serial,)))


@dataclass(frozen=True)
class Data:
    di: int
    serial: int
    data: bytes


@dataclass(frozen=True)
class Refusal:
    """`status` is the meter's ST (records.Status), two bytes."""

    serial: int
    status: bytes

    @property
    def reason(self) -> str:
        return f"refused with status {self.status.hex(' ').upper() or 'none'}"


Reply: TypeAlias = Data | Refusal


def parse_reply(frame: Frame, request: Read) -> Reply:
    """What answers `request`. The sender's type and address are the caller's to check.

    Raises RemoteProtocolError for all that is no answer to it: another control code, number or identifier.
    """
    if frame.control == request.control | REPLY | FAILED:
        # SER ST ST, from memory; makers leave ST out.
        if not frame.data or frame.data[0] != request.serial:
            raise RemoteProtocolError(f"number {request.serial:02X} was asked, {frame.data[:1].hex() or 'none'} came")
        return Refusal(request.serial, frame.data[1:])
    if frame.control != request.control | REPLY:
        raise RemoteProtocolError(f"control {request.control:02X} was asked, {frame.control:02X} came")
    if len(frame.data) < HEADER_BYTES:
        raise RemoteProtocolError(f"{frame.data.hex(' ') or 'nothing'} has no identifier and number")
    if frame.data[2] != request.serial:
        raise RemoteProtocolError(f"number {request.serial:02X} was asked, {frame.data[2]:02X} came")
    if request.di not in (int.from_bytes(frame.data[:2], "little"), int.from_bytes(frame.data[:2], "big")):
        raise RemoteProtocolError(f"data {request.di:04X} was asked, {frame.data[:2].hex().upper()} came")
    return Data(request.di, request.serial, frame.data[HEADER_BYTES:])


def parse_request(frame: Frame) -> Read:
    """A meter's side. The identifier may stand in either order; only METERING and ADDRESS are told apart.

    Raises RemoteProtocolError for a frame that is no request to read.
    """
    if frame.control not in (Control.READ, Control.READ_ADDRESS) or len(frame.data) != HEADER_BYTES:
        raise RemoteProtocolError(f"control {frame.control:02X} with {len(frame.data)} bytes is not served")
    di = int.from_bytes(frame.data[:2], "little")
    high_first = int.from_bytes(frame.data[:2], "big") in (METERING, ADDRESS)
    if high_first:
        di = int.from_bytes(frame.data[:2], "big")
    return Read(di, frame.data[2], not high_first, Control(frame.control))


def reply_frame(frame: Frame, reply: Reply) -> Frame:
    """A meter's answer to the request in `frame`, with the identifier in the order it was asked."""
    match reply:
        case Data():
            return frame._replace(control=frame.control | REPLY, data=frame.data[:HEADER_BYTES] + reply.data)
        case Refusal():
            control, data = frame.control | REPLY | FAILED, bytes((reply.serial,)) + reply.status
            return frame._replace(control=control, data=data)
