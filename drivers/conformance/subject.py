"""What the checks are given: a driver, and a device that answers it, as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

from drivers.base import Family, Line, LineConfig, Model, Number, Point, Span, Unit

PTY_BAUD = 115200  # a pty has no speed; what the driver allows for the wire should not make the checks slow

Peer: TypeAlias = Callable[[bytes], bytes]
"""One conversation with the device: bytes that it hears to bytes that it answers, empty while it has nothing to say."""


class Act(StrEnum):
    """What the device does: answer as it should, answer in the name of another with all else being right, refuse as
    the protocol provides. The words are those that sim_devices.faults has for it."""

    HONEST = "honest"
    ELSEWHERE = "wrong-unit"
    REFUSING = "exception"


class Device(Protocol):
    """The device of a driver under test. Its values stand still."""

    def begin(self, act: Act) -> Peer | None:
        """A new conversation; None where the protocol has no such answer, or it is not known."""
        ...


class Golden:
    """A device that knows certain requests and their answers, from a manual or a recording.

    `elsewhere` and `refusals` are the answers to the same requests of Act.ELSEWHERE and Act.REFUSING.
    """

    def __init__(
        self,
        answers: Mapping[bytes, bytes],
        elsewhere: Mapping[bytes, bytes] | None = None,
        refusals: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._answers = answers
        self._special = {Act.HONEST: answers, Act.ELSEWHERE: elsewhere, Act.REFUSING: refusals}

    def begin(self, act: Act) -> Peer | None:
        special = self._special[act]
        if not special:
            return None
        table = {**self._answers, **special}
        longest = max(map(len, table))
        heard = bytearray()

        def hear(data: bytes) -> bytes:
            heard.extend(data)
            for request, answer in table.items():
                if heard.endswith(request):
                    heard.clear()
                    return answer
            del heard[:-longest]
            return b""

        return hear


class Later(NamedTuple):
    """The same device a while later, with other values."""

    device: Device
    expect: Mapping[str, Number | None]


@dataclass(frozen=True)
class DriverUnderTest:
    """`expect` says of each channel that is to be read what must arrive: the channel's own integers (before its scale)
    or floats, None for no value. Let neighbours differ, counters be large, and one channel have no value: what the
    values cannot tell apart the checks cannot either.

    With `later` an old answer to a request can be told from a new one to the same. `checksum` is False for protocols
    that cannot notice a changed byte. `options` are those of the bus.
    """

    family: Family
    model: Model
    unit: Unit
    device: Device
    expect: Mapping[str, Number | None]
    later: Later | None = None
    checksum: bool = True
    options: Mapping[str, object] = field(default_factory=dict)

    def a_while_later(self) -> "DriverUnderTest | None":
        return self.later and replace(self, device=self.later.device, expect=self.later.expect, later=None)

    @property
    def on_pty(self) -> bool:
        return self.family.serial is not None

    def connect(self, address: str) -> Line:
        serial = self.family.serial
        if serial is None:
            return self.family.create_line(LineConfig("conformance", address, options=self.options))
        return self.family.create_line(
            LineConfig("conformance", address, PTY_BAUD, serial.parity, serial.stop_bits, self.options)
        )

    def spans(self) -> list[Span]:
        """One request for each place where an expected channel stands."""
        return list(dict.fromkeys(span_of(point) for point in self.model.points if self._name(point) in self.expect))

    def expected_in(self, span: Span) -> dict[str, Number | None]:
        names = [self._name(point) for point in self.model.points if span_of(point) == span]
        return {name: self.expect[name] for name in names if name in self.expect}

    def _name(self, point: Point) -> str:
        return self.model.channels[point.channel].name


def span_of(point: Point) -> Span:
    return Span(point.space, point.address, point.length)
