"""Values that move too fast, or not at all."""

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, Times

_ROUNDING = 1e-9  # a limit in decimals, met exactly, is met: 0.3 - 0.2 is more than 0.1


class Watch:
    """Marks samples that differ from the last valid one by more than `steepest` a second; and those of a value that
    has stood still, to the last bit, for `stuck_ms`. None for either leaves it out.

    Silence proves nothing: after as long a silence the standing still is counted anew.
    """

    def __init__(self, channels: int, steepest: Row | None, stuck_ms: int | None) -> None:
        self._steepest, self._stuck_ms = steepest, stuck_ms
        self._value: Row = np.zeros(channels)
        self._time: npt.NDArray[np.int64] = np.zeros(channels, np.int64)
        self._since: npt.NDArray[np.int64] = np.zeros(channels, np.int64)
        self._known: Mask = np.zeros(channels, bool)

    def process(self, times: Times, block: Block, valid: Mask) -> tuple[Mask, Mask]:
        """(steep, stuck); neither where not `valid`."""
        here = np.arange(1, len(block) + 1)[:, None]
        newest = np.maximum.accumulate(np.where(valid, here, 0), axis=0)  # 0 is what came before the block
        before = np.vstack([np.zeros((1, block.shape[1]), np.int64), newest[:-1]])
        values = np.vstack([self._value, block])
        clock = np.vstack([self._time, np.broadcast_to(times[:, None], block.shape)])
        known = valid & ((before > 0) | self._known)
        gap = times[:, None] - np.take_along_axis(clock, before, axis=0)
        moved = np.abs(np.where(known, block - np.take_along_axis(values, before, axis=0), 0.0))
        steep = np.zeros(block.shape, bool)
        if self._steepest is not None:
            steep = known & (moved * 1000 > self._steepest * gap * (1 + _ROUNDING))
        stuck = np.zeros(block.shape, bool)
        if self._stuck_ms is not None:
            anew = valid & (~known | (moved > 0) | (gap >= self._stuck_ms))
            began = np.maximum.accumulate(np.where(anew, here, 0), axis=0)
            since = np.take_along_axis(np.vstack([self._since, clock[1:]]), began, axis=0)
            stuck = valid & (times[:, None] - since >= self._stuck_ms)
            self._since = since[-1]
        self._value = np.take_along_axis(values, newest[-1:], axis=0)[0]
        self._time = np.take_along_axis(clock, newest[-1:], axis=0)[0]
        self._known |= valid.any(axis=0)
        return steep, stuck
