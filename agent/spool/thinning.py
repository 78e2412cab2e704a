"""What old telemetry is rewritten to when room runs out: fewer ticks in fewer messages. Pure.

A level is one more halving. Of each group of columns every second tick stays, with the first and the last; where a
column is an integer, which counters and totals always are, the last tick of each minute stays as well, from level 7 on
of each hour, from level 13 on of each day. So a total's first and last value, and the steps between them, are never
lost, and what stays is what was read: nothing is averaged.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from protocols.edge.columns import FLOAT_TAGS, MAX_SAMPLES, Array, Column, Group
from protocols.edge.messages import Batch, Clock

MOST_LEVEL = 20
WORTH = 0.75  # of the ticks may stay; where more would, the next level is taken at once
BOOT_SLACK_MS = 50  # batches of one boot whose clocks agree so well are dated by one pair of t0 and boottime
MOST_SPAN_MS = 10 * 86_400_000  # a time is within 24 days of its batch's
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


def keeps_one_each(level: int) -> int:
    """In how many ms one tick of a group with totals stays."""
    if level <= 6:  # a tick a second is halved six times before one a minute stays
        return _MINUTE_MS
    return _HOUR_MS if level <= 12 else _DAY_MS


def together(batches: Iterable[tuple[int, Batch]]) -> list[tuple[int, list[Batch]]]:
    """(level, batch) in groups that may become one batch: of one level, birth, boot and state of the clock, dated by
    the same offset between boot time and UTC."""
    found: dict[Hashable, list[tuple[int, list[Batch]]]] = {}
    for level, batch in sorted(batches, key=lambda one: one[1].t0):
        origin = batch.origin
        parts = found.setdefault((level, batch.birth, origin.boot, origin.clock.state), [])
        if parts and _dated_alike(parts[-1][1][0], batch):
            parts[-1][1].append(batch)
        else:
            parts.append((level, [batch]))
    return [part for parts in found.values() for part in parts]


def thinned(level: int, batches: Sequence[Batch]) -> tuple[int, Batch]:
    """One batch with about half of what `batches`, together() and of `level`, hold; and its level."""
    groups = _merged(batches)
    before = sum(len(group.times) for group in groups)
    t0 = batches[0].t0
    while True:
        level = min(level + 1, MOST_LEVEL)
        kept = [_kept(t0 + group.times, level, has_totals(group)) for group in groups]
        if level >= MOST_LEVEL or sum(map(np.count_nonzero, kept)) <= WORTH * before:
            break
    chosen = tuple(_taken(group, mask) for group, mask in zip(groups, kept, strict=True))
    bounds = [batch.origin.clock.bound_ms for batch in batches]
    bound = None if None in bounds else max(bound for bound in bounds if bound is not None)
    origin = replace(batches[0].origin, clock=Clock(batches[0].origin.clock.state, bound))
    return level, replace(batches[0], origin=origin, groups=chosen)


def has_totals(group: Group) -> bool:
    return any(column.tag not in FLOAT_TAGS for column in group.columns)


def _dated_alike(first: Batch, batch: Batch) -> bool:
    drift = (batch.t0 - batch.origin.boottime_ms) - (first.t0 - first.origin.boottime_ms)
    return abs(drift) <= BOOT_SLACK_MS and batch.t0 - first.t0 <= MOST_SPAN_MS


def _merged(batches: Sequence[Batch]) -> list[Group]:
    """Groups of the same columns behind one another, as far as their times rise; on the axis of the first batch."""
    found: dict[Hashable, list[list[Group]]] = {}
    for batch in batches:
        for group in batch.groups:
            shifted = Group(group.times + (batch.t0 - batches[0].t0), group.columns)
            form = tuple((column.alias, column.tag, column.scale) for column in group.columns)
            runs = found.setdefault(form, [])
            if (
                not runs
                or shifted.times[0] <= runs[-1][-1].times[-1]
                or sum(len(part.times) for part in runs[-1]) + len(shifted.times) > MAX_SAMPLES
            ):
                runs.append([])
            runs[-1].append(shifted)
    return [_joined(run) for runs in found.values() for run in runs]


def _joined(parts: Sequence[Group]) -> Group:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.times) for part in parts[:-1])]).tolist()
    columns = []
    for place, column in enumerate(parts[0].columns):
        same = [part.columns[place] for part in parts]
        quality = {
            start + index: code
            for start, one in zip(starts, same, strict=True)
            for index, code in one.quality.items()
        }  # fmt: skip
        values: Array = np.concatenate([one.values for one in same])
        present = np.concatenate([one.present for one in same])
        columns.append(Column(column.alias, column.tag, values, present, column.scale, quality))
    return Group(np.concatenate([part.times for part in parts]), tuple(columns))


def _kept(utc_ms: npt.NDArray[np.int64], level: int, totals: bool) -> npt.NDArray[np.bool_]:
    kept = np.zeros(len(utc_ms), bool)
    kept[::2] = True
    kept[-1] = True
    if totals:
        bucket = utc_ms // keeps_one_each(level)
        if level > 6:  # beyond a tick a minute it is the totals alone that say what stays
            kept[1:-1] = False
        kept[:-1] |= bucket[1:] != bucket[:-1]
    return kept


def _taken(group: Group, mask: npt.NDArray[np.bool_]) -> Group:
    place = np.cumsum(mask) - 1  # where a tick that stays will stand
    columns = []
    for column in group.columns:
        present = column.present[mask]
        values = column.values[mask[column.present]]
        quality = {int(place[index]): code for index, code in column.quality.items() if mask[index]}
        columns.append(Column(column.alias, column.tag, values, present, column.scale, quality))
    return Group(group.times[mask], tuple(columns))
