"""How much of each device is held for captures: what a firing looks back on must be there before anybody knows of it.

Nothing here imports numpy: the configuration is read with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocols.rules import Rule, compares

MAX_SAMPLES = 262_144  # of all devices of a gateway together; each takes 12 bytes: 3 MB
SLACK_MS = 12_000  # between a sample and the cut that wants it: LATE_MS of agent.rules.recorder, and the way there


@dataclass(frozen=True)
class RingConfig:
    """Of one device, the newest `ticks` of those channels."""

    channels: tuple[str, ...]
    ticks: int

    @property
    def samples(self) -> int:
        return self.ticks * len(self.channels)


def rings_of(
    rules: Iterable[Rule], late_ms: Mapping[str, Mapping[str, int]], periods_ms: Mapping[str, int]
) -> dict[str, RingConfig]:
    """By device code. A rule fires as late as its slowest channel leaves the filters: `late_ms`."""
    channels: dict[str, dict[str, None]] = {}
    spans: dict[str, int] = {}
    for rule in rules:
        late = max((late_ms.get(one.device, {}).get(one.channel, 0) for one in compares(rule.when)), default=0)
        for capture in rule.captures:
            channels.setdefault(capture.device, {}).update(dict.fromkeys(capture.channels))
            span = capture.before_ms + late + capture.after_ms + SLACK_MS
            spans[capture.device] = max(span, spans.get(capture.device, 0))
    return {
        device: RingConfig(tuple(names), -(-spans[device] // periods_ms.get(device, 1000)) + 1)
        for device, names in channels.items()
    }
