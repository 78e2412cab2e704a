"""What leaves the pipeline, as ticks for the rules: only of the channels that they look at. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from agent.pipeline import Part
from protocols.edge.birth import ChannelDescription
from protocols.edge.columns import Column, Group
from protocols.rules import Observation, Tick


class Feed:
    """`channels` are those of the birth's description, `codes` its devices, `wanted` pairs of device and channel."""

    def __init__(
        self, channels: Iterable[ChannelDescription], codes: Sequence[str], wanted: Iterable[tuple[str, str]]
    ) -> None:
        pairs = set(wanted)
        named = {channel.alias: (codes[channel.device], channel.name) for channel in channels}
        self._named: Mapping[int, tuple[str, str]] = {alias: pair for alias, pair in named.items() if pair in pairs}

    def ticks(self, part: Part, now: int) -> list[Tick]:
        """In order of time, and none ahead of `now`: a device's own clock does not move the rules'."""
        moments: dict[int, list[Observation]] = {}
        for group in part.groups:
            for column in self._looked_at(group):
                name = self._named.get(column.alias)
                if name is None:
                    continue
                for t, value, quality in _samples(column, (group.times + part.t0_boot_ms).tolist()):
                    moments.setdefault(min(t, now), []).append(Observation(*name, min(t, now), value, quality))
        return [Tick(moment, tuple(moments[moment])) for moment in sorted(moments)]

    def _looked_at(self, group: Group) -> Iterable[Column]:
        yield from group.columns
        for run in group.runs:
            if not self._named.keys().isdisjoint(range(run.first, run.first + len(run.values))):
                yield from run.columns()


def _samples(column: Column, times: list[int]) -> Iterable[tuple[int, float | None, int]]:
    """Values in the channel's unit."""
    factor = float(10**column.scale) if column.scale >= 0 else None
    numbers = column.values.tolist()
    values = iter(numbers if column.scale == 0 else [n * factor if factor else n / 10**-column.scale for n in numbers])
    present = np.asarray(column.present).tolist()
    quality = column.quality
    for index, t in enumerate(times):
        value = float(next(values)) if present[index] else None
        if value is not None or index in quality:
            yield t, value, quality.get(index, 0)
