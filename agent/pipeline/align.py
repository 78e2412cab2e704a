"""Output that comes late, given the time and the quality of the tick it is of."""

import numpy as np

from agent.dsp.arrays import Mask, Times
from agent.pipeline.ticks import Ticks
from protocols.quality import Quality


class Aligned:
    """Output row i is of tick i - delay; a stream that began after that tick has forgotten it."""

    def __init__(self, delay: int, channels: int) -> None:
        self._delay = delay
        self._pending: Ticks | None = None
        self._begins: Mask = np.zeros((0, channels), bool)
        self._all_good = 0  # rows in a row, up to the newest

    def times(self, times: Times) -> Times:
        """The times that rows of the next block are of; of rows from before the first tick, the first's."""
        if not self._delay:
            return times
        told = times if self._pending is None else np.concatenate([self._pending.times, times])
        return told[np.maximum(np.arange(len(told) - len(times), len(told)) - self._delay, 0)]

    def process(self, now: Ticks, begins: Mask) -> Ticks:
        """`now.numbers` are the output rows, all else of `now` is of the ticks that went in."""
        if not self._delay:
            return now
        if now.clean and (self._pending is None or self._pending.clean) and not (self._begins.any() or begins.any()):
            return self._clean(now)
        told = now if self._pending is None else Ticks.joined(self._pending, now)
        began = np.concatenate([self._begins, begins])
        done = max(0, len(told.times) - self._delay)
        self._all_good = self._all_good + len(now.times) if now.clean else 0
        self._pending = told.rows(slice(done, None))._replace(clean=self._all_good >= len(told.times) - done)
        self._begins = began[done:]
        ready = told.rows(slice(0, done))
        ready = ready._replace(numbers=now.numbers[len(now.times) - done :])  # before it, rows of no tick
        if not began.any():
            return ready
        count = np.cumsum(began, axis=0)
        forgotten = count[self._delay :] > count[:done]
        value = ready.value & ~forgotten
        quality = np.where(forgotten & ready.value, np.uint16(Quality.BAD_NO_COMMUNICATION), ready.quality)
        return ready._replace(value=value, quality=quality, clean=False)

    def is_clean(self) -> bool:
        """Whether the next block, if it is clean, leaves clean."""
        pending = self._pending
        return not self._delay or (
            pending is not None and pending.clean and len(pending.times) == self._delay and not self._begins.any()
        )

    @property
    def waiting(self) -> Times:
        """The times of ticks that went in and have not come out."""
        return np.zeros(0, np.int64) if self._pending is None else self._pending.times

    def resume(self, waiting: Times) -> None:
        """As if clean ticks had gone in, the last of them at these times, as many as it delays."""
        rest = np.zeros((len(waiting), self._begins.shape[1]))
        self._pending, self._begins = Ticks.all_good(waiting, rest), np.zeros(rest.shape, bool)
        self._all_good = len(waiting)

    def _clean(self, now: Ticks) -> Ticks:
        """The same, where there is nothing to forget and all is Good: only the times move."""
        times = now.times if self._pending is None else np.concatenate([self._pending.times, now.times])
        done = max(0, len(times) - self._delay)
        self._all_good += len(now.times)
        rest = np.zeros((len(times) - done, now.numbers.shape[1]))
        self._pending, self._begins = Ticks.all_good(times[done:], rest), np.zeros(rest.shape, bool)
        return Ticks.all_good(times[:done], now.numbers[len(now.times) - done :])
