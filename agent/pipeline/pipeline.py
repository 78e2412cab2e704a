"""The pipeline: readings of many devices in, groups of columns out. Pure: time comes with the readings."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from agent.dsp.arrays import Times
from agent.pipeline.abreast import Abreast
from agent.pipeline.device import PART_BYTES, DeviceLane, Tap
from agent.pipeline.emit import Ready
from agent.pipeline.plan import DevicePlan, Output, outputs
from agent.pipeline.readings import MAX_TICKS
from drivers.base import Readings
from protocols.edge.columns import Group
from protocols.edge.messages import MAX_GROUPS

if TYPE_CHECKING:
    from agent.pipeline.inferred import Verdict, Window


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
        self._devices: dict[int, DeviceLane] = {}
        self._ready: deque[Ready] = deque()
        self._verdicts: list[Ready] = []  # they leave with the next readings, or alone
        self._counters = Counters()
        self._gone = Counters()  # what devices counted that are here no more
        self.exchange(plans, range(len(plans)))

    def exchange(self, plans: Sequence[DevicePlan], indices: Sequence[int]) -> None:
        """From now on these devices, by those indices, which need not be in order; the plans say which aliases leave.

        A device whose index is here already goes on as it is, under its new aliases: its plan is the one it had. Drain
        first: what has come out under the old aliases must not meet the new ones in one batch.
        """
        described: dict[int, list[Output]] = {}
        for output in outputs(plans):
            described.setdefault(output.device, []).append(output)
        before, self._devices = self._devices, {}
        for place, (index, plan) in enumerate(zip(indices, plans, strict=True)):
            lane = before.pop(index, None)
            if lane is None:
                lane = DeviceLane(plan, described.get(place, ()))
            else:
                lane.rename(described.get(place, ()))
            self._devices[index] = lane
        _add_up(self._gone, before.values())
        kinds: list[tuple[DevicePlan, list[DeviceLane]]] = []
        for index, plan in zip(indices, plans, strict=True):
            of_kind = next((lanes for one, lanes in kinds if one == plan), None)
            if of_kind is None:
                kinds.append((plan, of_kind := []))
            of_kind.append(self._devices[index])
        self._alike = [Abreast(lanes) for _, lanes in kinds]

    def watch(self, taps: Mapping[int, Tap]) -> None:
        """From now on those devices' readings, before any filter, are given to `taps` as well; no others' are."""
        for index, lane in self._devices.items():
            lane.tap = taps.get(index)

    @property
    def counters(self) -> Counters:
        gone = self._gone
        total = replace(
            self._counters,
            no_value=gone.no_value,
            out_of_range=gone.out_of_range,
            held=gone.held,
            resets=gone.resets,
        )
        _add_up(total, self._devices.values())
        return total

    def windows(self) -> "dict[tuple[int, int], list[Window]]":
        """What models are to judge since, by device and the number of its model; drain first."""
        found = {}
        for index, lane in self._devices.items():
            for number, one in enumerate(lane.inferred):
                if one.whole:
                    found[index, number], one.whole = one.whole, []
        return found

    def judged(self, device: int, number: int, verdicts: "Sequence[Verdict]") -> None:
        """Takes what a model said; nothing of a device that is here no more."""
        lane = self._devices.get(device)
        if lane is not None:
            self._verdicts.extend(lane.inferred[number].columns(verdicts, PART_BYTES))

    def add(self, device: int, tick_boot_ms: int, readings: Readings) -> None:
        """Takes what one request read at a tick. A tick older than the device's newest is counted and dropped."""
        lane = self._devices.get(device)
        if lane is None:
            return  # exchanged while it was being read
        self._counters.readings += len(readings)
        if lane.rows.last_tick == tick_boot_ms:
            lane.rows.extend_last(readings)
        elif lane.newest is not None and tick_boot_ms < lane.newest:
            self._counters.late += len(readings)
        else:
            self._append(lane, tick_boot_ms, readings)

    def missed(self, device: int, tick_boot_ms: int, quality: int) -> None:
        """Takes note that the whole device gave nothing at a tick, and why: a Bad quality."""
        lane = self._devices.get(device)
        if lane is None:
            return
        if lane.newest is not None and tick_boot_ms <= lane.newest:
            return
        self._counters.missed += 1
        self._append(lane, tick_boot_ms, quality)

    def drain(self) -> Part | None:
        """What has come out since, at most about 180 KB of it: call until None."""
        if not self._ready:
            for alike in self._alike:
                self._ready.extend(alike.take())
            if self._verdicts:
                self._ready.extend(self._verdicts)
                self._verdicts = []
        taken: list[Ready] = []
        size = 0
        while self._ready and (not taken or size + self._ready[0].size <= PART_BYTES) and len(taken) < MAX_GROUPS:
            taken.append(self._ready.popleft())
            size += taken[-1].size
        if not taken:
            return None
        # What was measured before the boot has a time before 0; a batch's own has none (edge.md, origin).
        t0 = max(min(int(one.times[0]) for one in taken), 0)
        shifted: dict[int, Times] = {}  # devices that were read at the same ticks share an array of times
        for one in taken:
            if id(one.times) not in shifted:
                shifted[id(one.times)] = one.times - t0
        groups = tuple(Group(shifted[id(one.times)], tuple(one.columns), one.runs) for one in taken)
        values = sum(one.values for one in taken)
        self._counters.values += values
        return Part(t0, groups, values)

    def _append(self, lane: "DeviceLane", tick: int, row: Readings | int) -> None:
        lane.rows.append(tick, row)
        lane.newest = tick
        if len(lane.rows) > MAX_TICKS:
            self._counters.overflow += lane.rows.drop_oldest()


def _add_up(total: Counters, lanes: Iterable[DeviceLane]) -> None:
    """Adds what the devices themselves count."""
    for lane in lanes:
        total.no_value += lane.rows.no_value
        total.out_of_range += lane.rows.out_of_range
        for chain in lane.chains:
            if chain.smoother is not None:
                total.held += chain.smoother.held
                total.resets += chain.smoother.resets
