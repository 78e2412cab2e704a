"""What frames of DL/T 645-2007 say (section 7): requests for either side to make or to parse, and their replies."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TypeAlias

from protocols.bcd import encode_bcd
from protocols.dlt645.frame import ADDRESS_BYTES, Frame, is_address
from protocols.errors import LocalProtocolError, RemoteProtocolError

REPLY, FAILED, MORE = 0x80, 0x40, 0x20  # 5.2.4: bits of the control code
DI_BYTES = 4
SECRET_BYTES = 4  # a password (its level first) and an operator's code have as many
MOST_WRITTEN = 50  # 5.2.5


class Control(IntEnum):
    """The requests that are served here. There are more: freeze, broadcast time, clearing, baud rate."""

    READ = 0x11
    READ_NEXT = 0x12
    READ_ADDRESS = 0x13
    WRITE = 0x14
    SWITCH = 0x1C  # the standard's later amendment; seen in the field, text from memory


class Failure(IntFlag):
    """The error byte of a refusal (appendix; names as in the package `dlt645` and other open sources)."""

    OTHER = 0x01
    NO_SUCH_DATA = 0x02
    PASSWORD = 0x04
    BAUD_RATE = 0x08
    TOO_MANY_YEAR_ZONES = 0x10
    TOO_MANY_DAY_PERIODS = 0x20
    TOO_MANY_RATES = 0x40


FAILURE_WORDS = {
    Failure.OTHER: "other error",
    Failure.NO_SUCH_DATA: "no such data",
    Failure.PASSWORD: "wrong password or not authorised",
    Failure.BAUD_RATE: "the baud rate cannot be changed",
    Failure.TOO_MANY_YEAR_ZONES: "too many time zones of the year",
    Failure.TOO_MANY_DAY_PERIODS: "too many periods of the day",
    Failure.TOO_MANY_RATES: "too many rates",
}


@dataclass(frozen=True)
class ReadData:
    di: int

    def __post_init__(self) -> None:
        _check_di(self.di)

    def frame(self, address: str) -> Frame:
        return Frame(address, Control.READ, _di_bytes(self.di))


@dataclass(frozen=True)
class ReadNext:
    """What follows an answer that said so; `sequence` counts from 1."""

    di: int
    sequence: int

    def __post_init__(self) -> None:
        _check_di(self.di)
        if not 1 <= self.sequence <= 0xFF:
            raise LocalProtocolError(f"frame {self.sequence} is not within 1..255")

    def frame(self, address: str) -> Frame:
        return Frame(address, Control.READ_NEXT, _di_bytes(self.di) + bytes((self.sequence,)))


@dataclass(frozen=True)
class ReadAddress:
    """Asked of frame.WILDCARD, with one meter on the line."""

    def frame(self, address: str) -> Frame:
        return Frame(address, Control.READ_ADDRESS)


@dataclass(frozen=True)
class WriteData:
    """`password` begins with its level: 02 or 04 as the data needs. Neither is shown."""

    di: int
    password: bytes
    operator: bytes
    data: bytes

    def __post_init__(self) -> None:
        _check_di(self.di)
        _check_secrets(self.password, self.operator)
        if not 1 <= len(self.data) <= MOST_WRITTEN - DI_BYTES - 2 * SECRET_BYTES:
            raise LocalProtocolError(f"{len(self.data)} bytes cannot be written at once")

    def __repr__(self) -> str:
        return f"WriteData(di={self.di:08X}, {len(self.data)} bytes)"

    def frame(self, address: str) -> Frame:
        return Frame(address, Control.WRITE, _di_bytes(self.di) + self.password + self.operator + self.data)


class SwitchCommand(IntEnum):
    """From memory of the amendment; a meter that knows a command not refuses it."""

    TRIP = 0x1A
    ALLOW_CLOSING = 0x1B
    CLOSE = 0x1C


@dataclass(frozen=True)
class Switch:
    """`until` is when the command ends to hold: year (of the century), month, day, hour, minute, second."""

    password: bytes
    operator: bytes
    command: SwitchCommand
    until: tuple[int, int, int, int, int, int]

    def __post_init__(self) -> None:
        _check_secrets(self.password, self.operator)

    def __repr__(self) -> str:
        return f"Switch({self.command.name})"

    def frame(self, address: str) -> Frame:
        expiry = b"".join(encode_bcd(part, 1) for part in reversed(self.until))
        return Frame(address, Control.SWITCH, self.password + self.operator + bytes((self.command, 0)) + expiry)


Request: TypeAlias = ReadData | ReadNext | ReadAddress | WriteData | Switch


@dataclass(frozen=True)
class Data:
    """`more`: the meter has the rest ready for a ReadNext."""

    di: int
    data: bytes
    more: bool = False


@dataclass(frozen=True)
class Address:
    address: str


@dataclass(frozen=True)
class Done:
    """A write or a switch was carried out."""


@dataclass(frozen=True)
class Refusal:
    """It tells neither what was asked nor which data: of a late one nobody knows whose it is."""

    failure: int

    @property
    def reason(self) -> str:
        words = [text for bit, text in FAILURE_WORDS.items() if self.failure & bit]
        return f"error {self.failure:02X} ({', '.join(words) or 'unknown'})"


Reply: TypeAlias = Data | Address | Done | Refusal


def parse_reply(frame: Frame, request: Request) -> Reply:
    """What answers `request`. The sender's address is the caller's to check.

    Raises RemoteProtocolError for all that is no answer to it: another control code, data identifier or frame number.
    """
    asked = request.frame(frame.address).control
    if frame.control == asked | REPLY | FAILED:
        if len(frame.data) != 1:
            raise RemoteProtocolError(f"a refusal holds one byte, not {frame.data.hex(' ') or 'nothing'}")
        return Refusal(frame.data[0])
    if frame.control & ~MORE != asked | REPLY:
        raise RemoteProtocolError(f"control {asked:02X} was asked, {frame.control:02X} came")
    more = bool(frame.control & MORE)
    match request:
        case ReadData():
            return Data(request.di, _of(request.di, frame.data), more)
        case ReadNext():
            data = _of(request.di, frame.data)
            if data[-1:] != bytes((request.sequence,)):
                raise RemoteProtocolError(f"frame {request.sequence} was asked, {data[-1:].hex() or 'none'} came")
            return Data(request.di, data[:-1], more)
        case ReadAddress():
            address = frame.data[::-1].hex().upper()
            if len(frame.data) != ADDRESS_BYTES or not is_address(address):
                raise RemoteProtocolError(f"{frame.data.hex(' ') or 'nothing'} is not the address of a meter")
            return Address(address)
        case _:
            if frame.data:
                raise RemoteProtocolError(f"nothing is to be answered, {frame.data.hex(' ')} came")
            return Done()


def reply_frame(frame: Frame, reply: Reply, sequence: int | None = None) -> Frame:
    """A meter's answer to the request in `frame`; `sequence` is the frame number that a ReadNext asked."""
    control = frame.control | REPLY
    match reply:
        case Data():
            tail = b"" if sequence is None else bytes((sequence,))
            return Frame(frame.address, control | MORE * reply.more, _di_bytes(reply.di) + reply.data + tail)
        case Address():
            return Frame(reply.address, control, bytes.fromhex(reply.address)[::-1])
        case Refusal():
            return Frame(frame.address, control | FAILED, bytes((reply.failure,)))
        case _:
            return Frame(frame.address, control)


