"""Filters from what they are to do: Butterworth and notch as sections of second order, linear-phase FIR as taps.

Analog prototype, frequency transformation, bilinear transform with the corner warped: Oppenheim and Schafer,
Discrete-Time Signal Processing, 7.1 and 7.3 (IIR), 7.5 (FIR by windows).
"""

import cmath
import math
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Section(NamedTuple):
    """H(z) = (b0 + b1/z + b2/z^2) / (1 + a1/z + a2/z^2); one of first order has b2 = a2 = 0."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float


class Pass(Enum):
    """What a filter lets through; the last two have two corners."""

    LOW = "low"
    HIGH = "high"
    BAND = "band"
    ALL_BUT_BAND = "all but band"


def butterworth(
    corners_hz: tuple[float, ...], rate_hz: float, order: int, kind: Pass = Pass.LOW
) -> tuple[Section, ...]:
    """-3 dB at each corner and flat in between; a band of `order` falls on either side as a low-pass of it does.

    Raises ValueError where the corners are not one, or two rising ones, between 0 and half the rate; or the order is
    not 1 or more.
    """
    if order < 1:
        raise ValueError(f"order {order}: it is 1 or more")
    if len(corners_hz) != (1 if kind in (Pass.LOW, Pass.HIGH) else 2):
        raise ValueError(f"{corners_hz}: not the corners of a filter that passes {kind.value}")
    _refuse_beyond(corners_hz, rate_hz)
    warped = [math.tan(math.pi * corner / rate_hz) for corner in corners_hz]
    poles = [cmath.exp(1j * math.pi * (2 * k + 1 + order) / (2 * order)) for k in range(order // 2)]
    if kind is Pass.LOW:
        return tuple(_low(warped[0], poles, order))
    if kind is Pass.HIGH:
        return tuple(_high(warped[0], poles, order))
    return tuple(_band(warped[0], warped[1], poles, order, stops=kind is Pass.ALL_BUT_BAND))


def notch(frequency_hz: float, rate_hz: float, quality: float) -> Section:
    """Takes out one frequency; -3 dB at frequency/quality apart, 1 far from it (Orfanidis, Introduction to Signal
    Processing, 11.3.24). Raises ValueError if the frequency is not between 0 and half the rate, or quality not over 0.
    """
    _refuse_beyond((frequency_hz,), rate_hz)
    if not quality > 0:
        raise ValueError(f"a quality of {quality:g} is not over 0")
    gain = 1 / (1 + math.tan(math.pi * frequency_hz / quality / rate_hz))
    turn = -2 * gain * math.cos(2 * math.pi * frequency_hz / rate_hz)
    return Section(gain, turn, gain, turn, 2 * gain - 1)


def low_pass_taps(corner_hz: float, rate_hz: float, count: int) -> npt.NDArray[np.float64]:
    """A sinc in a Hamming window, gain 1 at rest, -6 dB at the corner, -53 dB from 1.65 * rate / count behind it.

    `count` is odd, so that the delay, (count - 1) / 2 samples at every frequency, is whole. Raises ValueError if not,
    or if the corner is not between 0 and half the rate.
    """
    _refuse_beyond((corner_hz,), rate_hz)
    if count < 3 or count % 2 == 0:
        raise ValueError(f"{count} taps: a whole delay needs an odd number, 3 or more")
    away = np.arange(count) - (count - 1) / 2
    taps = np.sinc(2 * corner_hz / rate_hz * away) * np.hamming(count)
    return np.asarray(taps / taps.sum(), np.float64)


def _refuse_beyond(corners_hz: tuple[float, ...], rate_hz: float) -> None:
    for below, corner in zip((0.0, *corners_hz), corners_hz, strict=False):
        if not below < corner < rate_hz / 2:
            raise ValueError(
                f"a corner of {corner:g} Hz does not lie between {below:g} and {rate_hz / 2:g}, half the rate"
            )


def _low(warped: float, poles: list[complex], order: int) -> Iterator[Section]:
    if order % 2:
        b0 = warped / (1 + warped)
        yield Section(b0, b0, 0.0, (warped - 1) / (1 + warped), 0.0)
    square = warped * warped
    for pole in poles:
        a0, a1, a2 = _denominator(-2 * pole.real * warped, square)
        b0 = square / a0
        yield Section(b0, 2 * b0, b0, a1, a2)


def _high(warped: float, poles: list[complex], order: int) -> Iterator[Section]:
    if order % 2:
        b0 = 1 / (1 + warped)
        yield Section(b0, -b0, 0.0, (warped - 1) / (1 + warped), 0.0)
    for pole in poles:
        a0, a1, a2 = _denominator(-2 * pole.real * warped, warped * warped)
        yield Section(1 / a0, -2 / a0, 1 / a0, a1, a2)


def _band(low: float, high: float, poles: list[complex], order: int, *, stops: bool) -> Iterator[Section]:
    """Each pole p of the prototype becomes the two that solve s^2 - width*p*s + low*high = 0 (1/p where it stops)."""
    width, square = high - low, low * high
    pairs = [(width, square)] if order % 2 else []  # of the real pole at -1, in one section
    for pole in poles:
        moved = width / pole if stops else width * pole
        root = cmath.sqrt(moved * moved - 4 * square)
        pairs += [(-one.real, abs(one) ** 2 / 4) for one in (moved + root, moved - root)]
    for first, last in pairs:
        a0, a1, a2 = _denominator(first, last)
        if stops:
            b0 = (1 + square) / a0
            yield Section(b0, 2 * (square - 1) / a0, b0, a1, a2)
        else:
            yield Section(width / a0, 0.0, -width / a0, a1, a2)


def _denominator(first: float, last: float) -> tuple[float, float, float]:
    """s^2 + first*s + last, with s = (z-1)/(z+1): its gain, and what stands behind 1/z and 1/z^2."""
    a0 = 1 + first + last
    return a0, 2 * (last - 1) / a0, (1 - first + last) / a0
