"""A master's bytes in, the slaves' bytes out. No sockets in here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus.codes import (
    ANY_ANSWERS,
    APPLICATION_ERROR,
    FCB,
    HIGHEST_PRIMARY,
    REQ_UD2,
    RSP_UD,
    SECONDARY,
    SELECT,
    SND_NKE,
    SND_UD,
    UNCONFIGURED,
)
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import Ack, Frame, LongFrame, ShortFrame, encode_frame
from protocols.mbus.header import Secondary, encode_number
from protocols.mbus.telegram import encode_telegram
from sim_devices.clock import Now
from sim_devices.conversation import LineProtocol, Record
from sim_devices.faults import Faults, Kind, Send, distort, heard
from sim_devices.mbus.device import RecordsDevice
from sim_devices.meters import Conversation
from sim_devices.models.base import Device, Unit


class MbusAnswer(NamedTuple):
    """A sim_devices.faults.Answer. An acknowledgement has neither sum nor address: it is another byte, or itself."""

    frame: Frame

    def whole(self) -> bytes:
        return encode_frame(self.frame)

    def spoiled(self) -> bytes:
        whole = bytearray(self.whole())
        whole[-2 if len(whole) > 1 else 0] ^= 0x5A
        return bytes(whole)

    def misaddressed(self) -> bytes:
        match self.frame:
            case LongFrame(control, address, ci, data):
                number = bytes((data[0] ^ 0x01,)) if data else b""
                return encode_frame(LongFrame(control, (address + 1) % (HIGHEST_PRIMARY + 1), ci, number + data[1:]))
        return self.whole()


@dataclass
class _Slave:
    """One meter's link layer. `counted` is the frame count bit of the last request, None behind an initialisation."""

    device: RecordsDevice
    primary: int
    number: str
    secondary: Secondary
    selected: bool = False
    counted: bool | None = None
    telegram: int = -1
    said: LongFrame | None = None

    def hears(self, frame: Frame) -> bool:
        """Whether the frame is for this meter; a selection tells every meter whether it is meant."""
        match frame:
            case LongFrame(control, address, ci, data) if (
                control & ~FCB == SND_UD and address == SECONDARY and ci == SELECT
            ):
                try:
                    asked = Secondary.decode(data)
                except RemoteProtocolError:
                    return False
                rest = (self.secondary.manufacturer, self.secondary.version, self.secondary.medium)
                self.selected = asked.matches(self.number, *rest)
                return self.selected
            case ShortFrame(_, address):
                return address in (self.primary, ANY_ANSWERS) or (address == SECONDARY and self.selected)
        return False

    def answer(self, frame: Frame) -> Ack | LongFrame | None:
        match frame:
            case LongFrame():
                self._begin()
                return Ack()
            case ShortFrame(control, address) if control == SND_NKE:
                self._begin()
                self.selected = self.selected and address != SECONDARY
                return Ack()
            case ShortFrame(control) if control & ~FCB == REQ_UD2:
                count = bool(control & FCB)
                if count != self.counted or self.said is None:
                    self.said = self._next()
                self.counted = count
                return self.said
        return None

    def _begin(self) -> None:
        self.counted, self.telegram, self.said = None, -1, None

    def _next(self) -> LongFrame:
        self.telegram = (self.telegram + 1) % len(self.device.TELEGRAMS)
        self.device.access = (self.device.access + 1) & 0xFF
        header = self.device.header(self.number)
        return encode_telegram(self.primary, header, self.device.records(self.telegram))


class Slaves:
    """The meters of one line by unit: a primary address, or a meter's number as text; the rest of its secondary address
    is its model's."""

    def __init__(
        self,
        units: Mapping[Unit, Device],
        faults: Faults,
        advance: Callable[[int], None],
        record: Record | None = None,
    ) -> None:
        self.units: dict[Unit, RecordsDevice] = {
            unit: device for unit, device in units.items() if isinstance(device, RecordsDevice)
        }
        self.requests = dict.fromkeys((device.code for device in self.units.values()), 0)
        self._slaves = {unit: _slave(unit, device) for unit, device in self.units.items()}
        self._faults = faults
        self._advance = advance
        self._record = record

    def converse(self, kind: str) -> Conversation[Frame]:  # noqa: ARG002 - a line is the same however it is reached
        return Conversation(self.answer, FrameDecoder())

    def answer(self, frame: Frame, now: Now) -> list[Send]:
        """Of every meter that is meant: two at once are what a careless master gets. Meters do not hear meters."""
        if not frame.from_master:
            return []
        self._advance(now.sim_ms)
        sends: list[Send] = []
        for unit, slave in self._slaves.items():
            if not slave.hears(frame):
                continue
            self.requests[slave.device.code] += 1
            fault = self._faults.strike(slave.device.code, now.monotonic)
            answer = slave.answer(frame)
            if answer is None:
                continue
            if fault is not None and fault.kind is Kind.EXCEPTION and isinstance(answer, LongFrame):
                answer = LongFrame(RSP_UD, slave.primary, APPLICATION_ERROR, bytes((fault.code,)))
            elif isinstance(answer, LongFrame) and self._record is not None and heard(fault):
                self._record(now, unit, slave.device, {"data": answer.data.hex().upper()}, fault)
            sends += distort(fault, MbusAnswer(answer), self._faults)
        return sends


def _slave(unit: Unit, device: RecordsDevice) -> _Slave:
    primary, number = (unit, f"{unit:08d}") if isinstance(unit, int) else (UNCONFIGURED, unit)
    return _Slave(device, primary, number, Secondary.parse(device.header(number).secondary))


def _unit(given: Unit) -> Unit:
    if isinstance(given, int):
        if not UNCONFIGURED <= given <= HIGHEST_PRIMARY:
            raise ValueError(f"is to be {UNCONFIGURED}..{HIGHEST_PRIMARY}, or 8 digits as text, not {given!r}")
        return given
    try:
        encode_number(given)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None
    return given


PROTOCOL = LineProtocol(("serial-over-tcp", "pty"), _unit, Slaves)
