"""The doors through which domains meet: frozen views and the Protocols that give them.

A domain opens doors by its `Domain.ports`; others reach them as `context.ports.telemetry` and so on. Scope is checked
behind the ledger's door: telemetry and commands are asked only about codes that were read through the ledger.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from fleet_server.kernel.principal import Principal
from protocols.edge.requirement import Requirement

Resolution: TypeAlias = Literal["raw", "minute", "hour"]
CommandStatus: TypeAlias = Literal["queued", "sent", "done", "failed", "refused", "expired", "unknown"]
LifeCycle: TypeAlias = Literal["planned", "in-service", "out-of-service", "retired"]
Words: TypeAlias = Mapping[str, str]  # by language tag: {"en": "Lamp power", "zh": "灯功率"}


@dataclass(frozen=True)
class GatewaySummary:
    """`division` is the path (bj.110114.110114011), `division_name` what people call its last part."""

    code: str
    name: str
    division: str
    division_name: str
    enrolled_at: datetime
    status: LifeCycle


@dataclass(frozen=True)
class DeviceSummary:
    """`cell` is the GeoSOT code as uint64 at `cell_level`, `lat` and `lon` its centre; None: place unknown."""

    code: str
    name: str
    model: str
    gateway: str
    division: str
    division_name: str
    mount: str | None
    cell_level: int | None
    cell: int | None
    lat: float | None
    lon: float | None
    status: LifeCycle
    created_at: datetime


class Ledger(Protocol):
    """NotFound for what does not exist and for what lies outside the principal's scope alike."""

    async def gateways(self, principal: Principal) -> list[GatewaySummary]: ...

    async def gateway(self, principal: Principal, code: str) -> GatewaySummary: ...

    async def devices(
        self, principal: Principal, *, gateway: str | None = None, query: str = "", limit: int = 500, after: str = ""
    ) -> list[DeviceSummary]:
        """In order of code, those behind `after`; `query` is a part of code, name, model or mount."""
        ...

    async def unseen(self, principal: Principal, devices: Collection[str]) -> list[str]:
        """Those of `devices` that are not there for the principal, in one question."""
        ...

    async def device(self, principal: Principal, code: str) -> DeviceSummary: ...


KEYS_CHANGED = "gateway_keys"  # NOTIFY with the code of a gateway whose keys, or right to have any, are others now


class GatewayKeys(Protocol):
    """Asked with the ingest role."""

    async def keys(self, gateway: str) -> dict[bytes, bytes]:
        """The gateway's valid keys by key id (`protocols.edge.cose.key_id`), the newest first; {} if it is not
        enrolled or retired."""
        ...

    async def gives_up_devices(self, gateway: str) -> bool:
        """Whether another gateway's birth may take over its devices."""
        ...


class Authenticator(Protocol):
    """Both give None for what is unknown, expired or revoked, and note the use."""

    async def by_session(self, secret: str) -> Principal | None: ...

    async def by_token(self, secret: str) -> Principal | None: ...


@dataclass(frozen=True)
class ChannelNow:
    """`text` is the exact decimal; `quality` an OPC UA code; `at` source time. `value` None: never a value.

    `rollovers` says of a counter, by the scale of its readings, at which mantissa it begins again at 0.
    """

    name: str
    title: Words
    quantity: str
    unit: str
    kind: str  # gauge, counter, state
    scale: int
    writable: bool
    limits: tuple[float, float] | None
    states: Mapping[int, Words]
    period_ms: int
    value: float | None
    text: str
    quality: int
    at: datetime | None
    rollovers: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceNow:
    code: str
    at: datetime | None
    channels: tuple[ChannelNow, ...]


@dataclass(frozen=True)
class Series:
    """Columns of equal length over `t` (UTC, ms); raw points have value = low = high. `gaps` are [from, to) in ms.

    `text` is the exact decimal of each value, "" where there is none; empty for floating-point channels.
    """

    channel: ChannelNow
    t: Sequence[int]
    value: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    quality: Sequence[int]
    gaps: Sequence[tuple[int, int]]
    text: Sequence[str] = ()


@dataclass(frozen=True)
class History:
    device: str
    resolution: Resolution
    start: datetime
    end: datetime
    series: tuple[Series, ...]


@dataclass(frozen=True, eq=False)
class CounterReadings:
    """Columns of equal length in order of `t` (UTC, ms), no time twice. A reading is exactly mantissa * 10**scale."""

    t: npt.NDArray[np.int64]
    mantissa: npt.NDArray[np.int64]
    scale: npt.NDArray[np.int64]
    quality: npt.NDArray[np.int64]


@dataclass(frozen=True)
class CounterReading:
    """`t` is UTC in ms."""

    t: int
    mantissa: int
    scale: int


@dataclass(frozen=True)
class CounterSpan:
    """A counter of a device over [start, end), which are whole minutes or hours."""

    device: str
    channel: str
    start: datetime
    end: datetime


@dataclass(frozen=True, eq=False)
class CounterEnds:
    """The last reading of each minute or hour that had one, exactly, in columns in order of `t` (UTC, ms); Uncertain
    ones too. `value`, `low` and `high` are it and the extremes of its minute or hour as floats: rounding keeps their
    order, so that they show whether the counter did more than rise."""

    t: npt.NDArray[np.int64]
    mantissa: npt.NDArray[np.int64]
    scale: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


