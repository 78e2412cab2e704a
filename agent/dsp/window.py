"""Tumbling windows, and what is measured in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, Times


class Measure(Protocol):
    """What is added up over a window; Moments, Tones and Bands are."""

    def add(self, block: Block, valid: Mask) -> None:
        """Values that are not `valid` may be anything."""
        ...

    def close(self) -> dict[str, Row]:
        """Figures by name, NaN where one stands for nothing; the next add() begins a new window."""
        ...


@dataclass(frozen=True, eq=False)
class Window:
    """What the samples in [start_ms, start_ms + length) were; `count` of them were valid."""

    start_ms: int
    count: npt.NDArray[np.int64]
    figures: Mapping[str, Row]


class Windows:
    """Windows aligned to multiples of their length; one is complete when a sample at or behind its end has come."""

    def __init__(self, channels: int, length_ms: int, measures: Sequence[Measure]) -> None:
        self._length = length_ms
        self._measures = measures
        self._start: int | None = None
        self._count: npt.NDArray[np.int64] = np.zeros(channels, np.int64)

    def process(self, times: Times, block: Block, valid: Mask) -> list[Window]:
        """The windows that these samples complete. Values that are not `valid` only move the time on."""
        done = []
        starts = times // self._length * self._length
        cuts = [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), len(times)]
        for first, last in pairwise(cuts):
            start = int(starts[first])
            if self._start is not None and start != self._start:
                done.append(self._close(self._start))
            self._start = start
            self._count = self._count + np.count_nonzero(valid[first:last], axis=0)
            for measure in self._measures:
                measure.add(block[first:last].astype(np.float64), valid[first:last])
        return done

    def _close(self, start: int) -> Window:
        figures: dict[str, Row] = {}
        for measure in self._measures:
            figures |= measure.close()
        window = Window(start, self._count, figures)
        self._count = np.zeros_like(self._count)
        return window