def parse_request(frame: Frame) -> ReadData | ReadNext | ReadAddress:
    """A meter's side of reading. Raises RemoteProtocolError for a frame that is no such request."""
    data = frame.data
    match frame.control, len(data):
        case Control.READ, 4:
            return ReadData(int.from_bytes(data, "little"))
        case Control.READ_NEXT, 5 if data[4]:
            return ReadNext(int.from_bytes(data[:4], "little"), data[4])
        case Control.READ_ADDRESS, 0:
            return ReadAddress()
    raise RemoteProtocolError(f"control {frame.control:02X} with {len(data)} bytes is not served")


def _of(di: int, data: bytes) -> bytes:
    """The data behind its identifier, which must be `di`."""
    if data[:DI_BYTES] != _di_bytes(di):
        came = data[DI_BYTES - 1 :: -1].hex().upper() if len(data) >= DI_BYTES else "no identifier"
        raise RemoteProtocolError(f"data {di:08X} was asked, {came} came")
    return data[DI_BYTES:]


def _di_bytes(di: int) -> bytes:
    return di.to_bytes(DI_BYTES, "little")


def _check_di(di: int) -> None:
    if not 0 <= di <= 0xFFFFFFFF:
        raise LocalProtocolError(f"{di:#x} is not a data identifier of four bytes")


def _check_secrets(password: bytes, operator: bytes) -> None:
    if len(password) != SECRET_BYTES or len(operator) != SECRET_BYTES:
        raise LocalProtocolError("a password and an operator's code have four bytes each")
