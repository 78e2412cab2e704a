"""What stands in for a value that is missing, so that filters run on whole ticks and finite numbers."""

from functools import lru_cache
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

    @property
    def goes_on(self) -> bool:
        """Whether every channel had a value at the last tick."""
        return not self._age.any()

    @property
    def last(self) -> Row:
        return self._last

    def stand_at(self, row: Row) -> None:
        """As if `row` had been the last tick, and valid."""
        self._last = row
        self._age = np.zeros(len(row), np.int64)

    def keep(self, block: Block) -> Held:
        """process() of a block that is valid everywhere, where it goes on."""
        self._last = block[-1].astype(np.float64)
        never = _nowhere(block.shape)
        return Held(block, held=never, absent=never, begins=never)

    def process(self, block: Block, valid: Mask) -> Held:
        """`block` may hold anything, NaN too, where it is not `valid`."""
        rows = len(block)
        if valid.all() and self.goes_on:
            return self.keep(block)
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


@lru_cache(maxsize=256)
def _nowhere(shape: tuple[int, int]) -> Mask:
    """Shared by all blocks of that shape, and never written to."""
    nowhere = np.zeros(shape, bool)
    nowhere.flags.writeable = False
    return nowhere
