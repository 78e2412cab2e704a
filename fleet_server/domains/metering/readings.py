"""Readings of a counter, and what lies between two of them; thousands of them as a few runs. Pure, and exact."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from fleet_server.kernel.ports import CounterReadings

# 19 digits of a mantissa, 18 places either way, sums of millions of them: what does not fit is an error, never rounded.
EXACT = Context(prec=80, traps=[Inexact, InvalidOperation])

# A register that is sized by the book does not go round faster: an electricity meter records 1500 h of its highest
# current without passing zero (IEC 62053-21), water 1600 h (OIML R 49-1), heat 3000 h (EN 1434-1). From memory.
ROUND_MS = 1500 * 3_600_000
# But a pulse counter of 16 bits does: up to a twentieth of its range between two readings is believed of any counter.
SHARE = 20


class Reading(NamedTuple):
    """`t` is UTC in ms; `scale` that of the number as it travelled, None where a person read the meter."""

    t: int
    value: Decimal
    scale: int | None


class Way(StrEnum):
    """From one reading to the next."""

    RISE = "rise"
    ROLL_OVER = "roll-over"
    FALL = "fall"
    LEAP = "leap"  # a rise that is too fast for a counter of this size


COUNTED = frozenset({Way.RISE, Way.ROLL_OVER})


class Passage(NamedTuple):
    """`amount` is what was consumed; 0 where that cannot be said."""

    way: Way
    amount: Decimal


class Run(NamedTuple):
    """Good readings of one scale that rise plausibly from `first` to `last`, `size` of them; `gaps` are [from, to)."""

    first: Reading
    last: Reading
    size: int
    gaps: tuple[tuple[int, int], ...] = ()


def value_of(mantissa: int, scale: int) -> Decimal:
    return Decimal(mantissa).scaleb(scale, EXACT)


def passage(before: Reading, after: Reading, rollovers: Mapping[int, int]) -> Passage:
    """`rollovers` gives by scale the mantissa at which the counter begins again at 0."""
    amount = EXACT.subtract(after.value, before.value)
    told = [scale for scale in (before.scale, after.scale) if scale is not None and scale in rollovers]
    size = value_of(rollovers[told[0]], told[0]) if told else None
    span = after.t - before.t
    if amount >= 0:
        if size is None or is_plausible(amount, size, span):
            return Passage(Way.RISE, amount)
        return Passage(Way.LEAP, Decimal(0))
    if size is not None and is_plausible(wrapped := EXACT.add(amount, size), size, span):
        return Passage(Way.ROLL_OVER, wrapped)
    return Passage(Way.FALL, Decimal(0))


def is_plausible(amount: Decimal, size: Decimal, span_ms: int) -> bool:
    """Whether a counter of this size may have gone on by `amount` in that time. More than half a round is never taken
    for granted."""
    if amount < 0 or EXACT.multiply(amount, Decimal(2)) >= size:
        return False
    return EXACT.multiply(amount, Decimal(SHARE)) <= size or (
        EXACT.multiply(amount, Decimal(ROUND_MS)) <= EXACT.multiply(size, Decimal(span_ms))
    )


def runs(readings: CounterReadings, cuts: Sequence[int], rollovers: Mapping[int, int], longest_ms: int) -> list[Run]:
    """The Good readings, cut at the times `cuts`, where the scale changes, and where `passage` has to look closer. More
    than `longest_ms` between two of them is a gap."""
    good = np.flatnonzero(readings.quality & 0xC000 == 0)
    if not len(good):
        return []
    t, mantissa, scale = readings.t[good], readings.mantissa[good], readings.scale[good]
    breaks = (mantissa[1:] < mantissa[:-1]) | (scale[1:] != scale[:-1])
    for of_scale, count in rollovers.items():
        # Floats only say where to look: a little too often, never too seldom.
        rise = mantissa[1:].astype(np.float64) - mantissa[:-1].astype(np.float64)
        breaks |= (scale[1:] == of_scale) & (rise > 0.9 * count / SHARE)
    begins = np.unique(np.concatenate([[0], np.flatnonzero(breaks) + 1, np.searchsorted(t, np.array(cuts, np.int64))]))
    begins = begins[begins < len(t)]
    ends = np.append(begins[1:], len(t)) - 1
    wide = np.flatnonzero(np.diff(t) > longest_ms)
    in_run = np.searchsorted(begins, wide, side="right") - 1
    gaps: dict[int, list[tuple[int, int]]] = {}
    for at, run in zip(wide.tolist(), in_run.tolist(), strict=True):
        if at < ends[run]:
            gaps.setdefault(run, []).append((int(t[at]), int(t[at + 1])))

    def reading(at: int) -> Reading:
        return Reading(int(t[at]), value_of(int(mantissa[at]), int(scale[at])), int(scale[at]))

    return [
        Run(reading(a), reading(b), b - a + 1, tuple(gaps.get(place, ())))
        for place, (a, b) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True))
    ]
