"""Whether a line has time for what it is asked: its polls are rehearsed in virtual time. Pure.

The worst case is counted: all devices are due at once, as aligned ticks make it, and every answer is as long as it may
be. How long a device thinks is what was learned of its kind, or learned.TURNAROUND_MS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.bus.device import Device, Reader
from agent.bus.learned import Learned
from agent.bus.schedule import Schedule
from drivers.base import Line, Model

MOST_POLLS = 20_000  # rehearsed: some 200 ms of a small processor
LONGEST_MS = 3_600_000


class Miss(NamedTuple):
    """`channels` are those, by name, that would be read in `share` of their ticks only."""

    device: Device[Model]
    channels: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Use:
    """What polling takes of a line: `share` of its time; above 1 there is not enough. `longest_ms` is the longest poll
    of one device, which is how long a write may have to wait where a device is asked once."""

    share: float
    longest_ms: float
    requests: int
    misses: tuple[Miss, ...]


def rehearse(line: Line, devices: Sequence[Device[Model]], recall: Callable[[Model], Learned]) -> Use:
    """`line` need not be open, but be one that tells its cost: drivers.base.Timed."""
    readers = [Reader(device, recall(device.model)) for device in devices]
    periods = [device.period_ms for device in devices]
    schedule = Schedule(periods, 0, [device.priority for device in devices])
    now = 0.0
    longest, busy = [0.0] * len(devices), [0.0] * len(devices)
    missed, asked = [0] * len(devices), [0] * len(devices)
    slowest = max(period for device in devices for period in (device.period_ms, *device.slower.values()))
    horizon = max(min(LONGEST_MS, 2 * slowest), 20 * max(periods))
    while sum(asked) < MOST_POLLS:
        due = schedule.pop(int(now), lambda device: longest[device])
        if due is None:
            wake = schedule.next_at()
            if wake is None or wake > horizon:
                break
            now = max(now + 1, float(wake))
            continue
        takes = readers[due.device].rehearse(line, due.tick)
        longest[due.device] = max(longest[due.device], takes)
        asked[due.device] += 1
        missed[due.device] += due.missed
        busy[due.device] += takes
        now += takes
    for number, reader in enumerate(readers):
        if not asked[number]:  # its period is longer than what was rehearsed
            asked[number], longest[number] = 1, reader.rehearse(line, 0)
            busy[number] = longest[number]
    return Use(
        sum(took / count / period for took, count, period in zip(busy, asked, periods, strict=True)),
        max(longest),
        sum(reader.requests for reader in readers),
        tuple(
            Miss(device, tuple(channel.name for channel in device.model.channels), got / (got + lost))
            for device, got, lost in zip(devices, asked, missed, strict=True)
            if lost
        ),
    )
