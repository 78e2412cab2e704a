"""Smooth random curves that are functions of time: asked in any order, at any step, they say the same."""

import math
import zlib

_MASK = (1 << 64) - 1


def _uniform(key: int) -> float:
    """SplitMix64 (Steele, Lea, Flood 2014): a number in 0..1 for every integer."""
    z = (key + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) / (_MASK + 1)


class Curve:
    """About zero, deviation near 1, with knots every `period_s` seconds; `name` tells apart curves of one seed."""

    def __init__(self, seed: int, name: str, period_s: float) -> None:
        self._key = (seed << 32 ^ zlib.crc32(name.encode())) & _MASK
        self._period = period_s
        self._segment = (0, self._knot(0), self._knot(1))  # the last one asked for: time mostly goes on from there

    def _knot(self, index: int) -> float:
        key = self._key + index * 0xD1342543DE82EF95
        # The sum of four uniforms is near enough to a normal distribution and cannot run away: within +-3.5.
        return (sum(_uniform(key + n * 0xA24BAED4963EE407 & _MASK) for n in range(4)) - 2.0) * math.sqrt(3.0)

    def at(self, seconds: float) -> float:
        place = seconds / self._period
        index = math.floor(place)
        x = place - index
        blend = x * x * x * (x * (6.0 * x - 15.0) + 10.0)  # Perlin's quintic: no kinks at the knots
        if self._segment[0] != index:
            self._segment = (index, self._knot(index), self._knot(index + 1))
        _, left, right = self._segment
        # Between knots the variance of a blend falls to a half; this keeps it level.
        return (left + (right - left) * blend) / math.hypot(blend, 1.0 - blend)

    def share(self, seconds: float) -> float:
        """The same curve as a share of 0..1."""
        return 0.5 + 0.5 * math.tanh(0.9 * self.at(seconds))