@dataclass(frozen=True)
class DeviceHealthNow:
    code: str
    reachable: bool
    since: datetime
    detail: str


@dataclass(frozen=True)
class ConfigurationNow:
    """`refused` is why the gateway did not take the last one that it refused, or took it back; "" if none stands so."""

    number: int
    hash: str
    on_trial: bool
    refused: str


@dataclass(frozen=True)
class GatewayNow:
    code: str
    online: bool
    since: datetime | None
    connection: int
    clock_state: str  # unset, free-running, synchronised
    clock_bound_ms: int | None
    version: str
    spool_bytes: int
    spool_quota: int
    last_seen: datetime | None
    devices: tuple[DeviceHealthNow, ...]
    incarnation: int | None = None  # of its last state: commands are bound to it; None: it never told one
    configuration: ConfigurationNow | None = None


@dataclass(frozen=True)
class IncarnationProof:
    """Ranges of seq are inclusive. `dropped` are those the gateway declared, with the cause."""

    incarnation: int
    first_seen: datetime
    received: Sequence[tuple[int, int]]
    missing: Sequence[tuple[int, int]]
    dropped: Sequence[tuple[int, int, str]]
    next_seq: int
    stored: int
    duplicates: int  # repeats that were refused
    quarantined: int
    in_flight: int


@dataclass(frozen=True)
class DeliveryProof:
    """`lost`: neither received nor declared dropped, below what the gateway still keeps. `duplicated`: stored twice."""

    gateway: str
    lost: int
    duplicated: int
    pending: int
    incarnations: tuple[IncarnationProof, ...]


@dataclass(frozen=True)
class QuarantineItem:
    """`sample` is the head of the message, at most a few hundred bytes."""

    id: int
    received_at: datetime
    gateway: str
    topic: str
    reason: str
    detail: str
    size: int
    sample: bytes


@dataclass(frozen=True)
class Rates:
    batches_per_s: float
    values_per_s: float
    last_batch_at: datetime | None


class Telemetry(Protocol):
    async def now(self, codes: Sequence[str]) -> dict[str, DeviceNow]: ...

    async def history(
        self, code: str, channels: Sequence[str], start: datetime, end: datetime, points: int
    ) -> History: ...

    async def counter(self, code: str, channel: str) -> ChannelNow:
        """NotFound for a device that never spoke; Invalid for what is no counter of it. One that is gone is found."""
        ...

    def counter_readings(
        self, code: str, channel: str, start: datetime, end: datetime
    ) -> AsyncIterator[CounterReadings]:
        """All that have a number, whatever their quality, in [start, end), in order, piece by piece: an hour or more at
        a time, so that memory stays bounded. Close it when done with (`contextlib.aclosing`)."""
        ...

    async def counter_around(
        self, code: str, channel: str, at: datetime
    ) -> tuple[CounterReading | None, CounterReading | None]:
        """The last Good reading before `at` and the first at or after it."""
        ...

    async def counter_ends(self, spans: Sequence[CounterSpan], step: Literal["minute", "hour"]) -> list[CounterEnds]:
        """Of each span, in their order, read of the roll-ups in one question; empty where nothing was ever said."""
        ...

    async def gateways_now(self, codes: Sequence[str]) -> dict[str, GatewayNow]: ...

    async def delivery(self, gateway: str) -> DeliveryProof: ...

    async def rates(self) -> Rates: ...

    async def quarantine(
        self, *, limit: int, before: int | None = None, gateways: Collection[str] | None = None
    ) -> list[QuarantineItem]:
        """Of these gateways; None: of all, and what names no gateway of ours."""
        ...

    async def description(self, digest: bytes) -> bytes:
        """The birth description of that SHA-256 (`protocols.edge.birth`); NotFound. For subscribers of birth.stored."""
        ...

    def live(self, codes: Sequence[str]) -> AsyncIterator[list[DeviceNow]]:
        """First the present values, then what changed."""
        ...


@dataclass(frozen=True)
class CommandView:
    id: UUID
    device: str
    channel: str
    value: Decimal
    status: CommandStatus
    detail: str
    readback: Decimal | None
    principal: str
    issued_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    requires: tuple[Requirement, ...] = ()


class Commands(Protocol):
    async def send(
        self,
        principal: Principal,
        device: str,
        channel: str,
        value: Decimal,
        expires_s: int,
        requires: Sequence[Requirement] = (),
    ) -> CommandView: ...

    async def recent(self, principal: Principal, device: str, limit: int) -> list[CommandView]: ...


class Ports:
    """The doors that are open. A door has one opener; asking for a closed one says which."""

    ledger: Ledger
    gateway_keys: GatewayKeys
    authenticator: Authenticator
    telemetry: Telemetry
    commands: Commands

    def open(self, name: str, implementation: object) -> None:
        if name not in Ports.__annotations__:
            raise LookupError(f"there is no port {name!r}; kernel/ports.py lists them")
        if name in vars(self):
            raise LookupError(f"port {name!r} has two openers")
        setattr(self, name, implementation)

    def is_open(self, name: str) -> bool:
        return name in vars(self)

    def __getattr__(self, name: str) -> object:
        raise LookupError(f"no mounted domain opens the port {name!r}")
