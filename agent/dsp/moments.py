"""What the samples of a window were, from their running moments."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row

SHAPE = frozenset({"kurtosis"})  # what takes a third and a fourth moment
_FLAT = 8 * np.finfo(np.float64).eps  # spread beneath it is rounding of the mean, not of the samples


class Moments:
    """Figures by name: mean, min, max, std, rms, peak, peak_to_peak, crest, kurtosis; NaN where one stands for nothing.

    `std` is the population's: the deviation of these samples, not an estimate from them. `peak` is the greatest
    distance from 0, `crest` that over the rms. `kurtosis` is Pearson's: 3 for noise, 1.5 for a sine, more for knocks.
    """

    def __init__(self, channels: int, names: Collection[str]) -> None:
        self._channels = channels
        self._names = tuple(names)
        self._shaped = not SHAPE.isdisjoint(names)
        self._clear()

    def _clear(self) -> None:
        self._count: npt.NDArray[np.int64] = np.zeros(self._channels, np.int64)
        self._mean: Row = np.zeros(self._channels)
        self._spread: Row = np.zeros(self._channels)  # the sums of second, third and fourth powers of the distances
        self._skew: Row = np.zeros(self._channels)  # from the mean
        self._tails: Row = np.zeros(self._channels)
        self._min: Row = np.full(self._channels, np.inf)
        self._max: Row = np.full(self._channels, -np.inf)

    def add(self, block: Block, valid: Mask) -> None:
        """Pebay's updates (Sandia report 2008-6212): sums of powers would lose what varies by little around much."""
        count = np.count_nonzero(valid, axis=0)
        mean = np.where(valid, block, 0.0).sum(axis=0) / np.maximum(count, 1)
        away = np.where(valid, block - mean, 0.0)
        square = away * away
        spread = square.sum(axis=0)
        total = self._count + count
        some = np.maximum(total, 1)
        gap = mean - self._mean
        mine, theirs = self._count / some, count / some
        if self._shaped:
            skew, tails = (square * away).sum(axis=0), (square * square).sum(axis=0)
            self._tails += (
                tails
                + gap**4 * self._count * theirs * (mine * mine - mine * theirs + theirs * theirs)
                + 6 * gap**2 * (mine * mine * spread + theirs * theirs * self._spread)
                + 4 * gap * (mine * skew - theirs * self._skew)
            )
            self._skew += (
                skew
                + gap**3 * self._count * theirs * (mine - theirs)
                + 3 * gap * (mine * spread - theirs * self._spread)
            )
        self._spread += spread + gap**2 * self._count * theirs
        self._mean += gap * theirs
        self._count = total
        np.minimum(self._min, np.where(valid, block, np.inf).min(axis=0), out=self._min)
        np.maximum(self._max, np.where(valid, block, -np.inf).max(axis=0), out=self._max)

    def close(self) -> dict[str, Row]:
        """The figures of what was added since the last close."""
        figures = {name: np.where(self._count > 0, getattr(self, f"_of_{name}")(), np.nan) for name in self._names}
        self._clear()
        return figures

    def _of_mean(self) -> Row:
        return self._mean

    def _of_min(self) -> Row:
        return self._min

    def _of_max(self) -> Row:
        return self._max

    def _of_std(self) -> Row:
        return np.asarray(np.sqrt(self._spread / np.maximum(self._count, 1)))

    def _of_rms(self) -> Row:
        return np.asarray(np.hypot(self._mean, self._of_std()))

    def _of_peak(self) -> Row:
        return np.maximum(np.abs(self._min), np.abs(self._max))

    def _of_peak_to_peak(self) -> Row:
        return self._max - self._min

    def _of_crest(self) -> Row:
        rms = self._of_rms()
        return np.asarray(np.divide(self._of_peak(), rms, out=np.full(self._channels, np.nan), where=rms > 0))

    def _of_kurtosis(self) -> Row:
        varies = (self._of_std() > _FLAT * self._of_peak()) & (self._tails > 0)
        mean_square = self._spread / np.maximum(self._count, 1)
        ratio = np.divide(self._tails, self._spread, out=np.full(self._channels, np.nan), where=varies)
        return np.asarray(np.divide(ratio, mean_square, out=ratio, where=varies))
