"""How strong a channel vibrates within bands of frequencies: Welch's averaged periodograms, over one window.

P. D. Welch, IEEE Transactions on Audio and Electroacoustics 15 (1967): segments that overlap by half, each less its
mean and in a Hann window. numpy.fft is loaded by the first segment, so only where bands are asked for.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row

SEGMENTS = 4  # a window holds at least so many segments side by side, seven with those that overlap them
LONGEST = 1024  # samples of a segment; a longer one tells frequencies apart that no wheel or pump keeps steady
SHORTEST = 16


def segment_length(samples: int) -> int:
    """Samples to a segment, for a window of so many: a power of two; 0 where the window is too short."""
    fits = samples // SEGMENTS
    return min(LONGEST, 1 << fits.bit_length() - 1) if fits >= SHORTEST else 0


class Bands:
    """Figures by name: the rms of what lies in [low, high) Hz, in the channel's own unit; its square is the power.

    Only a window of `samples` valid ones, one behind another, has figures; NaN otherwise. What is left behind the last
    whole segment is not used, as in scipy.signal.welch.
    """

    def __init__(self, channels: int, bands: Mapping[str, tuple[float, float]], rate_hz: float, samples: int) -> None:
        """Bands in Hz, up to half the rate; `samples` to a whole window, at least SEGMENTS * SHORTEST."""
        self._length = segment_length(samples)
        self._samples = samples
        self._channels = channels
        self._hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._length) / self._length)
        bins = np.arange(self._length // 2 + 1)
        # Both halves of the spectrum are in one, but what has no other half: 0 and half the rate.
        weight = np.where((bins == 0) | (bins == self._length // 2), 1.0, 2.0)
        weight /= self._length * (self._hann**2).sum()  # density, times the width of a bin
        self._names = tuple(bands)
        edges = {name: [_bin(hz * self._length / rate_hz) for hz in band] for name, band in bands.items()}
        self._weights = np.array([weight * ((low <= bins) & (bins < high)) for low, high in edges.values()])
        self._segment: Block = np.zeros((self._length, channels))
        self._clear()

    def _clear(self) -> None:
        self._rows = self._filled = self._segments = 0
        self._valid: npt.NDArray[np.int64] = np.zeros(self._channels, np.int64)
        self._powers = np.zeros((len(self._names), self._channels))

    def add(self, block: Block, valid: Mask) -> None:
        clean = np.where(valid, block, 0.0)
        self._valid += np.count_nonzero(valid, axis=0)
        self._rows += len(block)
        at = 0
        while at < len(clean):
            count = min(self._length - self._filled, len(clean) - at)
            self._segment[self._filled : self._filled + count] = clean[at : at + count]
            self._filled += count
            at += count
            if self._filled == self._length:
                self._take()

    def _take(self) -> None:
        away = (self._segment - self._segment.mean(axis=0)) * self._hann[:, None]
        spectrum = np.fft.rfft(away, axis=0)
        self._powers += self._weights @ (spectrum.real**2 + spectrum.imag**2)
        self._segments += 1
        half = self._length // 2
        self._segment[:half] = self._segment[half:]
        self._filled = half

    def close(self) -> dict[str, Row]:
        rms = np.sqrt(self._powers / max(self._segments, 1))
        whole = (self._valid == self._samples) & (self._rows == self._samples)
        figures = {name: np.where(whole, row, np.nan) for name, row in zip(self._names, rms, strict=True)}
        self._clear()
        return figures


def _bin(place: float) -> int:
    """The first bin at or above; an edge meant to be one is not put beside it by rounding."""
    return math.ceil(place - 1e-9)
