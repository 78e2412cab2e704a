"""What the gateway asks of a driver, whatever bus it speaks on.

A *model* describes a kind of device (channels, and where their values stand); a *line* is one serial line or one
connection, used by one owner at a time. The owner plans which spans to read, hands each to the line and lets the
model decode the answer. Drivers know nothing of schedules, filters or city codes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from drivers.transport.stream import ByteStream
from protocols.edge.birth import Kind

Number: TypeAlias = int | float
Unit: TypeAlias = int | str  # what a device is called on its line: a Modbus unit, the number on a meter's plate


class DeviceError(Exception):
    """A device did not do what was asked; says which device, and what to look at."""


class Unreachable(DeviceError):
    """No answer, or no connection: the others on the line may be fine."""


class LineDown(Unreachable):
    """The line itself is gone or never opened: nothing on it can be reached until its owner opens it again."""


class Refused(DeviceError):
    """The device answered that it will not. `code` is the protocol's own reason."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotSent(Refused):
    """We refuse in the device's place and nothing went out: the channel is read-only, or the value does not fit it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 0)


class Nonsense(DeviceError):
    """The device answered with what its protocol does not allow; nothing of it was used."""


class Stranger(Nonsense):
    """A report of nobody who is expected, or who did not prove to be; he was told so."""


class ModelError(ValueError):
    """A model's description cannot be used; says file, key and what would be valid."""


@dataclass(frozen=True)
class Channel:
    """One measured quantity of a model.

    `tag` is how values travel (protocols.edge.columns: i32, i64, f32, f64). Integer channels carry `value` times
    10**-scale exactly; float channels have scale 0. `limits` are plausible bounds in `unit`. A counter that would reach
    `rollover`, in its own integers, begins again at 0.
    """

    name: str
    title: Mapping[str, str]
    quantity: str
    unit: str
    kind: Kind
    tag: int
    scale: int = 0
    limits: tuple[Decimal, Decimal] | None = None
    writable: bool = False
    states: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    rollover: int | None = None


class Point(NamedTuple):
    """Where a channel stands: `length` addresses from `address` in `space` (a register table, say)."""

    space: str
    address: int
    length: int
    channel: int


class Span(NamedTuple):
    """One request: `length` addresses from `address` in `space`."""

    space: str
    address: int
    length: int


class Reading(NamedTuple):
    """`value` in the channel's own integers (before its scale) or floats; None where the device has no value."""

    channel: int
    value: Number | None
    quality: int


class Readings:
    """Readings of one device at one moment, side by side: nothing is made for each of thousands a second.

    Not to be changed; `a + b` are those of `a`, then those of `b`. A None in `values` has a Bad quality beside it.
    """

    __slots__ = ("channels", "qualities", "values")

    def __init__(
        self, channels: tuple[int, ...], values: tuple[Number | None, ...], qualities: tuple[int, ...]
    ) -> None:
        self.channels = channels
        self.values = values
        self.qualities = qualities

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> "Readings":
        listed = list(readings)
        return cls(
            tuple(reading.channel for reading in listed),
            tuple(reading.value for reading in listed),
            tuple(reading.quality for reading in listed),
        )

    def __len__(self) -> int:
        return len(self.channels)

    def __iter__(self) -> Iterator[Reading]:
        return map(Reading, self.channels, self.values, self.qualities)

    def __add__(self, other: "Readings") -> "Readings":
        return Readings(self.channels + other.channels, self.values + other.values, self.qualities + other.qualities)


NO_READINGS = Readings((), (), ())


class Limits(NamedTuple):
    """What one request may ask of a device: addresses in all, and unwanted ones between two wanted."""

    longest: Mapping[str, int]
    gap: int


class Cost(NamedTuple):
    """What reading in one space takes of a line, in ms: `request` for asking at all, `address` for each address."""

    request: float
    address: float

    def of(self, span: Span) -> float:
        return self.request + self.address * span.length


