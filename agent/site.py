"""What stands behind this gateway, put together from configuration and models: devices, filters, birth, targets."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.bus.device import Device
from agent.commands import Target, Targets
from agent.interlocks import Interlock
from agent.pipeline import ChannelPlan, DevicePlan, FilterConfig, Inference, describe_channels
from agent.settings import BusConfig, Config, DeviceConfig
from agent.toml import ConfigError
from drivers.base import Channel, Described, Family, Line, LineConfig, Listener, ReportingFamily
from drivers.transport.family import StreamFamily
from drivers.transport.tap import Tap
from protocols.citycode import geosot
from protocols.edge.birth import (
    Description,
    DeviceDescription,
    decode_description,
    description_hash,
    encode_description,
)
from protocols.edge.messages import Birth, Clock, ClockState, Origin, encode
from protocols.errors import ProtocolError

CELL_LEVEL = 23  # GeoSOT: about 8 m on a side, a pole with its neighbours' width around it


@dataclass(frozen=True)
class Site:
    """`devices` are by bus; plans, and the devices of the description, are all of them in that order."""

    config: Config
    devices: tuple[tuple[Device[Any], ...], ...]
    plans: tuple[DevicePlan, ...]
    targets: Targets
    description: bytes
    interlocks: Mapping[str, tuple[Interlock, ...]] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)  # of buses, by name; targets have them
    next_index: int = 0  # that no device ever had

    @property
    def indices(self) -> tuple[int, ...]:
        """Of the devices, in the order of the plans."""
        return tuple(device.index for on_bus in self.devices for device in on_bus)

    @property
    def description_hash(self) -> bytes:
        return description_hash(self.description)


def build(config: Config, before: Site | None = None, keeps: Collection[tuple[str, str]] = ()) -> Site:
    """`config` has been loaded with a catalog. Aliases are numbered in the file's order, so equal files give equal
    births. Raises ConfigError for what no birth can describe: the fleet would refuse it, and every reading under it.

    Of a running gateway `before` is what it has, and `keeps` are (bus, code) of devices that go on as they are, under
    their indices; new ones get indices that nobody had, since a reading under way may still come for an old one."""
    known, numbers, next_index = _before(before)
    devices: list[tuple[Device[Any], ...]] = []
    plans: list[DevicePlan] = []
    described: list[DeviceDescription] = []
    targets: dict[str, Mapping[str, Target]] = {}
    for bus in config.buses:
        on_bus = []
        number = numbers.setdefault(bus.name, len(numbers))
        for device in bus.devices:
            model = config.models[device.driver, device.model]
            one = known[bus.name, device.code] if (bus.name, device.code) in keeps else None
            if one is None:
                index, next_index = next_index, next_index + 1
                slower = {
                    at: own
                    for at, channel in enumerate(model.channels)
                    if channel.name in device.channels and (own := device.channels[channel.name].period_ms)
                }
                one = Device(
                    *(index, device.code, device.name, device.unit, device.period_ms, model, device.priority), slower
                )
            on_bus.append(one)
            plans.append(device_plan(device, model))
            described.append(_describe(device, bus, model))
            targets[device.code] = {
                channel.name: Target(number, one.index, at, channel) for at, channel in enumerate(model.channels)
            }
        devices.append(tuple(on_bus))
    try:
        description = encode_description(Description(tuple(described), describe_channels(plans)))
        decode_description(description)
        encode(Birth(Origin(config.gateway.code, 1, 1, bytes(16), 0, Clock(ClockState.UNSET)), description))
    except (ProtocolError, ValueError) as error:
        raise ConfigError([f"{config.path}: no birth can describe these devices: {error}"]) from None
    interlocks = {device.code: device.interlocks for bus in config.buses for device in bus.devices if device.interlocks}
    return Site(config, tuple(devices), tuple(plans), targets, description, interlocks, numbers, next_index)


def _before(site: Site | None) -> tuple[dict[tuple[str, str], Device[Any]], dict[str, int], int]:
    """Its devices by (bus, code), the numbers of its buses, and the first index that nobody had."""
    if site is None:
        return {}, {}, 0
    known = {
        (bus.name, device.code): device
        for bus, on_bus in zip(site.config.buses, site.devices, strict=True)
        for device in on_bus
    }
    return known, dict(site.numbers), site.next_index


def device_plan(device: DeviceConfig, model: Described) -> DevicePlan:
    places = {channel.name: place for place, channel in enumerate(model.channels)}
    inferences = tuple(
        Inference(tuple(places[name] for name in one.channels), one.window, one.hop, one.outputs)
        for one in device.inferences
    )
    return DevicePlan(device.period_ms, tuple(_plan(device, channel) for channel in model.channels), inferences)


def rules_file(config: Config) -> Path:
    """Where agent.rules.memory keeps which rules have fired."""
    return config.gateway.data_dir / "rules.json"


def memory_file(config: Config) -> Path:
    """Where agent.bus.memory keeps what devices taught."""
    return config.gateway.data_dir / "learned.json"


def make_line(bus: BusConfig, catalog: Mapping[str, Family | ReportingFamily], tap: Tap | None = None) -> Line:
    """The line of a bus whose devices are asked; several families may share it, as agent.config has checked."""
    family, config = catalog[bus.driver], line_config(bus)
    if tap is not None:
        config = replace(config, through=tap)
    if isinstance(family, StreamFamily):
        speakers = {device.unit: catalog[device.driver] for device in bus.devices}
        sharing = {unit: speaker for unit, speaker in speakers.items() if isinstance(speaker, StreamFamily)}
        if any(speaker is not family for speaker in sharing.values()):
            return family.create_shared_line(config, sharing)
    assert isinstance(family, Family)  # noqa: S101
    return family.create_line(config)


def make_listener(bus: BusConfig, family: ReportingFamily, devices: Iterable[Device[Any]]) -> Listener:
    return family.create_listener(line_config(bus), {device.unit: device.model for device in devices})


def line_config(bus: BusConfig) -> LineConfig:
    return LineConfig(bus.driver, bus.address, bus.baud, bus.parity, bus.stop_bits, bus.options)


def _plan(device: DeviceConfig, channel: Channel) -> ChannelPlan:
    if (found := device.channels.get(channel.name)) is None:
        return ChannelPlan(channel)
    settings = asdict(found)
    period_ms = settings.pop("period_ms")
    return ChannelPlan(channel, FilterConfig(**settings), period_ms)


def _describe(device: DeviceConfig, bus: BusConfig, model: Described) -> DeviceDescription:
    cell = (CELL_LEVEL, geosot.encode(*device.position, CELL_LEVEL)) if device.position else None
    return DeviceDescription(device.code, model.name, device.name, bus.name, cell, device.mount)
