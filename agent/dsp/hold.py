"""What stands in for a value that is missing, so that filters run on whole ticks and finite numbers."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row

PATIENCE = 3  # ticks missing in a row that end a stream: contracts.md, Time, "several missing reset the filter"


class Held(NamedTuple):
    """`values` is finite everywhere. It is the last value where `held`, and stands for nothing where `absent`.

    Where `begins`, a stream starts anew: what follows must not remember what was before.
    """

    values: Block
    held: Mask
    absent: Mask
    begins: Mask


class Hold:
    """A missing value is the last one, PATIENCE - 1 times in a row; then the stream has ended until the next value."""

    def __init__(self, channels: int) -> None:
        self._last: Row = np.zeros(channels)
        self._age: npt.NDArray[np.int64] = np.full(channels, PATIENCE)  # ticks since the last value

    def process(self, block: Block, valid: Mask) -> Held:
        """`block` may hold anything, NaN too, where it is not `valid`."""
        rows = len(block)
        if valid.all() and not self._age.any():
            self._last = block[-1].astype(np.float64)
            never = np.zeros(block.shape, bool)
            return Held(block, held=never, absent=never, begins=never)
        here = np.arange(rows)[:, None]
        newest = np.maximum.accumulate(np.where(valid, here, -1 - self._age), axis=0)
        age = here - newest
        ended_before = np.vstack([self._age, age[:-1]]) >= PATIENCE
        known = np.vstack([self._last, np.where(valid, block, 0.0)])
        values = np.take_along_axis(known, np.maximum(newest, -1) + 1, axis=0)
        self._last = values[-1]
        self._age = np.minimum(age[-1], PATIENCE)
        absent = age >= PATIENCE
        return Held(values, held=~valid & ~absent, absent=absent, begins=valid & ended_before)
