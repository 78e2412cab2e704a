"""How long a device takes to answer, and how often it fails, in memory that never grows. Pure: ms in, ms out."""

import math
from array import array
from typing import NamedTuple

STEPS = 80  # a millisecond
HIGHEST = 1 << 23  # steps
LONGEST_MS = HIGHEST / STEPS  # 105 s
EIGHTHS = 3  # an octave has eight buckets: none is wider than an eighth of what is counted in it
BUCKETS = (HIGHEST.bit_length() - EIGHTHS) << EIGHTHS
HALVED_AT = 4096  # answers: what is older counts half, so that a device that was mended soon shows it
REMEMBERED = 256  # polls


class Percentiles(NamedTuple):
    """In ms. `answers` is how many they stand on, the older ones for less than one each."""

    p50: float
    p95: float
    p99: float
    answers: int


class Latency:
    """Counts in buckets whose widths grow with the time, as HdrHistogram does: 700 bytes a device."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * BUCKETS))
        self._total = 0

    def add(self, ms: float) -> None:
        steps = int(ms * STEPS) if 0.0 < ms < LONGEST_MS else (ms > 0.0) * (HIGHEST - 1)
        octave = steps.bit_length() - EIGHTHS - 1 if steps >= 16 else 0
        self._counts[(octave << EIGHTHS) + (steps >> octave)] += 1
        self._total += 1
        if self._total >= HALVED_AT:
            self._counts = array("I", [count >> 1 for count in self._counts])
            self._total = sum(self._counts)

    def percentiles(self) -> Percentiles | None:
        """None before the first answer."""
        if not self._total:
            return None
        return Percentiles(self._quantile(0.5), self._quantile(0.95), self._quantile(0.99), self._total)

    def _quantile(self, share: float) -> float:
        """The middle of the bucket in which the answer stands that `share` of all are not slower than."""
        place, rest = 0, math.ceil(share * self._total) - self._counts[0]
        while rest > 0:
            place += 1
            rest -= self._counts[place]
        octave = max((place >> EIGHTHS) - 1, 0)
        return round(((place - (octave << EIGHTHS)) + 0.5) * (1 << octave) / STEPS, 3)


class Recent:
    """The last polls, each a bit: whether it had a fault."""

    __slots__ = ("_bits", "_polls")

    def __init__(self) -> None:
        self._bits = 0
        self._polls = 0

    def add(self, failed: bool) -> None:
        self._bits = (self._bits << 1 | failed) & ((1 << REMEMBERED) - 1)
        self._polls = min(self._polls + 1, REMEMBERED)

    @property
    def error_rate(self) -> float:
        """The share of the last polls, at most 256, that had a fault."""
        return self._bits.bit_count() / self._polls if self._polls else 0.0
