"""Saying only what is new."""

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, Times


class DeadBand:
    """Picks the samples that differ from the last one picked by more than `band`, and one every `heartbeat_ms`.

    The comparison is with what was last *picked*, so that a slow drift cannot slip by. The heartbeat bounds the
    silence: who hears nothing for longer knows that something is wrong.
    """

    def __init__(self, band: Row, heartbeat_ms: int) -> None:
        self._band = band
        self._heartbeat = heartbeat_ms
        self._value: Row = np.zeros(len(band))
        self._mark: npt.NDArray[np.int64] = np.full(len(band), -1)  # no mark is negative: the first is always new
        self._time: npt.NDArray[np.int64] = np.zeros(len(band), np.int64)

    def process(self, times: Times, block: Block, marks: npt.NDArray[np.int64], told: Mask) -> Mask:
        """Where to pick, among the samples that are `told`. A change of `marks`, a quality say, is always new."""
        picked: Mask = np.zeros(block.shape, dtype=bool)
        for row, time in enumerate(times.tolist()):
            new = np.abs(block[row] - self._value) > self._band
            new |= marks[row] != self._mark
            new |= time - self._time >= self._heartbeat
            new &= told[row]
            picked[row] = new
            np.copyto(self._value, block[row], where=new)
            np.copyto(self._mark, marks[row], where=new)
            np.copyto(self._time, time, where=new)
        return picked
