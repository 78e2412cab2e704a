"""What the console says of what the ports give: looks, counts, what needs attention, spans to draw. Pure.

The one rule: the screen never lies. A value is shown as live only while its own source time is recent.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fleet_server.kernel.ports import (
    ChannelNow,
    DeliveryProof,
    DeviceNow,
    DeviceSummary,
    GatewayNow,
    GatewaySummary,
    IncarnationProof,
)
from fleet_server.web.format import NO_VALUE, measured, unit
from fleet_server.web.places import component_order
from protocols.quality import Quality, is_bad, is_uncertain

STALE_PERIODS = 3
# A batch is flushed within 0.8 s and takes a moment to be stored: without this, 1 s channels would flicker.
PATH_ALLOWANCE = timedelta(seconds=2)
# Component classes of GB/T 30428.2 by which a mount is a pole; other mounts are parts of tunnels or of buildings.
UNREACHABLE = frozenset(
    {Quality.BAD_TIMEOUT, Quality.BAD_COMMUNICATION_ERROR, Quality.BAD_NO_COMMUNICATION, Quality.BAD_NOT_CONNECTED}
)
TUNNEL_MODELS = frozenset({"gas_head", "tunnel_climate", "sump_pump", "fan"})


class Look(StrEnum):
    """The order is that of concern."""

    BAD = "bad"
    UNCERTAIN = "uncertain"
    STALE = "stale"
    ABSENT = "absent"  # the device says that it has nothing to tell now
    GOOD = "good"


CONCERN = {look: rank for rank, look in enumerate(Look)}


def stale_after(period_ms: int) -> timedelta:
    return STALE_PERIODS * timedelta(milliseconds=period_ms) + PATH_ALLOWANCE


def look(channel: ChannelNow, now: datetime) -> Look:
    """Stale goes before its quality: an old Good says nothing of the present, nor does an old Bad."""
    if channel.at is None or now - channel.at > stale_after(channel.period_ms):
        return Look.STALE
    if channel.quality == Quality.BAD_NO_DATA:
        return Look.ABSENT
    if is_bad(channel.quality):
        return Look.BAD
    return Look.UNCERTAIN if is_uncertain(channel.quality) else Look.GOOD


@dataclass(frozen=True)
class Reading:
    """A channel as a page shows it: `text` is the state's word or the figure, `unit` as people write it."""

    channel: ChannelNow
    look: Look
    text: str
    unit: str


def reading(channel: ChannelNow, now: datetime, language: str) -> Reading:
    text = NO_VALUE if channel.value is None else measured(channel.value, channel.text, channel.scale)
    if channel.value is not None and channel.states:
        words = channel.states.get(int(channel.value))
        text = (words.get(language) or next(iter(words.values()))) if words else channel.text
    shown_unit = "" if channel.states or channel.value is None else unit(channel.unit)
    return Reading(channel, look(channel, now), text, shown_unit)


@dataclass(frozen=True)
class DeviceView:
    """`look` is the device's: good while any channel speaks, bad when all that are recent failed to be read."""

    device: DeviceSummary
    look: Look
    at: datetime | None
    readings: tuple[Reading, ...]
    headline: tuple[Reading, ...]
    detail: str = ""

    @property
    def is_reachable(self) -> bool:
        return self.look in (Look.GOOD, Look.UNCERTAIN)

    @property
    def bad(self) -> int:
        return sum(reading.look is Look.BAD for reading in self.readings)


def device_view(device: DeviceSummary, present: DeviceNow | None, now: datetime, language: str) -> DeviceView:
    readings = tuple(reading(channel, now, language) for channel in present.channels) if present else ()
    return DeviceView(device, device_look(readings), present.at if present else None, readings, headline(readings))


def device_look(readings: Sequence[Reading]) -> Look:
    recent = [reading for reading in readings if reading.look is not Look.STALE]
    if not recent:
        return Look.STALE
    if all(reading.channel.quality in UNREACHABLE for reading in recent):
        return Look.BAD
    return Look.UNCERTAIN if any(reading.look is Look.BAD for reading in recent) else Look.GOOD


def headline(readings: Sequence[Reading], most: int = 3) -> tuple[Reading, ...]:
    """The few channels that stand for a device in a list: measured ones first, as the model orders them."""
    measured = [reading for reading in readings if not reading.channel.writable and "." not in reading.channel.name]
    gauges = [reading for reading in measured if reading.channel.kind == "gauge"]
    states = [reading for reading in measured if reading.channel.kind == "state"]
    return tuple((gauges + states)[:most])


@dataclass(frozen=True)
class Group:
    """Devices that belong together in a list: a pole, a compartment, a gateway or a model."""

    key: str
    views: tuple[DeviceView, ...]


