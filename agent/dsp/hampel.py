"""The Hampel filter: a sample far from the median of its neighbourhood becomes that median. By a sorting network."""

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, apart

AROUND = 3  # samples on either side
WINDOW = 2 * AROUND + 1
SIGMA = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
FAR = 3.0  # in standard deviations: Pearson et al., Generalized Hampel Filters, 2016, the usual choice
_CHUNK_BYTES = 65_536  # of one array of the network: its fourteen then stay in a second-level cache


class Hampel:
    """Row i of the output is for input row i-DELAY, judged among rows i-6 to i.

    Unlike a median it leaves alone what does not stick out; of three that stick out in a row all vanish.
    """

    DELAY = AROUND

    def __init__(self, channels: int, dtype: npt.DTypeLike = np.float64) -> None:
        self._window: Block = np.zeros((WINDOW - 1, channels), dtype)
        size = self._window.dtype.itemsize
        self._chunk = max(8, _CHUNK_BYTES // (channels * size))
        shape = self._chunk + WINDOW - 1, channels
        self._scratch = [apart(shape, self._window.dtype, number % 4) for number in range(14)]
        self._sticks: Mask = np.zeros(shape, bool)

    @property
    def state(self) -> Block:
        """(rows, channels), all that a channel's next output depends on besides its input; to be written to as well."""
        return self._window

    def prime(self, columns: Mask, row: Row) -> None:
        """Lets the channels in `columns` begin as if they had stood at `row` for ever."""
        self._window[:, columns] = row[columns]

    def process(self, block: Block, out: Block | None = None) -> Block:
        out = np.empty(block.shape, self._window.dtype) if out is None else out
        past = WINDOW - 1
        for start in range(0, len(block), self._chunk):
            piece = block[start : start + self._chunk]
            rows = len(piece)
            x = self._scratch[0][: rows + past]
            x[:past] = self._window
            x[past:] = piece
            self._window[:] = x[rows:]
            self._judge(x, out[start : start + rows])
        return out

    def _judge(self, x: Block, out: Block) -> None:
        """Sorts every window and replaces its middle where that is far out.

        Windows share what they sort: pairs, then fours of two pairs and threes of a pair and one. The last merge is
        Batcher's (Knuth, The Art of Computer Programming 3, 5.3.4) of four and three.
        """
        rows = len(out)
        low, high, a0, a1, a2, a3, b0, b1, b2, e1, e2, e3, o1 = (one[: len(x)] for one in self._scratch[1:])
        _sort(x[:-1], x[1:], low[:-1], high[:-1])
        pairs = len(x) - 3
        _sort(low[:pairs], low[2 : pairs + 2], a0[:pairs], e1[:pairs])
        _sort(high[:pairs], high[2 : pairs + 2], e2[:pairs], a3[:pairs])
        _sort(e1[:pairs], e2[:pairs], a1[:pairs], a2[:pairs])
        # The threes x[i+4:i+7], of the pair at i+4 and the one behind it.
        first, second, last = low[4 : rows + 4], high[4 : rows + 4], x[6:]
        a0, a1, a2, a3, b0, b1, b2, e1, e2, e3, o1 = (
            one[:rows] for one in (a0, a1, a2, a3, b0, b1, b2, e1, e2, e3, o1)
        )
        _sort(second, last, e3, b2)
        _sort(first, e3, b0, b1)
        s0, spare = e3, o1
        _sort(a0, b0, s0, e1)
        _sort(a2, b2, spare, e2)
        np.minimum(e1, spare, out=a0)  # e1 of Batcher's evens
        np.maximum(e1, spare, out=a2)  # e2; e2 holds the last even
        _sort(a1, b1, b0, e1)  # b0: the first odd
        _sort(e1, a3, b2, o1)  # b2: the second, o1: the third
        _sort(b0, a0, a1, b1)  # s1, s2
        _sort(b2, a2, a0, e1)  # s3, s4
        _sort(o1, e2, b0, a3)  # s5, s6
        self._replace(x[AROUND : rows + AROUND], (s0, a1, b1, a0, e1, b0, a3), (a2, b2), out)

    def _replace(self, middle: Block, ordered: tuple[Block, ...], spare: tuple[Block, ...], out: Block) -> None:
        """The deviations below the median rise downwards, those above it upwards: with the median's own 0, their median
        is the third least of two sorted threes, the least over how many of them come from below.
        """
        s0, s1, s2, median, s4, s5, s6 = ordered
        deviation, one = spare
        np.subtract(median, s0, out=s0)
        np.subtract(s6, median, out=s6)
        np.minimum(s0, s6, out=deviation)
        np.subtract(median, s1, out=s1)
        np.subtract(s4, median, out=s4)
        np.maximum(s1, s4, out=one)
        np.minimum(deviation, one, out=deviation)
        np.subtract(median, s2, out=s2)
        np.subtract(s5, median, out=s5)
        np.maximum(s2, s5, out=one)
        np.minimum(deviation, one, out=deviation)
        np.multiply(deviation, self._window.dtype.type(FAR * SIGMA), out=deviation)
        np.subtract(middle, median, out=one)
        np.abs(one, out=one)
        sticks = self._sticks[: len(out)]
        np.greater(one, deviation, out=sticks)
        np.copyto(out, middle)
        np.copyto(out, median, where=sticks)


def _sort(one: Block, other: Block, low: Block, high: Block) -> None:
    np.minimum(one, other, out=low)
    np.maximum(one, other, out=high)
