"""Keeping one tick in so many."""

from agent.dsp.arrays import Mask, Times


def kept_ticks(times: Times, period_ms: int, keep_one_in: int) -> Mask:
    """Which ticks to keep. Counted from time 0, so that a restart, or a cut between blocks, moves nothing.

    It only leaves out: what is faster than half the new rate folds down unless a low-pass went before.
    """
    kept: Mask = (times + period_ms // 2) // period_ms % keep_one_in == 0
    return kept
