"""Slaves of the protocols whose frames end with a sum (protocols.sum_frames): what they share. No sockets in here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA
from protocols.sum_frames import SumDecoder
from sim_devices.clock import Now
from sim_devices.conversation import Record
from sim_devices.faults import Answer, Fault, Faults, Kind, Send, distort
from sim_devices.models.base import Device, Unit


class _Addressed(Protocol):
    @property
    def address(self) -> str: ...


F = TypeVar("F", bound=_Addressed)
D = TypeVar("D", bound=Device)


def spoil(whole: bytes) -> bytes:
    """A frame with another sum."""
    return whole[:-2] + bytes((whole[-2] ^ 0x5A,)) + whole[-1:]


def neighbour(address: str) -> str:
    """An address of another meter."""
    return f"{address[:-1]}{(int(address[-1], 16) + 1) % 10}"


class MeterSlaves(ABC, Generic[F, D]):
    """The meters of one line by address. Whoever is not addressed keeps silent."""

    KIND: type[D]

    def __init__(
        self,
        units: Mapping[Unit, Device],
        faults: Faults,
        advance: Callable[[int], None],
        record: Record | None = None,
    ) -> None:
        self.units: dict[Unit, D] = {unit: device for unit, device in units.items() if isinstance(device, self.KIND)}
        self.requests = dict.fromkeys((device.code for device in self.units.values()), 0)
        self._faults = faults
        self._advance = advance
        self._record = record

    def converse(self, kind: str) -> "Conversation[F]":  # noqa: ARG002 - a line is the same however it is reached
        return Conversation(self, self.decoder())

    @abstractmethod
    def decoder(self) -> SumDecoder[F]: ...

    @abstractmethod
    def wildcard(self, frame: F) -> bool:
        """Whether a meter that is alone on its line may answer."""

    @abstractmethod
    def reply(self, frame: F, unit: str, device: D, refusal: int | None) -> tuple[Answer, Mapping[str, Any] | None]:
        """The answer, and for the record what was read. `refusal` is the code of a fault that makes it refuse.

        Raises RemoteProtocolError for what such a meter does not answer at all.
        """

    def answer(self, frame: F, now: Now) -> list[Send]:
        self._advance(now.sim_ms)
        unit: Unit = frame.address
        if self.wildcard(frame) and len(self.units) == 1:
            unit = next(iter(self.units))
        device = self.units.get(unit)
        if device is None:
            return []
        self.requests[device.code] += 1
        fault = self._faults.strike(device.code, now.monotonic)
        refusal = fault.code if fault is not None and fault.kind is Kind.EXCEPTION else None
        try:
            answer, said = self.reply(frame, str(unit), device, refusal)
        except RemoteProtocolError:
            return []
        if said is not None:
            self._journal(now, unit, device, said, fault)
        return distort(fault, answer, self._faults)

    def _journal(self, now: Now, unit: Unit, device: D, said: Mapping[str, Any], fault: Fault | None) -> None:
        if self._record is not None and (fault is None or fault.kind not in (Kind.SILENT, Kind.DISCONNECT)):
            self._record(now, unit, device, said, fault)


class Conversation(Generic[F]):
    """One client on one line."""

    def __init__(self, slaves: MeterSlaves[F, Any], decoder: SumDecoder[F]) -> None:
        self._slaves = slaves
        self._decoder = decoder

    def receive(self, data: bytes, now: Now) -> list[Send]:
        self._decoder.receive_data(data)
        return self._drain(now)

    def idle(self, now: Now) -> list[Send]:
        """The line fell silent: half a frame will not be continued. Noise is a slave's business to ignore."""
        self._decoder.line_idle()
        return self._drain(now)

    def _drain(self, now: Now) -> list[Send]:
        sends: list[Send] = []
        while True:
            try:
                frame = self._decoder.next_frame()
            except RemoteProtocolError:
                continue
            if frame is NEED_DATA:
                return sends
            sends += self._slaves.answer(frame, now)
