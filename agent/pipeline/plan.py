"""What is to be done with each channel, and what the birth says of the channels that come out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import NamedTuple

from agent.pipeline.derived import TOTAL, Derived, derived
from agent.pipeline.filters import FilterConfig
from drivers.base import Channel
from protocols.edge.birth import ChannelDescription, Kind
from protocols.edge.columns import F32LE, I64LE

MAX_ALIAS = 0xFFFF  # protocols.edge.columns: an alias is a u16
ASIDE_MS = 2000  # a window's wait for its model at most; later ones take its place


@dataclass(frozen=True)
class ChannelPlan:
    channel: Channel
    filters: FilterConfig = field(default_factory=FilterConfig)
    period_ms: int | None = None  # its own, a multiple of the device's, where it is read less often


@dataclass(frozen=True)
class Inference:
    """A model sees `window` ticks of channels `members`, which are of one period, one window each `hop` ticks; what it
    says are `outputs`, beneath the first of them."""

    members: tuple[int, ...]
    window: int
    hop: int
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class DevicePlan:
    """A device, polled every `period_ms`; a Reading's `channel` is an index into `channels`."""

    period_ms: int
    channels: tuple[ChannelPlan, ...]
    inferences: tuple[Inference, ...] = ()

    def period_of(self, channel: int) -> int:
        return self.channels[channel].period_ms or self.period_ms


class Output(NamedTuple):
    """A channel that leaves the pipeline: channel `channel` of device `device`, or what is derived from it."""

    alias: int
    device: int
    channel: int
    derived: Derived | None = None


def outputs(plans: Sequence[DevicePlan]) -> tuple[Output, ...]:
    """Every channel that leaves, by alias: the channels as they stand, what is derived from them, what models say."""
    plain: list[tuple[int, int, Derived | None]] = [
        (d, c, None) for d, plan in enumerate(plans) for c in range(len(plan.channels))
    ]
    others: list[tuple[int, int, Derived | None]] = [
        (d, c, one) for d, plan in enumerate(plans) for c, by in enumerate(plan.channels) for one in derived(by.filters)
    ]
    others += [
        (d, one.members[0], Derived(name, {}, ratio=True, model=number))
        for d, plan in enumerate(plans)
        for number, one in enumerate(plan.inferences)
        for name in one.outputs
    ]
    if len(plain) + len(others) > MAX_ALIAS + 1:
        raise ValueError(f"{len(plain) + len(others)} channels; one gateway describes at most {MAX_ALIAS + 1}")
    return tuple(Output(alias, *which) for alias, which in enumerate(plain + others))


def describe_channels(plans: Sequence[DevicePlan]) -> tuple[ChannelDescription, ...]:
    """The channels for a birth's description; their `device` is the index of the plan."""
    return tuple(_describe(output, plans[output.device]) for output in outputs(plans))


def _describe(output: Output, plan: DevicePlan) -> ChannelDescription:
    one = plan.channels[output.channel]
    channel, filters = one.channel, one.filters
    made = output.derived
    judged = made is not None and made.model is not None
    counts = made is not None and made.name == TOTAL and not judged
    computed = filters.smooths if made is None else not counts
    if computed:
        tag, scale = F32LE, 0
    else:
        tag, scale = I64LE if counts else channel.tag, channel.scale
    limits = channel.limits if made is None or made.within else None
    return ChannelDescription(
        alias=output.alias,
        device=output.device,
        name=channel.name if made is None else f"{channel.name}.{made.name}",
        quantity=made.name if made is not None and made.ratio else channel.quantity,
        unit="" if made is not None and made.ratio else channel.unit,
        kind=Kind.GAUGE if judged else channel.kind,
        tag=tag,
        scale=scale,
        period_ms=_period_ms(output, plan),
        writable=channel.writable and made is None,
        limits=None if limits is None else (float(limits[0]), float(limits[1])),
        title=channel.title if made is None else _title(channel, made),
        states={} if judged else channel.states,
        rollover=channel.rollover if made is None and not computed else None,
    )


def _period_ms(output: Output, plan: DevicePlan) -> int:
    filters = plan.channels[output.channel].filters
    if output.derived is not None and output.derived.model is not None:
        return plan.inferences[output.derived.model].hop * plan.period_of(output.channel)
    if output.derived is not None and filters.window_s is not None:
        return round(filters.window_s * 1000)
    period_ms = plan.period_of(output.channel) * filters.decimate
    if filters.deadband is None:
        return period_ms
    # Silence within the heartbeat is meant: nobody may call it stale or a gap.
    return max(period_ms, round(filters.heartbeat_s * 1000))


def late_ms(output: Output, plan: DevicePlan) -> int:
    """How far behind its own time a value leaves the filters: a window's has that of the window's start."""
    filters = plan.channels[output.channel].filters
    if output.derived is None:
        return (filters.despike_ticks + filters.fir_ticks) * plan.period_ms
    if output.derived.model is not None:
        one = plan.inferences[output.derived.model]
        ticks = max(plan.channels[member].filters.despike_ticks for member in one.members)
        return (one.window - 1 + ticks) * plan.period_of(output.channel) + ASIDE_MS
    if filters.window_s is None:
        return 0
    window_ms = round(filters.window_s * 1000)
    ends_ms = plan.period_ms - gcd(window_ms, plan.period_ms)  # until the first tick at or behind a window's end
    return window_ms + ends_ms + filters.despike_ticks * plan.period_ms


def _title(channel: Channel, made: Derived) -> dict[str, str]:
    return {language: f"{text}, {made.words.get(language, made.name)}" for language, text in channel.title.items()}
