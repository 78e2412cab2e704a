"""What is to be done with each channel, and what the birth says of the channels that come out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.base import Channel
from protocols.edge.birth import ChannelDescription, Kind
from protocols.edge.columns import F32LE

HEARTBEAT_S = 60.0  # a dead-banded channel is never silent for longer
STATISTICS = ("mean", "min", "max", "std")
MAX_ALIAS = 0xFFFF  # protocols.edge.columns: an alias is a u16


@dataclass(frozen=True)
class FilterConfig:
    """The filters of one channel, in the order in which they run; docs/filters.md says what each does and delays.

    `deadband` is in the channel's unit; `heartbeat_s` bounds the silence it makes.
    """

    despike: bool = False
    lowpass_hz: float | None = None
    decimate: int = 1
    window_s: float | None = None
    deadband: float | None = None
    heartbeat_s: float = HEARTBEAT_S

    @property
    def smooths(self) -> bool:
        """Whether values are computed, and so leave as f32, instead of being passed on as they were read."""
        return self.despike or self.lowpass_hz is not None


@dataclass(frozen=True)
class ChannelPlan:
    channel: Channel
    filters: FilterConfig = field(default_factory=FilterConfig)


@dataclass(frozen=True)
class DevicePlan:
    """A device, polled every `period_ms`; a Reading's `channel` is an index into `channels`."""

    period_ms: int
    channels: tuple[ChannelPlan, ...]


class Output(NamedTuple):
    """A channel that leaves the pipeline: channel `channel` of device `device`, or a statistic of its windows."""

    alias: int
    device: int
    channel: int
    statistic: str | None = None


def problems(filters: FilterConfig, channel: Channel, period_ms: int, *, steady: bool = True) -> list[str]:
    """What is wrong with these filters for this channel, in words for whoever wrote the configuration.

    `steady` is off for a device that reports when it likes.
    """
    found = []
    if not steady:
        asked = {
            "despike": filters.despike,
            "lowpass_hz": filters.lowpass_hz is not None,
            "decimate": filters.decimate != 1,
            "window_s": filters.window_s is not None,
        }
        found += [
            f"{key} needs samples at a steady period, and this device reports when it likes; deadband does not"
            for key, is_asked in asked.items()
            if is_asked
        ]
    nyquist_hz = 500.0 / period_ms
    asks = filters != FilterConfig(heartbeat_s=filters.heartbeat_s)
    if asks and channel.kind is not Kind.GAUGE:
        found.append(f"{channel.name} is a {channel.kind.name.lower()}: only gauges are filtered")
    if filters.lowpass_hz is not None and not 0 < filters.lowpass_hz < nyquist_hz:
        found.append(f"lowpass_hz must lie between 0 and {nyquist_hz:g}, half the rate of samples")
    if filters.decimate < 1:
        found.append("decimate must be 1 (keep all) or more")
    if filters.window_s is not None and not filters.window_s * 1000 >= period_ms:
        found.append(f"window_s must be at least the period of {period_ms / 1000:g} s")
    if filters.deadband is not None and not (filters.deadband >= 0 and math.isfinite(filters.deadband)):
        found.append("deadband must be 0 or more, in the channel's unit")
    if not filters.heartbeat_s > 0:
        found.append("heartbeat_s must be more than 0")
    return found


def outputs(plans: Sequence[DevicePlan]) -> tuple[Output, ...]:
    """Every channel that leaves, by alias: first the channels as they stand, then each window's statistics."""
    plain: list[tuple[int, int, str | None]] = [
        (d, c, None) for d, plan in enumerate(plans) for c in range(len(plan.channels))
    ]
    derived: list[tuple[int, int, str | None]] = [
        (d, c, statistic)
        for d, plan in enumerate(plans)
        for c, one in enumerate(plan.channels)
        if one.filters.window_s is not None
        for statistic in STATISTICS
    ]
    if len(plain) + len(derived) > MAX_ALIAS + 1:
        raise ValueError(f"{len(plain) + len(derived)} channels; one gateway describes at most {MAX_ALIAS + 1}")
    return tuple(Output(alias, *which) for alias, which in enumerate(plain + derived))


def describe_channels(plans: Sequence[DevicePlan]) -> tuple[ChannelDescription, ...]:
    """The channels for a birth's description; their `device` is the index of the plan."""
    return tuple(_describe(output, plans[output.device]) for output in outputs(plans))


def _describe(output: Output, plan: DevicePlan) -> ChannelDescription:
    one = plan.channels[output.channel]
    channel, filters = one.channel, one.filters
    computed = output.statistic is not None or filters.smooths
    if output.statistic is not None and filters.window_s is not None:
        period_ms = round(filters.window_s * 1000)
    else:
        period_ms = plan.period_ms * filters.decimate
        if filters.deadband is not None:  # silence within the heartbeat is meant: nobody may call it stale or a gap
            period_ms = max(period_ms, round(filters.heartbeat_s * 1000))
    plausible = channel.limits if output.statistic != "std" else None
    return ChannelDescription(
        alias=output.alias,
        device=output.device,
        name=channel.name if output.statistic is None else f"{channel.name}.{output.statistic}",
        quantity=channel.quantity,
        unit=channel.unit,
        kind=channel.kind,
        tag=F32LE if computed else channel.tag,
        scale=0 if computed else channel.scale,
        period_ms=period_ms,
        writable=channel.writable and output.statistic is None,
        limits=None if plausible is None else (float(plausible[0]), float(plausible[1])),
        title=channel.title if output.statistic is None else _title(channel, output.statistic),
        states=channel.states,
        rollover=None if computed else channel.rollover,
    )


_WORDS = {
    "mean": {"en": "mean", "zh": "均值"},
    "min": {"en": "lowest", "zh": "最小值"},
    "max": {"en": "highest", "zh": "最大值"},
    "std": {"en": "deviation", "zh": "标准差"},
}


def _title(channel: Channel, statistic: str) -> dict[str, str]:
    words = _WORDS[statistic]
    return {language: f"{text}, {words.get(language, statistic)}" for language, text in channel.title.items()}
