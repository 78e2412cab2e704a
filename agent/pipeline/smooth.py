"""Smoothing over ticks that may be missing: what the filters of agent.dsp leave to whoever runs them."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp import Hold, LowPass, Median5, butterworth
from agent.dsp.arrays import Block, Mask, Times
from agent.dsp.hold import PATIENCE
from agent.pipeline.plan import FilterConfig
from protocols.quality import Quality

LOWPASS_ORDER = 2  # a gentle knee: a step overshoots by 4 %, where order 4 overshoots by 11 %

Qualities = npt.NDArray[np.uint16]


class Ticks(NamedTuple):
    """A block of ticks for a chain's channels: where a number stands (`value`), and what is known of it (`told`).

    `numbers` is f64 for computing, and 0 where no number stands.
    """

    times: Times
    numbers: Block
    value: Mask
    told: Mask
    quality: Qualities

    def rows(self, chosen: slice | Mask) -> "Ticks":
        return Ticks(
            self.times[chosen], self.numbers[chosen], self.value[chosen], self.told[chosen], self.quality[chosen]
        )

    @staticmethod
    def joined(first: "Ticks", second: "Ticks") -> "Ticks":
        return Ticks(
            np.concatenate([first.times, second.times]),
            np.concatenate([first.numbers, second.numbers]),
            np.concatenate([first.value, second.value]),
            np.concatenate([first.told, second.told]),
            np.concatenate([first.quality, second.quality]),
        )


def settled(waiting: Ticks | None, ticks: Ticks) -> tuple[Ticks, Ticks | None]:
    """The ticks of which everything is told, or behind which there is a newer one; and the last one if neither.

    A device is read in several requests, and a block may end between two of them: what of a tick was `waiting` from
    the block before is joined with the rest of it.
    """
    if waiting is not None:
        if ticks.times[0] == waiting.times[0]:
            here = ticks.told[:1]
            ticks = Ticks(
                ticks.times,
                _with_first(ticks.numbers, np.where(here, ticks.numbers[:1], waiting.numbers)),
                _with_first(ticks.value, np.where(here, ticks.value[:1], waiting.value)),
                _with_first(ticks.told, here | waiting.told),
                _with_first(ticks.quality, np.where(here, ticks.quality[:1], waiting.quality)),
            )
        else:
            ticks = Ticks.joined(waiting, ticks)
    if ticks.told[-1].all():
        return ticks, None
    return ticks.rows(slice(0, -1)), ticks.rows(slice(-1, None))


def _with_first(array: npt.NDArray[Any], first: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([first, array[1:]])


class Smoother:
    """Hold, then despike, then low-pass. Gives each tick of its input exactly once, up to two ticks late."""

    def __init__(self, filters: FilterConfig, channels: int, period_ms: int) -> None:
        self._hold = Hold(channels)
        self._despike = Median5(channels) if filters.despike else None
        self._lowpass = None
        if filters.lowpass_hz is not None:
            self._lowpass = LowPass(butterworth(filters.lowpass_hz, 1000 / period_ms, LOWPASS_ORDER), channels)
        self._delay = Median5.DELAY if filters.despike else 0
        self._pending: Ticks | None = None
        self._begins: Mask = np.zeros((0, channels), bool)
        self._period_ms = period_ms
        self._newest: int | None = None
        self.held = 0
        self.resets = 0

    def process(self, ticks: Ticks) -> tuple[Ticks, Block]:
        """The ticks that are done, and their numbers as they were before the low-pass, for the windows."""
        ticks = self._without_gaps(ticks)
        good = ticks.value & (ticks.quality & 0xC000 != 0x8000)
        held = self._hold.process(ticks.numbers, good)
        self.held += int(np.count_nonzero(held.held))
        self.resets += int(np.count_nonzero(held.begins))
        despiked, smooth = self._filter(held.values, held.begins)
        quality = np.where(held.held, np.uint16(Quality.UNCERTAIN_LAST_USABLE), ticks.quality)
        silent = held.absent & (quality & 0xC000 != 0x8000)
        quality[silent] = Quality.BAD_NO_COMMUNICATION
        now = Ticks(ticks.times, smooth, ~held.absent, np.ones_like(held.held), quality)
        return self._compensated(now, held.begins, despiked)

    def _without_gaps(self, ticks: Ticks) -> Ticks:
        """With ticks that nobody told of: enough of them to let the filters hold, or end, and no more."""
        times, period = ticks.times, self._period_ms
        before = int(times[0]) - period if self._newest is None else self._newest
        self._newest = int(times[-1])
        if self._newest - before == len(times) * period:
            return ticks
        steps = np.diff(times, prepend=before)
        missing = np.clip((steps + period // 2) // period - 1, 0, PATIENCE)
        at = np.repeat(np.arange(len(times)), missing)
        if not len(at):
            return ticks
        ordinals = np.concatenate([np.arange(1, count + 1) for count in missing.tolist()])
        return Ticks(
            np.insert(times, at, (times - steps)[at] + ordinals * period),
            np.insert(ticks.numbers, at, 0.0, axis=0),
            np.insert(ticks.value, at, False, axis=0),
            np.insert(ticks.told, at, False, axis=0),
            np.insert(ticks.quality, at, Quality.BAD_NO_COMMUNICATION, axis=0),
        )

    def _filter(self, values: Block, begins: Mask) -> tuple[Block, Block]:
        """Cuts the block where a channel's stream begins, and lets its filters begin there at rest."""
        starts = [0, *(np.flatnonzero(begins[1:].any(axis=1)) + 1).tolist(), len(values)]
        despiked, smooth = values, values
        if self._despike is not None:
            despiked = np.empty_like(values)
        smooth = np.empty_like(values) if self._lowpass is not None else despiked
        for first, last in pairwise(starts):
            anew = begins[first] if first < last else None
            if self._despike is not None:
                if anew is not None and anew.any():
                    self._despike.prime(anew, values[first])
                self._despike.process(values[first:last], out=despiked[first:last])
            if self._lowpass is not None:
                if anew is not None and anew.any():
                    self._lowpass.prime(anew, values[first])
                self._lowpass.process(despiked[first:last], out=smooth[first:last])
        return despiked, smooth

    def _compensated(self, now: Ticks, begins: Mask, despiked: Block) -> tuple[Ticks, Block]:
        """Gives the despiker's output the time and the quality of the tick it is of.

        Output row i is of tick i - delay; a stream that began after that tick has forgotten it.
        """
        if not self._delay:
            return now, despiked
        told = now if self._pending is None else Ticks.joined(self._pending, now)
        began = np.concatenate([self._begins, begins])
        done = max(0, len(told.times) - self._delay)
        self._pending, self._begins = told.rows(slice(done, None)), began[done:]
        first = len(now.times) - done  # output rows of before the first tick
        forgotten = began[1 : done + 1] | began[2 : done + 2]
        ready = told.rows(slice(0, done))
        value = ready.value & ~forgotten
        quality = np.where(forgotten & ready.value, np.uint16(Quality.BAD_NO_COMMUNICATION), ready.quality)
        return Ticks(ready.times, now.numbers[first:], value, ready.told, quality), despiked[first:]
