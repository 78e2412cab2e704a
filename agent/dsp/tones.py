"""How much of a frequency is in a window: Goertzel's sum, a block at a time.

His recursion yields sum(x[k] * exp(-2i pi f k)) with two multiplications a sample, and loses digits near 0 and half the
rate (Gentleman 1969). As a product of a block with sines and cosines the sum costs no Python loop and loses none.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row


class Tones:
    """Figures by name: the amplitude of a sine at that frequency, the window's mean taken off before.

    Exact where the window holds whole cycles; else a tone leaks, by up to its amplitude / (pi * cycles between them),
    into its neighbours. Only a window of `samples` valid ones, one behind another, has an amplitude; NaN otherwise.
    """

    def __init__(self, channels: int, frequencies: Mapping[str, float], rate_hz: float, samples: int) -> None:
        """Frequencies in Hz, between 0 and half the rate; `samples` to a whole window."""
        self._names = tuple(frequencies)
        self._turn = -2j * np.pi / rate_hz * np.array(list(frequencies.values()))
        self._samples = samples
        self._channels = channels
        self._clear()

    def _clear(self) -> None:
        self._rows = 0
        self._valid: npt.NDArray[np.int64] = np.zeros(self._channels, np.int64)
        self._level: Row = np.zeros(self._channels)  # the first sample: what is added up is the distance from it
        self._total: Row = np.zeros(self._channels)
        self._sums = np.zeros((len(self._names), self._channels), np.complex128)
        self._ones = np.zeros(len(self._names), np.complex128)

    def add(self, block: Block, valid: Mask) -> None:
        if self._rows == 0:
            self._level = np.where(valid[0], block[0], 0.0)
        away = np.where(valid, block - self._level, 0.0)
        waves = np.exp(self._turn[:, None] * np.arange(self._rows, self._rows + len(block)))
        self._sums.real += waves.real @ away
        self._sums.imag += waves.imag @ away
        self._ones += waves.sum(axis=1)
        self._total += away.sum(axis=0)
        self._valid += np.count_nonzero(valid, axis=0)
        self._rows += len(block)

    def close(self) -> dict[str, Row]:
        mean = self._total / max(self._rows, 1)
        amplitudes = 2 / self._samples * np.abs(self._sums - self._ones[:, None] * mean)
        whole = (self._valid == self._samples) & (self._rows == self._samples)
        figures = {name: np.where(whole, row, np.nan) for name, row in zip(self._names, amplitudes, strict=True)}
        self._clear()
        return figures