class Described(Protocol):
    """A kind of device, as far as a birth describes it."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> Mapping[str, str]: ...

    @property
    def channels(self) -> Sequence[Channel]: ...


class Model(Described, Protocol):
    """A kind of device that is asked."""

    @property
    def points(self) -> Sequence[Point]: ...

    @property
    def limits(self) -> Limits: ...

    def decode(self, span: Span, raw: bytes) -> Readings:
        """The readings of all channels that lie whole in `span`; sentinels become None with a Bad quality."""
        ...


class Line(Protocol):
    """One physical line or connection. Calls are never made at once; a call that is cancelled leaves it usable.

    A `unit` is of the kind that the family's unit() gives.
    """

    async def open(self) -> None:
        """Raises Unreachable with the address and the cause."""
        ...

    async def close(self) -> None: ...

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes:
        """What stands at `span` of device `unit`, in the form its model decodes. Raises DeviceError."""
        ...

    async def write(self, unit: Any, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        """Writes `value` (in the channel's unit), reads it back and returns what was read. Raises DeviceError."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A line whose time is known before it is used."""

    def cost(self, unit: Any, space: str) -> Cost:
        """What reads in `space` of `unit` take of the wire, with the silences between frames; not how long the device
        thinks. What it may answer at most counts, where its answers are not of one length."""
        ...


@runtime_checkable
class Learning(Protocol):
    """A line that measures how long its devices think."""

    def turnaround_ms(self, unit: Any) -> float | None:
        """What `unit` takes between the end of a request and the beginning of its answer, on average; None until it
        answered."""
        ...


@runtime_checkable
class Pipelined(Protocol):
    """A line that may have several requests under way at once; `depth` of them, as it is configured."""

    depth: int

    async def read_many(self, asked: Sequence[tuple[Any, Span]], timeout: float) -> Sequence[bytes | DeviceError]:
        """What Line.read() gives or raises for each (unit, span), in their order; `timeout` is for each answer. A unit
        that is silent is asked for nothing more. Raises LineDown, and Nonsense where the line is of no more use."""
        ...


@runtime_checkable
class Active(Protocol):
    """A line that has work of its own, whether or not it is asked: a modem that is kept in its network."""

    async def run(self) -> None:
        """Beside the owner's calls, from before open() until cancelled; never returns."""
        ...


class Report(NamedTuple):
    """What a device sent of itself: the readings of one or more moments, each with its age.

    `age_ms` is how long before it was received a moment was, 0 where the device told no time. `identity` is equal for
    two receptions of one report.
    """

    unit: Unit
    identity: bytes
    moments: tuple[tuple[int, Readings], ...]


class Listener(Protocol):
    """A place where devices report, each when it likes."""

    async def open(self) -> None:
        """Raises LineDown with the address and the cause."""
        ...

    async def close(self) -> None: ...

    async def next(self) -> Report:
        """The next report of a device that is known. Raises Nonsense for one that cannot be used, and Stranger for one
        of somebody else, having told the sender so, and LineDown when nothing can be heard any more."""
        ...


class SerialSettings(NamedTuple):
    baud: int
    parity: str
    stop_bits: int


def _straight(stream: ByteStream) -> ByteStream:
    return stream


@dataclass(frozen=True)
class LineConfig:
    """`address` is host:port, or the path of a serial port, which alone uses baud, parity and stop bits.

    `options` are the family's own, as its options() gave them. A line whose frames go over a byte stream hands that
    stream to `through` and uses what it gives back, so that others may listen in.
    """

    driver: str
    address: str
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    options: Mapping[str, object] = field(default_factory=dict)
    through: Callable[[ByteStream], ByteStream] = _straight


class FamilyBase(Protocol):
    """What both kinds of driver family in drivers.catalog tell."""

    @property
    def serial(self) -> SerialSettings | None:
        """How a serial line of such devices is set unless told otherwise; None if an address is host:port."""
        ...

    def unit(self, given: Unit) -> Unit:
        """A device's unit in its one spelling. Raises ValueError with what would be right."""
        ...

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:
        """A bus's [bus.options], checked; paths are relative to `base`. Raises ValueError that begins with the key."""
        ...


@runtime_checkable
class Family(FamilyBase, Protocol):
    """A family of devices that are asked."""

    def load_model(self, source: str) -> Model:
        """The model of that name among the templates, or in the TOML file at that path. Raises ModelError."""
        ...

    def create_line(self, config: LineConfig) -> Line: ...


@runtime_checkable
class ReportingFamily(FamilyBase, Protocol):
    """A family of devices that report of themselves."""

    def load_model(self, source: str) -> Described:
        """As Family has it. Raises ModelError."""
        ...

    def create_listener(self, config: LineConfig, models: Mapping[Unit, Described]) -> Listener:
        """`models` are those that load_model() gave, by the units that are expected."""
        ...