def group(views: Iterable[DeviceView], by: Callable[[DeviceSummary], str]) -> tuple[Group, ...]:
    """Groups in the order of `group_order`."""
    groups: dict[str, list[DeviceView]] = {}
    for view in views:
        groups.setdefault(by(view.device), []).append(view)
    return tuple(Group(key, tuple(groups[key])) for key in sorted(groups, key=group_order))


def group_order(key: str) -> tuple[bool, tuple[str, ...]]:
    """Poles and compartments by class and number, others by their words; devices that belong nowhere last."""
    return key == "", component_order(key)


GROUPINGS: Mapping[str, Callable[[DeviceSummary], str]] = {
    "mount": lambda device: device.mount or "",
    "gateway": lambda device: device.gateway,
    "model": lambda device: device.model,
}


@dataclass(frozen=True)
class Attention:
    """`kind` says which sentence the page writes (catalogue `attention.*`); the worst come first."""

    look: Look
    kind: str
    url: str
    name: str
    since: datetime | None
    what: str = ""


MOST_NAMED = 3  # channels of a device that are named; the rest are counted


def attention(
    gateways: Sequence[tuple[GatewaySummary, GatewayNow | None]], views: Sequence[DeviceView], most: int = 12
) -> tuple[tuple[Attention, ...], int]:
    """(the most pressing, how many in all). Devices behind a gateway that is away are not named one by one."""
    items: list[Attention] = []
    away: set[str] = set()
    for summary, present in gateways:
        if present is None or not present.online:
            away.add(summary.code)
            kind = "gateway_never" if present is None or present.last_seen is None else "gateway_away"
            since = present.last_seen if present else None
            items.append(Attention(Look.BAD, kind, f"/gateways/{summary.code}", summary.name, since))
    for view in views:
        url = f"/devices/{view.device.code}"
        if view.device.gateway in away or view.look is Look.GOOD:
            continue
        if view.look is Look.BAD:
            items.append(Attention(Look.BAD, "device_unreachable", url, view.device.name, view.at))
        elif view.look is Look.STALE:
            items.append(Attention(Look.STALE, "device_stale", url, view.device.name, view.at))
        else:
            bad = [reading.channel.name for reading in view.readings if reading.look is Look.BAD]
            more = f" +{len(bad) - MOST_NAMED}" if len(bad) > MOST_NAMED else ""
            what = ", ".join(bad[:MOST_NAMED]) + more
            items.append(Attention(Look.UNCERTAIN, "channels_bad", url, view.device.name, view.at, what))
    items.sort(key=lambda item: CONCERN[item.look])
    return tuple(items[:most]), len(items)


@dataclass(frozen=True)
class Span:
    """A piece of the proof's bar in hundredths of a percent of its width."""

    kind: str  # received, missing, dropped, flight
    start: float
    width: float
    first: int
    last: int
    cause: str = ""


WIDTH = 10_000.0
_LEAST = 25.0  # a single lost batch among a million must still be seen


def first_seq(proof: IncarnationProof) -> int:
    """Where the numbers of this spool begin."""
    ranges = [*proof.received, *proof.missing, *((first, last) for first, last, _ in proof.dropped)]
    return min((first for first, _ in ranges), default=0)


def proof_spans(proof: IncarnationProof) -> tuple[Span, ...]:
    """What was received first, so that anything lost or dropped is drawn over it and stays visible."""
    begin = first_seq(proof)
    whole = max(proof.next_seq - begin, 1)

    def span(kind: str, first: int, last: int, cause: str = "") -> Span:
        start = (first - begin) / whole * WIDTH
        width = max((last + 1 - first) / whole * WIDTH, 0 if kind == "received" else _LEAST)
        return Span(kind, min(start, WIDTH - width), width, first, last, cause)

    known = max((last for _, last in [*proof.received, *proof.missing]), default=begin - 1)
    flight = [span("flight", known + 1, proof.next_seq - 1)] if proof.next_seq - 1 > known else []
    return (
        *(span("received", first, last) for first, last in proof.received),
        *flight,
        *(span("dropped", first, last, cause) for first, last, cause in proof.dropped),
        *(span("missing", first, last) for first, last in proof.missing),
    )


def proof_totals(proof: DeliveryProof) -> dict[str, int]:
    return {
        "stored": sum(part.stored for part in proof.incarnations),
        "repeats": sum(part.duplicates for part in proof.incarnations),
        "quarantined": sum(part.quarantined for part in proof.incarnations),
        "dropped": sum(last - first + 1 for part in proof.incarnations for first, last, _ in part.dropped),
    }
