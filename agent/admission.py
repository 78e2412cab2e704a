"""Admission control: what each line's polling takes of its time, who would miss ticks, and what would fit instead."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.bus.admission import Use, rehearse
from agent.bus.device import Device
from agent.bus.memory import Memory
from agent.settings import BusConfig
from agent.site import Site, make_line
from drivers.base import Family, ReportingFamily, Timed

STRETCHES = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)  # of periods
BAUDS = (2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
ROOM = 0.95  # of a line: probing the dead takes the rest, agent.bus.health.PROBE_SHARE


@dataclass(frozen=True)
class LineUse:
    """`use` is None for a line that does not tell what it takes: one of modems, or of another distribution's driver.
    `remedies` are changes of the configuration of which each is enough."""

    bus: BusConfig
    use: Use | None
    remedies: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return self.use is None or not self.use.misses


def weigh(
    site: Site,
    catalog: Mapping[str, Family | ReportingFamily],
    memory: Memory,
    among: Container[str] | None = None,
) -> list[LineUse]:
    """The use of each bus whose devices are asked; of those by these names alone, where they are given."""
    return [
        # An outsider's line is a child in the making, and cannot tell anyway.
        LineUse(bus, None) if bus.driver in site.config.outsiders else _weigh(bus, devices, catalog, memory)
        for bus, devices in zip(site.config.buses, site.devices, strict=True)
        if not isinstance(catalog[bus.driver], ReportingFamily) and (among is None or bus.name in among)
    ]


def _weigh(
    bus: BusConfig, devices: Sequence[Device[Any]], catalog: Mapping[str, Family | ReportingFamily], memory: Memory
) -> LineUse:
    use = _rehearse(bus, devices, catalog, memory)
    if use is None or not use.misses:
        return LineUse(bus, use)
    return LineUse(bus, use, tuple(_remedies(bus, devices, use, catalog, memory)))


def _rehearse(
    bus: BusConfig, devices: Sequence[Device[Any]], catalog: Mapping[str, Family | ReportingFamily], memory: Memory
) -> Use | None:
    line = make_line(bus, catalog)
    return rehearse(line, devices, memory.recall) if isinstance(line, Timed) else None


def _remedies(
    bus: BusConfig,
    devices: Sequence[Device[Any]],
    use: Use,
    catalog: Mapping[str, Family | ReportingFamily],
    memory: Memory,
) -> Iterator[str]:
    def fits(tried: BusConfig, asked: Sequence[Device[Any]]) -> Use | None:
        found = _rehearse(tried, asked, catalog, memory)
        return found if found is not None and not found.misses and found.share <= ROOM else None

    if catalog[bus.driver].serial is not None:
        for baud in BAUDS:
            if baud > bus.baud and (found := fits(replace(bus, baud=baud), devices)) is not None:
                yield f"baud = {baud}, where all devices can ({found.share:.0%} of the line)"
                break
    missing = {miss.device.index for miss in use.misses}
    for those, words in ((missing, "of these devices"), ({device.index for device in devices}, "of all devices")):
        for stretch in STRETCHES:
            slower = [_stretched(device, stretch) if device.index in those else device for device in devices]
            if (found := fits(bus, slower)) is not None:
                periods = sorted({device.period_ms / 1000 for device in slower if device.index in those})
                spelled = " and ".join(f"{period:g}" for period in periods)
                yield f"period_s = {spelled} {words} ({found.share:.0%} of the line)"
                return


def _stretched(device: Device[Any], stretch: float) -> Device[Any]:
    slower = {channel: round(period * stretch) for channel, period in device.slower.items()}
    return replace(device, period_ms=round(device.period_ms * stretch), slower=slower)


def render(one: LineUse) -> Iterator[str]:
    """For a technician: a line about the bus, then what would be missed and what would help."""
    bus, use = one.bus, one.use
    what = f"{bus.name}  {bus.driver} {bus.address}"
    if use is None:
        yield f"{what}  its use cannot be told in advance"
        return
    yield (
        f"{what}  {use.share:.0%} of its time; devices: {len(bus.devices)}, requests: {use.requests},"
        f" the longest poll: {use.longest_ms:.0f} ms"
    )
    for miss in use.misses:
        device, period_s = miss.device, miss.device.period_ms / 1000
        yield (
            f"  {device.name} ({device.code}, unit {device.unit}) would be read every {period_s / miss.share:.3g} s"
            f" instead of {period_s:g} s: {', '.join(miss.channels)}"
        )
    if one.remedies:
        yield f"  what would fit: {'; or '.join(one.remedies)}"
    elif use.misses:
        yield "  nothing tried would fit: put some of these devices on a line of their own"
