"""Simulated meters: what the protocols share whose frames end with a sum. No sockets in here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA, NeedData
from protocols.sum_frames import SumDecoder
from sim_devices.clock import Now
from sim_devices.conversation import Record
from sim_devices.faults import Faults, Kind, Send, distort, heard
from sim_devices.models.base import Device, Unit

F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)
A = TypeVar("A", bound="_Addressed")
D = TypeVar("D", bound=Device)


class _Addressed(Protocol):
    @property
    def address(self) -> str: ...

    def _replace(self, *, address: str) -> Self: ...


class _Decoder(Protocol[F_co]):
    def receive_data(self, data: bytes) -> None: ...

    def line_idle(self) -> None: ...

    def next_frame(self) -> F_co | NeedData: ...


@dataclass(frozen=True)
class MeterAnswer(Generic[A]):
    """A sim_devices.faults.Answer."""

    frame: A
    encode: Callable[[A], bytes]

    def whole(self) -> bytes:
        return self.encode(self.frame)

    def spoiled(self) -> bytes:
        whole = self.whole()
        return whole[:-2] + bytes((whole[-2] ^ 0x5A,)) + whole[-1:]

    def misaddressed(self) -> bytes:
        address = self.frame.address
        return self.encode(self.frame._replace(address=f"{address[:-1]}{(int(address[-1], 16) + 1) % 10}"))


class MeterSlaves(ABC, Generic[A, D]):
    """The meters of one line by address. Whoever is not addressed keeps silent; a meter alone on its line answers to
    WILDCARD."""

    KIND: type[D]
    WILDCARD: str

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

    def converse(self, kind: str) -> "Conversation[A]":  # noqa: ARG002 - a line is the same however it is reached
        return Conversation(self.answer, self.decoder())

    @abstractmethod
    def decoder(self) -> SumDecoder[A]: ...

    @abstractmethod
    def encode(self, frame: A) -> bytes: ...

    @abstractmethod
    def reply(self, frame: A, unit: str, device: D, refusal: int | None) -> tuple[A, Mapping[str, Any] | None]:
        """The answer, and for the record what was read. `refusal` is the code of a fault that makes it refuse.

        Raises RemoteProtocolError for what such a meter does not answer at all.
        """

    def answer(self, frame: A, now: Now) -> list[Send]:
        self._advance(now.sim_ms)
        unit: Unit = frame.address
        if frame.address == self.WILDCARD and len(self.units) == 1:
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
        if said is not None and self._record is not None and heard(fault):
            self._record(now, unit, device, said, fault)
        return distort(fault, MeterAnswer(answer, self.encode), self._faults)


class Conversation(Generic[F]):
    """One client on one line: `answer` is what its slaves say to a frame."""

    def __init__(self, answer: Callable[[F, Now], list[Send]], decoder: _Decoder[F]) -> None:
        self._answer = answer
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
            sends += self._answer(frame, now)
