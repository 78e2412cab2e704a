"""What a counter consumed in an interval, from the last readings of its hours: exact, or honest where not whole. Pure.

Between two readings of a counter that only rose it does not matter which readings lie between, so that one an hour is
as exact as one a second. Where it did more than rise, the hour is looked at by the minute (`to_refine`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fleet_server.domains.metering.models import Consumption, Replacement, Step
from fleet_server.domains.metering.readings import SHARE, Reading, runs, value_of
from fleet_server.domains.metering.tally import Tally
from fleet_server.ingest.rollups import HOUR_MS
from fleet_server.kernel.ports import ChannelNow, CounterEnds, CounterReadings

GAP_PERIODS = 3
MOST_REFINED = 24  # hours of one counter that are looked at by the minute
_NO_GAP = 2**62  # gaps are no affair of a figure


@dataclass(frozen=True)
class Figure:
    """`amount` lies between `since`, the last reading before the interval, and `until`, the last one in it. `at_least`:
    `since` lies in it, as nothing was read shortly before. `open`: a place in it is neither counted nor dropped."""

    amount: Decimal
    at_least: bool
    open: bool
    since: Reading
    until: Reading

    @property
    def is_whole(self) -> bool:
        return not (self.at_least or self.open)


@dataclass(frozen=True)
class Counted:
    """A counter's readings, one an hour or closer, and what is known of its meter. `open_at`: the times of the later
    readings of suspicions."""

    counter: ChannelNow
    ends: CounterEnds
    replacements: Sequence[Replacement] = ()
    open_at: Collection[int] = ()

    @property
    def newest(self) -> Reading | None:
        return self.reading(-1) if len(self.ends.t) else None

    def reading(self, place: int) -> Reading:
        scale = int(self.ends.scale[place])
        return Reading(int(self.ends.t[place]), value_of(int(self.ends.mantissa[place]), scale), scale)


def lead_ms(period_ms: int) -> int:
    """How long before an interval its beginning may have been read: an hour, or as a slow meter speaks."""
    return max(HOUR_MS, GAP_PERIODS * period_ms)


def first_of(counted: Counted, start: int, end: int) -> tuple[int, bool] | None:
    """(the place of the reading to count from, whether it lies before `start`); None: nothing was read in between."""
    inside, behind = np.searchsorted(counted.ends.t, (start, end)).tolist()
    if inside == behind:
        return None
    is_led = inside > 0 and start - int(counted.ends.t[inside - 1]) <= lead_ms(counted.counter.period_ms)
    return (inside - 1, True) if is_led else (inside, False)


def to_refine(counted: Counted, starts: Sequence[int], end: int) -> list[int]:
    """The hours to look at by the minute: where counting from one of `starts` begins without a reading before it, and
    where the counter did not only rise, or rose by more than is believed of one step."""
    ends = counted.ends
    mantissa = ends.mantissa.astype(np.float64)
    wild = restless(ends)
    for scale, count in counted.counter.rollovers.items():
        wild[1:] |= (ends.scale[1:] == scale) & (np.diff(mantissa) > 0.9 * count / SHARE)
    wild &= (ends.t >= min(starts)) & (ends.t < end)
    hours = [int(ends.t[at]) // HOUR_MS * HOUR_MS for at in np.flatnonzero(wild)[-MOST_REFINED:]]
    begins = [first_of(counted, start, end) for start in starts]
    hours += [int(ends.t[begin[0]]) // HOUR_MS * HOUR_MS for begin in begins if begin and not begin[1]]
    return sorted(set(hours))


def refined(ends: CounterEnds, closer: Mapping[int, CounterEnds]) -> CounterEnds:
    """`closer`, by hour, takes the place of what `ends` has of it, as far as its minutes are still kept."""
    known = [hour for hour, minutes in closer.items() if len(minutes.t)]
    kept = ~np.isin(ends.t // HOUR_MS * HOUR_MS, np.array(known, np.int64))
    parts = [[column[kept] for column in _columns(ends)], *(_columns(closer[hour]) for hour in known)]
    columns = [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return CounterEnds(*(column[order] for column in columns))


def restless(ends: CounterEnds) -> npt.NDArray[np.bool_]:
    """Where the counter did not only rise since the reading before."""
    found = ends.high > ends.value
    found[1:] |= ends.low[1:] < ends.value[:-1]
    return found


def figure(counted: Counted, start: int, end: int) -> Figure | None:
    """Of [start, end) ms; None when nothing was read in it."""
    begin = first_of(counted, start, end)
    if begin is None:
        return None
    place, is_led = begin
    told = _tally(counted, place, [start, end])
    assert told.last is not None  # noqa: S101  # something was read
    is_open = (
        any(one.after.t >= start for one in told.open)
        or any(start <= t < end for t in counted.open_at)
        or _is_restless(counted, place + 1, end)
    )
    return Figure(told.steps[-1].amount, not is_led, is_open, counted.reading(place), told.last)


def hours(counted: Counted, edges: Sequence[int]) -> tuple[Step, ...]:
    """The steps between `edges`, the first hour counted from a reading before it where there is one."""
    begin = first_of(counted, edges[0], edges[-1])
    if begin is None:
        return tuple(Step(a, b) for a, b in pairwise(edges))
    return _tally(counted, begin[0], edges).steps[-(len(edges) - 1) :]


def _tally(counted: Counted, place: int, edges: Sequence[int]) -> Consumption:
    """Over one step more where the reading at `place` lies before the first edge."""
    ends, first = counted.ends, int(counted.ends.t[place])
    wide = [first, *edges] if first < edges[0] else list(edges)
    later = [one for one in counted.replacements if one.t > first]
    tally = Tally(wide, later, counted.counter.rollovers, _NO_GAP)
    inside = slice(place, int(np.searchsorted(ends.t, edges[-1])))
    t: npt.NDArray[np.int64] = ends.t[inside]
    readings = CounterReadings(t, ends.mantissa[inside], ends.scale[inside], np.zeros_like(t))
    for run in runs(readings, tally.cuts, counted.counter.rollovers, _NO_GAP):
        tally.add(run)
    return tally.result()


def _columns(ends: CounterEnds) -> list[npt.NDArray[Any]]:
    return [ends.t, ends.mantissa, ends.scale, ends.value, ends.low, ends.high]


def _is_restless(counted: Counted, place: int, end: int) -> bool:
    """Whether the counter fell and recovered between two readings, which no passage from one to the other shows."""
    ends = counted.ends
    until = int(np.searchsorted(ends.t, end))
    for at in (np.flatnonzero(restless(ends)[place:until]) + place).tolist():
        before, after = counted.reading(at - 1), counted.reading(at)
        swapped = any(before.t < one.t <= after.t for one in counted.replacements)
        if after.value >= before.value and not swapped:
            return True
    return False
