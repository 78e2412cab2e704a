"""The despiker: a median of five in a running window, by a network of minima and maxima."""

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, apart


class Median5:
    """Row i of the output is the median of input rows i-4 to i: the despiked row i-DELAY.

    One or two samples in a row that stick out vanish whole; a step passes unchanged, DELAY samples later. Whoever
    stamps the output takes the time of row i-DELAY, so that nothing moves in time.
    """

    DELAY = 2

    def __init__(self, channels: int, dtype: npt.DTypeLike = np.float64) -> None:
        self._window: Block = np.zeros((4, channels), dtype)
        self._scratch: tuple[Block, ...] = (self._window[:0],)

    @property
    def state(self) -> Block:
        """(rows, channels), all that a channel's next output depends on besides its input; to be written to as well."""
        return self._window

    def prime(self, columns: Mask, row: Row) -> None:
        """Lets the channels in `columns` begin as if they had stood at `row` for ever."""
        self._window[:, columns] = row[columns]

    def process(self, block: Block, out: Block | None = None) -> Block:
        rows, channels = block.shape
        if len(self._scratch[0]) < rows + 4:
            shape = rows + 4, channels
            self._scratch = tuple(apart(shape, self._window.dtype, quarters) for quarters in (2, 3, 1, 0))
        x, low, high, spare = (scratch[: rows + 4] for scratch in self._scratch)
        x[:4] = self._window
        x[4:] = block
        self._window[:] = x[rows:]
        return _median5(x, low, high, spare[4:], out)


def _median5(x: Block, low: Block, high: Block, least: Block, out: Block | None) -> Block:
    """The medians of x[i:i+5]; eight passes, since neighbouring windows share their pairs' minima and maxima.

    Of five values, drop the least of two pairs' minima and the greatest of their maxima: the median is the median of
    the three that remain.
    """
    np.minimum(x[:-1], x[1:], out=low[:-1])
    np.maximum(x[:-1], x[1:], out=high[:-1])
    rows = len(x) - 4
    # Never into an array that is also read shifted: numpy would copy it first.
    median: Block = np.maximum(low[:rows], low[2 : rows + 2], out=out)
    np.minimum(high[:rows], high[2 : rows + 2], out=least)
    np.minimum(median, least, out=low[:rows])  # the median of (median, least, last): the lower of two ...
    np.maximum(median, least, out=median)  # ... or the higher, cut by the last
    np.minimum(median, x[4:], out=median)
    return np.maximum(low[:rows], median, out=median)
