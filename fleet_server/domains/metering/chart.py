"""Consumption as bars: what to draw where, in a box of 10 units a step and 100 high. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from fleet_server.domains.metering.models import Consumption, Step

WIDTH, HEIGHT = 10.0, 100.0
UNHEARD = 0.05  # a step that lacks more than this share is drawn as lacking
MOST_TICKS = 5
_LEAST = 0.8  # a little consumption is not none


@dataclass(frozen=True)
class Bar:
    """`lacks`: part of the step was not heard. `text` is the exact amount."""

    step: Step
    x: float
    height: float
    lacks: bool
    text: str


@dataclass(frozen=True)
class Mark:
    """`kind` is swap, roll-over or open; `text` the exact readings on either side."""

    kind: str
    x: float
    t: int
    before: str
    after: str


@dataclass(frozen=True)
class Chart:
    width: float
    top: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[Step, ...]


def chart_of(consumption: Consumption) -> Chart:
    steps = consumption.steps
    top, bars = _top(steps), bars_of(steps)
    spots = [
        *(("swap", one.t, one.end, one.start) for one in consumption.replacements),
        *(("roll-over", one.after.t, one.before.value, one.after.value) for one in consumption.rollovers),
        *(("open", one.after.t, one.before.value, one.after.value) for one in consumption.open),
    ]
    marks = tuple(Mark(kind, _x(t, steps), t, f"{a:f}", f"{b:f}") for kind, t, a, b in spots)
    # Of equal distance up to the end, so that they stand in columns of equal width.
    every = next(n for n in range(-(-len(steps) // MOST_TICKS), len(steps) + 1) if len(steps) % n == 0)
    return Chart(len(steps) * WIDTH, f"{top:f}", bars, marks, tuple(steps[::every]))


def bars_of(steps: Sequence[Step]) -> tuple[Bar, ...]:
    top = _top(steps)
    return tuple(_bar(place, step, top) for place, step in enumerate(steps))


def _top(steps: Sequence[Step]) -> Decimal:
    return max((step.amount for step in steps), default=Decimal(0))


def _bar(place: int, step: Step, top: Decimal) -> Bar:
    height = max(float(step.amount / top) * HEIGHT, _LEAST) if step.amount else 0.0
    lacks = step.missing_ms > UNHEARD * (step.end - step.start)
    return Bar(step, place * WIDTH, round(height, 2), lacks, f"{step.amount:f}")


def _x(t: int, steps: Sequence[Step]) -> float:
    place = min(max(bisect_right(steps, t, key=lambda step: step.start) - 1, 0), len(steps) - 1)
    step = steps[place]
    return round((place + (t - step.start) / (step.end - step.start)) * WIDTH, 2)
