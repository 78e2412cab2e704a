"""A line on which devices speak in text: questions in, lines out, or lines of themselves. No sockets in here."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from protocols.errors import RemoteProtocolError
from protocols.lines.reader import NEED_DATA, LineReader
from sim_devices.clock import Now
from sim_devices.conversation import LineProtocol, Record
from sim_devices.faults import Fault, Faults, Kind, Send, distort, heard
from sim_devices.models.base import Device, Unit
from sim_devices.text.device import TextDevice

END = b"\r\n"
REFUSAL = b"ERROR" + END
LONGEST_UNIT = 16


class TextAnswer(NamedTuple):
    """A sim_devices.faults.Answer."""

    device: TextDevice
    unit: Unit

    def whole(self) -> bytes:
        return self.device.line(self.unit) + END

    def spoiled(self) -> bytes:
        return self.device.spoiled(self.unit) + END

    def misaddressed(self) -> bytes:
        return self.device.line(_neighbour(self.unit)) + END


class Slaves:
    """The devices of one line by unit. `requests` counts, by device code, what was asked or was said unasked."""

    def __init__(
        self,
        units: Mapping[Unit, Device],
        faults: Faults,
        advance: Callable[[int], None],
        record: Record | None = None,
    ) -> None:
        self.units: dict[Unit, TextDevice] = {
            unit: device for unit, device in units.items() if isinstance(device, TextDevice)
        }
        self.requests = dict.fromkeys((device.code for device in self.units.values()), 0)
        self._faults = faults
        self._advance = advance
        self._record = record

    def converse(self, kind: str) -> "Session":  # noqa: ARG002
        return Session(self)

    def answer(self, question: bytes, now: Now) -> list[Send]:
        return self._say(now, lambda device, unit: device.hears(question, unit))

    def speak(self, now: Now) -> list[Send]:
        return self._say(now, lambda device, _: device.EVERY_S > 0)

    def _say(self, now: Now, is_meant: Callable[[TextDevice, Unit], bool]) -> list[Send]:
        self._advance(now.sim_ms)
        sends: list[Send] = []
        for unit, device in self.units.items():
            if not is_meant(device, unit):
                continue
            self.requests[device.code] += 1
            fault = self._faults.strike(device.code, now.monotonic)
            if fault is not None and fault.kind is Kind.EXCEPTION:
                sends.append(Send(0.0, REFUSAL))
                continue
            answer = TextAnswer(device, unit)
            self._journal(now, unit, device, answer, fault)
            sends += distort(fault, answer, self._faults)
        return sends

    def _journal(self, now: Now, unit: Unit, device: TextDevice, answer: TextAnswer, fault: Fault | None) -> None:
        if self._record is None or not heard(fault):
            return
        self._record(now, unit, device, {"line": answer.whole().decode("ascii").rstrip()}, fault)


class Session:
    """One client on one line; also a sim_devices.conversation.Speaker, where a device speaks of itself."""

    def __init__(self, slaves: Slaves) -> None:
        self._slaves = slaves
        self._reader = LineReader()
        self.every_s = max((device.EVERY_S for device in slaves.units.values()), default=0.0)

    def receive(self, data: bytes, now: Now) -> list[Send]:
        self._reader.receive_data(data)
        sends: list[Send] = []
        while True:
            try:
                question = self._reader.next_line()
            except RemoteProtocolError:
                continue  # noise is a device's business to ignore
            if question is NEED_DATA:
                return sends
            sends += self._slaves.answer(question, now)

    def idle(self, now: Now) -> list[Send]:  # noqa: ARG002
        self._reader.drop()
        return []

    def speak(self, now: Now) -> list[Send]:
        return self._slaves.speak(now)


def _neighbour(unit: Unit) -> Unit:
    """Another unit of the same form."""
    text = str(unit)
    last = text[-1]
    return text[:-1] + ("0" if last == "9" else chr(ord(last) + 1))


def _unit(given: Unit) -> Unit:
    text = str(given)
    if not 1 <= len(text) <= LONGEST_UNIT or not text.isascii() or not text.isalnum():
        raise ValueError(f"is to be 1 to {LONGEST_UNIT} letters and digits, not {given!r}")
    return given


PROTOCOL = LineProtocol(("serial-over-tcp", "pty"), _unit, Slaves)
