"""A gateway's configuration as values: agent.config reads them, docs/configuration-agent.md documents them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.bus.schedule import Priority
from agent.inference.settings import InferenceConfig
from agent.interlocks import Interlock
from agent.rules.rings import RingConfig
from protocols.rules import Rule

if TYPE_CHECKING:
    from agent.inference.net import Net
    from drivers.base import Described, Unit  # numpy comes with it
    from drivers.outside.family import OutsideFamily


HEARTBEAT_S = 60.0  # a dead-banded channel is never silent for longer
USUAL_STATISTICS = ("mean", "min", "max", "std")

Band = tuple[float, float]


@dataclass(frozen=True)
class FilterSettings:
    """The filters of one channel, in the order in which they run; docs/filters.md says what each does and delays.

    `deadband` and `steepest` are in the channel's unit; `heartbeat_s` bounds the silence a dead band makes. `despike`
    is False, True for the median, or the despiker's name. The defaults leave samples as they were read.
    """

    unwrap: bool = False
    steepest: float | None = None
    stuck_s: float | None = None
    despike: bool | str = False
    highpass_hz: float | None = None
    bandpass_hz: Band | None = None
    bandstop_hz: Band | None = None
    notch_hz: tuple[float, ...] = ()
    notch_q: float = 30.0
    lowpass_hz: float | None = None
    order: int = 2
    fir_hz: float | None = None
    fir_taps: int = 33
    antialias: bool = False
    decimate: int = 1
    window_s: float | None = None
    statistics: tuple[str, ...] = USUAL_STATISTICS
    tones_hz: tuple[float, ...] = ()
    bands_hz: tuple[Band, ...] = ()
    deadband: float | None = None
    heartbeat_s: float = HEARTBEAT_S


@dataclass(frozen=True)
class ChannelConfig(FilterSettings):
    """`period_ms` is the channel's own, where it is read less often than the device."""

    period_ms: int | None = None


@dataclass(frozen=True)
class DeviceConfig:
    code: str
    name: str
    driver: str  # the bus's, unless several families share its line
    model: str
    unit: "Unit"
    period_ms: int
    priority: Priority = Priority.NORMAL
    position: tuple[float, float] | None = None  # latitude and longitude in degrees
    mount: str | None = None
    channels: Mapping[str, ChannelConfig] = field(default_factory=dict)
    interlocks: tuple[Interlock, ...] = ()
    inferences: tuple[InferenceConfig, ...] = ()


@dataclass(frozen=True)
class BusConfig:
    name: str
    driver: str
    address: str
    baud: int
    parity: str
    stop_bits: int
    timeout_s: float
    devices: tuple[DeviceConfig, ...]
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class GatewayConfig:
    code: str
    data_dir: Path


@dataclass(frozen=True)
class UplinkConfig:
    host: str
    port: int
    tls: bool
    password_file: Path
    key_file: Path
    ca_file: Path | None
    modem: str = ""  # the bus whose modem carries the connection; "" for the machine's own network
    kind: str = "ethernet"  # agent.uplink.policy.KINDS
    budget_bytes: int | None = None  # a day, both directions
    windows: tuple[tuple[int, int], ...] = ()  # minutes of the day, UTC
    others: tuple["UplinkConfig", ...] = ()  # that are used, in this order, while those before them cannot be

    @property
    def url(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True)
class SpoolConfig:
    quota_bytes: int


@dataclass(frozen=True)
class MetricsConfig:
    """`port` is None where metrics are off and 0 where the system picks one."""

    port: int | None


@dataclass(frozen=True)
class DriversConfig:
    """Drivers of other distributions: which may be used, how much memory each of their children may take, and whether
    their code is taken anew when it is saved."""

    allow: tuple[str, ...] = ()
    memory_mb: int = 128
    reload: bool = False

    @property
    def memory_bytes(self) -> int:
        return self.memory_mb << 20


@dataclass(frozen=True)
class Config:
    """`models` maps (driver, source) to what the catalog loaded, `outsiders` the names of other distributions' drivers
    that a bus uses to their families, `nets` models beside filters to what runs them; all are empty if `load` was given
    no catalog, and `rules` as well."""

    path: Path
    gateway: GatewayConfig
    uplink: UplinkConfig
    spool: SpoolConfig
    metrics: MetricsConfig
    buses: tuple[BusConfig, ...]
    models: Mapping[tuple[str, str], "Described"] = field(default_factory=dict)
    drivers: DriversConfig = DriversConfig()
    outsiders: Mapping[str, "OutsideFamily"] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    rings: Mapping[str, RingConfig] = field(default_factory=dict)  # of devices that rules capture, by code
    nets: Mapping[InferenceConfig, "Net"] = field(default_factory=dict)
    text: str = ""  # the file as it was read
