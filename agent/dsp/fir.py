"""A linear-phase FIR filter, streaming: overlap-save as one matrix product, or only the rows that decimation keeps."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row

ROWS = 32  # outputs to a product: past it, the zeros of its band cost more than the calls it saves


class Fir:
    """Row i of the output is the taps over input rows i-len(taps)+1 to i: the smoothed row i-delay.

    Whoever stamps the output takes the time of row i-delay: a symmetrical filter then moves nothing in time.
    """

    def __init__(self, taps: npt.NDArray[np.float64], channels: int, dtype: npt.DTypeLike = np.float64) -> None:
        """`taps` are of odd number and symmetrical."""
        self.delay = (len(taps) - 1) // 2
        self._past = len(taps) - 1
        self._taps = taps.astype(dtype)
        self._rows: Block = np.zeros((self._past + ROWS, channels), dtype)  # what came before, then a block

    @cached_property
    def _band(self) -> Block:
        band: Block = np.zeros((ROWS, ROWS + self._past), self._taps.dtype)
        for row in range(ROWS):
            band[row, row : row + len(self._taps)] = self._taps
        return band

    def prime(self, columns: Mask, row: Row) -> None:
        """Lets the channels in `columns` begin as if they had stood at `row` for ever."""
        self._rows[: self._past, columns] = row[columns]

    def process(self, block: Block, wanted: Mask | None = None, out: Block | None = None) -> Block:
        """Rows that are not `wanted` are left as they stand in `out`, uncomputed; None for all."""
        out = np.empty(block.shape, self._rows.dtype) if out is None else out
        for start in range(0, len(block), ROWS):
            piece = block[start : start + ROWS]
            count = len(piece)
            rows = self._rows[: self._past + count]
            rows[self._past :] = piece
            if wanted is None:
                np.matmul(self._band[:count, : self._past + count], rows, out=out[start : start + count])
            else:
                for at in np.flatnonzero(wanted[start : start + count]).tolist():
                    np.matmul(self._taps, rows[at : at + self._past + 1], out=out[start + at])
            self._rows[: self._past] = rows[count:].copy() if count < self._past else rows[count:]
        return out
