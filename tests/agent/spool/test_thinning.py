"""Thinning alone: what stays is what was read, totals keep their ends and their minutes, and it comes to an end."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.spool.thinning import MOST_LEVEL, WORTH, keeps_one_each, thinned, together
from protocols.edge.columns import F32LE, I64LE, Column, Group
from protocols.edge.messages import Batch, Clock, ClockState, decode, encode
from tests.agent.spool.messages import origin

T0 = 1_700_000_000_000
GAUGE, TOTAL = 1, 2


def reading(alias: int, tag: int, present: list[bool], start: int, bad: bool) -> Column:
    values = np.arange(start, start + sum(present), dtype="<f4" if tag == F32LE else "<i8")
    quality = {len(present) - 1: 0x8000} if bad else {}
    return Column(alias, tag, values, np.array(present), 0 if tag == F32LE else -2, quality)


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Of one boot, behind one another, with gauges alone in one group and totals in another."""
    made, at = [], T0
    for number in range(draw(st.integers(1, 12))):
        aliases = draw(st.sampled_from([((GAUGE, F32LE),), ((TOTAL, I64LE),), ((GAUGE, F32LE), (TOTAL, I64LE))]))
        ticks = draw(st.integers(1, 20))
        step = draw(st.sampled_from([100, 1000, 20_000]))
        columns = tuple(
            reading(
                *(alias, tag, draw(st.lists(st.booleans(), min_size=ticks, max_size=ticks))),
                *(1000 * number, draw(st.booleans())),
            )
            for alias, tag in aliases
        )
        groups = (Group(np.arange(ticks, dtype=np.int64) * step, columns),)
        birth = bytes([draw(st.integers(0, 1))]) * 32
        made.append(Batch(replace(origin(), boottime_ms=at - T0 + 1000), birth, at, groups))
        at += ticks * step + draw(st.sampled_from([700, 30_000, 400_000]))
    return made


def samples(those: list[Batch]) -> dict[tuple[bytes, int], dict[int, object]]:
    """(birth, alias) -> UTC -> the value and the quality there."""
    found: dict[tuple[bytes, int], dict[int, object]] = defaultdict(dict)
    for batch in those:
        for group in batch.groups:
            utc = (group.times + batch.t0).tolist()
            assert utc == sorted(set(utc))
            for column in group.columns:
                values = iter(column.values.tolist())
                for place, (t, there) in enumerate(zip(utc, column.present.tolist(), strict=True)):
                    value = next(values) if there else None
                    if there or place in column.quality:
                        found[batch.birth, column.alias][t] = (value, column.quality.get(place, 0))
    return found


def ticks(those: list[Batch], alias: int) -> list[int]:
    return sorted(
        t
        for batch in those
        for group in batch.groups
        if alias in [column.alias for column in group.columns]
        for t in (group.times + batch.t0).tolist()
    )


@given(batches(), st.integers(0, 15))
def test_what_stays_is_what_was_read_and_totals_keep_their_ends_and_their_last_of_each_minute(
    before: list[Batch], level: int
) -> None:
    for old, part in together((level, batch) for batch in before):
        assert old == level
        reached, after = thinned(level, part)
        assert level < reached <= MOST_LEVEL
        read, stays = samples(part), samples([after])
        for stream, kept in stays.items():
            assert kept.items() <= read[stream].items()
        runs_of_totals = ticks(part, TOTAL)
        kept_ticks = set(ticks([after], TOTAL))
        if runs_of_totals:
            assert {runs_of_totals[0], runs_of_totals[-1]} <= kept_ticks
            each = keeps_one_each(reached)
            assert {t // each for t in kept_ticks} == {t // each for t in runs_of_totals}
            last_of = {t // each: t for t in runs_of_totals}
            assert set(last_of.values()) <= kept_ticks
        payload = encode(replace(after, origin=replace(after.origin, incarnation=1, seq=1)))
        assert isinstance(decode(payload), Batch)


@given(batches())
@settings(max_examples=40)
def test_each_pass_leaves_less_until_only_ends_and_days_are_left(before: list[Batch]) -> None:
    for _, part in together((0, batch) for batch in before):
        level, sizes = 0, [sum(len(group.times) for batch in part for group in batch.groups)]
        while level < MOST_LEVEL:
            level, batch = thinned(level, part)
            part = [batch]
            sizes.append(sum(len(group.times) for group in batch.groups))
        assert all(after <= WORTH * size for size, after in pairwise(sizes[:-1]))
        # of each run of ticks with the same columns two ends stay, and of totals one a day
        assert sizes[-1] <= 2 * sizes[0]
        assert sizes[-1] <= 4 * len(before) + 2


def test_a_second_of_ticks_in_many_batches_becomes_one_group_of_half_as_many() -> None:
    def one(number: int) -> Batch:
        column = reading(GAUGE, F32LE, [True], number, bad=False)
        at = T0 + 1000 * number
        return Batch(
            replace(origin(), boottime_ms=1000 * number), bytes(32), at, (Group(np.zeros(1, np.int64), (column,)),)
        )

    ((level, part),) = together((0, one(number)) for number in range(60))
    level, batch = thinned(level, part)
    (group,) = batch.groups
    assert level == 1
    assert group.times.tolist() == [*range(0, 60_000, 2000), 59_000]
    assert group.columns[0].values.tolist() == [*range(0, 60, 2), 59]


def test_batches_of_another_boot_another_clock_or_after_a_step_of_it_stay_apart() -> None:
    def one(number: int, **changes: object) -> tuple[int, Batch]:
        column = reading(GAUGE, F32LE, [True], number, bad=False)
        made = replace(origin(), boottime_ms=1000 * number, **changes)  # type: ignore[arg-type]
        return 0, Batch(made, bytes(32), T0 + 1000 * number, (Group(np.zeros(1, np.int64), (column,)),))

    stepped = replace(one(4)[1], t0=T0 + 3_600_000)
    parts = together(
        [one(1), one(2), one(3, boot=b"b" * 16), one(5, clock=Clock(ClockState.UNSET)), (0, stepped), (1, one(6)[1])]
    )
    assert sorted(len(part) for _, part in parts) == [1, 1, 1, 1, 2]
