"""Statistics of tumbling windows."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, Times


@dataclass(frozen=True, eq=False)
class Window:
    """What the samples in [start_ms, start_ms + length) were; where `count` is 0 the rest stands for nothing.

    `std` is the population's: the deviation of these samples, not an estimate from them.
    """

    start_ms: int
    count: npt.NDArray[np.int64]
    mean: Row
    min: Row
    max: Row
    std: Row


class Windows:
    """Windows aligned to multiples of their length; one is complete when a sample at or behind its end has come."""

    def __init__(self, channels: int, length_ms: int) -> None:
        self._length = length_ms
        self._start: int | None = None
        self._channels = channels
        self._clear()

    def process(self, times: Times, block: Block, valid: Mask) -> list[Window]:
        """The windows that these samples complete. Values that are not `valid` only move the time on."""
        done = []
        starts = times // self._length * self._length
        cuts = [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), len(times)]
        for first, last in pairwise(cuts):
            start = int(starts[first])
            if self._start is not None and start != self._start:
                done.append(self._close(self._start))
            self._start = start
            self._merge(block[first:last].astype(np.float64), valid[first:last])
        return done

    def _clear(self) -> None:
        self._count: npt.NDArray[np.int64] = np.zeros(self._channels, np.int64)
        self._mean: Row = np.zeros(self._channels)
        self._spread: Row = np.zeros(self._channels)  # the sum of squared distances from the mean
        self._min: Row = np.full(self._channels, np.inf)
        self._max: Row = np.full(self._channels, -np.inf)

    def _merge(self, block: Block, valid: Mask) -> None:
        """Chan, Golub and LeVeque's update: sums of squares would lose what varies by little around much."""
        count = np.count_nonzero(valid, axis=0)
        some = np.maximum(count, 1)
        mean = np.where(valid, block, 0.0).sum(axis=0) / some
        spread = np.where(valid, (block - mean) ** 2, 0.0).sum(axis=0)
        total = self._count + count
        away = mean - self._mean
        share = count / np.maximum(total, 1)
        self._spread += spread + away**2 * self._count * share
        self._mean += away * share
        self._count = total
        np.minimum(self._min, np.where(valid, block, np.inf).min(axis=0), out=self._min)
        np.maximum(self._max, np.where(valid, block, -np.inf).max(axis=0), out=self._max)

    def _close(self, start: int) -> Window:
        empty = self._count == 0
        std = np.sqrt(self._spread / np.maximum(self._count, 1))
        window = Window(
            start, self._count, self._mean, np.where(empty, 0.0, self._min), np.where(empty, 0.0, self._max), std
        )
        self._clear()
        return window
