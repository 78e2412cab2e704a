"""The pipeline: readings of many devices in, groups of columns out. Pure: time comes with the readings."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.pipeline.device import PART_BYTES, DeviceLane
from agent.pipeline.emit import Ready
from agent.pipeline.plan import DevicePlan, outputs
from agent.pipeline.readings import MAX_TICKS
from drivers.base import Readings
from protocols.edge.columns import Group
from protocols.edge.messages import MAX_GROUPS


class Part(NamedTuple):
    """One batch's worth: CLOCK_BOOTTIME in ms that the groups' times count from, the groups, and how many values."""

    t0_boot_ms: int
    groups: tuple[Group, ...]
    values: int


@dataclass
class Counters:
    readings: int = 0  # what drivers gave, with a value or without
    missed: int = 0  # ticks at which a whole device gave nothing
    no_value: int = 0  # readings without a value: sentinels, failed requests
    out_of_range: int = 0
    late: int = 0  # readings older than their device's newest tick: dropped
    overflow: int = 0  # ticks dropped because nobody drained
    held: int = 0  # values that stood in for missing ones in a filter
    resets: int = 0  # times a filter began anew
    values: int = 0  # what left


class Pipeline:
    def __init__(self, plans: Sequence[DevicePlan]) -> None:
        described = outputs(plans)
        self._devices = [
            DeviceLane(plan, [output for output in described if output.device == index])
            for index, plan in enumerate(plans)
        ]
        self._ready: deque[Ready] = deque()
        self._counters = Counters()

    @property
    def counters(self) -> Counters:
        total = self._counters
        rows = [device.rows for device in self._devices]
        total.no_value = sum(one.no_value for one in rows)
        total.out_of_range = sum(one.out_of_range for one in rows)
        smoothers = [chain.smoother for device in self._devices for chain in device.chains if chain.smoother]
        total.held = sum(smoother.held for smoother in smoothers)
        total.resets = sum(smoother.resets for smoother in smoothers)
        return total

    def add(self, device: int, tick_boot_ms: int, readings: Readings) -> None:
        """Takes what one request read at a tick. A tick older than the device's newest is counted and dropped."""
        lane = self._devices[device]
        self._counters.readings += len(readings)
        if lane.rows.last_tick == tick_boot_ms:
            lane.rows.extend_last(readings)
        elif lane.newest is not None and tick_boot_ms < lane.newest:
            self._counters.late += len(readings)
        else:
            self._append(lane, tick_boot_ms, readings)

    def missed(self, device: int, tick_boot_ms: int, quality: int) -> None:
        """Takes note that the whole device gave nothing at a tick, and why: a Bad quality."""
        lane = self._devices[device]
        if lane.newest is not None and tick_boot_ms <= lane.newest:
            return
        self._counters.missed += 1
        self._append(lane, tick_boot_ms, quality)

    def drain(self) -> Part | None:
        """What has come out since, at most about 180 KB of it: call until None."""
        if not self._ready:
            for lane in self._devices:
                self._ready.extend(lane.take())
        taken: list[Ready] = []
        size = 0
        while self._ready and (not taken or size + self._ready[0].size <= PART_BYTES) and len(taken) < MAX_GROUPS:
            taken.append(self._ready.popleft())
            size += taken[-1].size
        if not taken:
            return None
        # What was measured before the boot has a time before 0; a batch's own has none (edge.md, origin).
        t0 = max(min(int(one.times[0]) for one in taken), 0)
        groups = tuple(Group(one.times - t0, tuple(one.columns)) for one in taken)
        values = sum(one.values for one in taken)
        self._counters.values += values
        return Part(t0, groups, values)

    def _append(self, lane: "DeviceLane", tick: int, row: Readings | int) -> None:
        lane.rows.append(tick, row)
        lane.newest = tick
        if len(lane.rows) > MAX_TICKS:
            self._counters.overflow += lane.rows.drop_oldest()
