"""Counters that begin again at 0, counted on: integers throughout, exact."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Mask

Whole = npt.NDArray[np.int64]


class Totals(NamedTuple):
    """`value` says where a total stands; `leapt` where it left out a step that no roll-over explains."""

    totals: Whole
    value: Mask
    leapt: Mask


class Unwrap:
    """The total begins at the first reading. A fall that is a rise of less than half a round is a roll-over.

    Any other fall, and a rise of half a round or more, is another counter or a reset: nothing is added, as the fleet's
    metering does (more than half a round is never taken for granted).
    """

    def __init__(self, rounds: Whole) -> None:
        """`rounds` are the counts at which each channel begins again at 0."""
        self._rounds = rounds
        self._last: Whole = np.full(len(rounds), -1, np.int64)  # a counter is never negative: none yet
        self._totals: Whole = np.zeros(len(rounds), np.int64)

    def process(self, block: Whole, valid: Mask) -> Totals:
        """What is not `valid`, or not between 0 and the round, has no total and moves nothing."""
        value = valid & (block >= 0) & (block < self._rounds)
        totals = np.empty(block.shape, np.int64)
        leapt = np.zeros(block.shape, bool)
        for row, counts in enumerate(block):
            here, first = value[row], self._last < 0
            last = np.where(first | ~here, 0, self._last)
            step = np.where(here, counts, 0) - last
            step += np.where(step < 0, self._rounds, 0)
            far = step >= self._rounds - step
            leapt[row] = here & ~first & far
            self._totals += np.where(here & (first | ~far), step, 0)
            np.copyto(self._last, counts, where=here)
            totals[row] = self._totals
        return Totals(totals, value, leapt)
