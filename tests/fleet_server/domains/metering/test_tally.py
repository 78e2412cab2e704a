"""What a meter counted, whatever became of it: exact, and nothing silently counted or dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.metering.models import Consumption, Replacement
from fleet_server.domains.metering.readings import Reading, Way, runs, value_of
from fleet_server.domains.metering.tally import Tally
from fleet_server.kernel.ports import CounterReadings
from protocols.quality import Quality

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000
ROUND = {-2: 10**8}  # 8 BCD digits, two of them behind the point
Row = tuple[int, int, int, int]  # t, mantissa, scale, quality


def swap(t: int, end: str, start: str, number: int = 1) -> Replacement:
    at = EPOCH + timedelta(milliseconds=t)
    return Replacement(
        UUID(int=number), 1, "D1", "energy", at, Decimal(end), Decimal(start), "", "", "", False, "user:1", "Li", at
    )


def columns(rows: Sequence[Row]) -> CounterReadings:
    t, mantissa, scale, quality = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return CounterReadings(t, mantissa, scale, quality)


def good(*values: int, t: int = 0, step: int = MINUTE, scale: int = -2) -> list[Row]:
    return [(t + place * step, value, scale, 0) for place, value in enumerate(values)]


def count(
    rows: Sequence[Row],
    edges: Sequence[int],
    replacements: Sequence[Replacement] = (),
    rollovers: dict[int, int] = ROUND,
    pieces: Sequence[int] = (),
    now: int = 2**62,
) -> Consumption:
    """Over [first edge, last edge), the readings given in pieces that begin at these indexes."""
    inside = [row for row in rows if edges[0] <= row[0] < edges[-1]]
    earlier = [row for row in rows if row[0] < edges[0] and not row[3] & 0xC000]
    before = Reading(earlier[-1][0], value_of(*earlier[-1][1:3]), earlier[-1][2]) if earlier else None
    tally = Tally(edges, replacements, rollovers, 3 * MINUTE, before=before, now=now)
    starts = sorted({0, *(piece for piece in pieces if piece < len(inside)), len(inside)})
    for low, high in pairwise(starts):
        for run in runs(columns(inside[low:high]), tally.cuts, rollovers, 3 * MINUTE):
            tally.add(run)
    return tally.result()


@dataclass(frozen=True)
class History:
    rows: list[Row]
    replacements: list[Replacement]
    true: dict[int, Decimal]  # what was consumed up to each time at which somebody read the meter


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Meters of two scales after one another on one channel, which wrap, each swapped between two readings."""
    rows: list[Row] = []
    replacements: list[Replacement] = []
    true: dict[int, Decimal] = {}
    rollovers = {-2: 10**6, -3: 10**7}
    t, consumed = draw(st.integers(0, 10**9)), Decimal(0)
    scale = draw(st.sampled_from([-2, -3]))
    mantissa = draw(st.integers(0, rollovers[scale] - 1))
    t_swapped = -1
    for _ in range(draw(st.integers(1, 40))):
        event = draw(st.sampled_from(["read", "read", "read", "bad", "swap"]))
        t += draw(st.integers(1, 10 * MINUTE))
        rise = draw(st.integers(0, rollovers[scale] // 20))
        if event == "bad":
            rows.append((t, draw(st.integers(0, 10**6)), scale, int(Quality.BAD_TIMEOUT)))
            continue
        if event == "swap" and (not true or t_swapped == max(true)):
            rise = min(rise, rollovers[scale] - 1 - mantissa)  # of a meter that was never polled nobody knows the size
        mantissa = (mantissa + rise) % rollovers[scale]
        consumed += value_of(rise, scale)
        true[t] = consumed
        if event == "read":
            rows.append((t, mantissa, scale, 0))
            continue
        t_swapped = t
        end = value_of(mantissa, scale)
        scale = draw(st.sampled_from([-2, -3]))
        mantissa = draw(st.integers(0, rollovers[scale] - 1))
        replacements.append(swap(t, f"{end:f}", f"{value_of(mantissa, scale):f}", len(replacements) + 1))
    return History(rows, replacements, true)


@given(
    histories(), st.lists(st.integers(0, 10**9 + 400 * MINUTE), max_size=6), st.lists(st.integers(1, 40), max_size=5)
)
def test_parts_add_up_to_the_whole_and_the_whole_is_what_was_consumed(
    history: History, cuts: list[int], pieces: list[int]
) -> None:
    rollovers = {-2: 10**6, -3: 10**7}
    edges = sorted({0, *(cut for cut in cuts if cut > 0), 2 * 10**9})
    whole = count(history.rows, edges, history.replacements, rollovers, pieces)
    assert whole.open == ()
    assert sum((step.amount for step in whole.steps), Decimal(0)) == whole.amount
    if whole.first and whole.last:
        assert whole.amount == history.true[whole.last.t] - history.true[whole.first.t]

    total, rolled, swapped, seen = Decimal(0), 0, 0, False
    for low, high in pairwise(edges):
        part = count(history.rows, [low, high], history.replacements, rollovers)
        if part.first is None:
            continue
        assert (part.carried is not None) == seen
        total += part.amount + (part.carried or 0)
        rolled += len(part.rollovers)
        swapped += len(part.replacements)
        seen = True
    assert total == whole.amount
    assert (rolled, swapped) == (len(whole.rollovers), len(whole.replacements))


@given(histories(), st.data())
def test_without_its_record_a_replacement_is_open_or_looks_like_consumption_but_never_like_a_loss(
    history: History, data: st.DataObject
) -> None:
    forgotten = data.draw(st.sampled_from([*history.replacements, None]))
    known = [one for one in history.replacements if one is not forgotten]
    found = count(history.rows, [0, 2 * 10**9], known, {})
    assert found.amount >= 0
    assert all(step.amount >= 0 for step in found.steps)


def test_a_meter_swapped_in_mid_stream_is_counted_exactly_across_the_swap() -> None:
    rows = good(55_667_690, 55_667_701) + good(3, 17, t=10 * MINUTE, scale=-3)
    found = count(rows, [0, 20 * MINUTE], [swap(5 * MINUTE, "556677.05", "0.000")])
    assert f"{found.amount:f}" == "0.167"  # 0.11 read, 0.04 until it went, 0.003 and 0.014 of the new one
    assert [one.id.int for one in found.replacements] == [1]
    assert found.open == ()


def test_the_last_digit_of_eight_rolls_over_and_is_told() -> None:
    found = count(good(99_999_997, 99_999_999, 1), [0, 10 * MINUTE])
    assert f"{found.amount:f}" == "0.04"
    (crossing,) = found.rollovers
    assert (f"{crossing.before.value:f}", f"{crossing.after.value:f}", f"{crossing.amount:f}") == (
        "999999.99",
        "0.01",
        "0.02",
    )


def test_a_fall_that_no_roll_over_explains_is_open_and_counted_on_neither_side() -> None:
    for rollovers in ({}, ROUND):
        found = count(good(60_000_000, 60_000_010, 0, 4), [0, 10 * MINUTE], rollovers=rollovers)
        assert f"{found.amount:f}" == "0.14"
        assert [(one.way, f"{one.before.value:f}", f"{one.after.value:f}") for one in found.open] == [
            (Way.FALL, "600000.10", "0.00")
        ]


def test_a_leap_to_a_fuller_meter_is_open_where_the_size_of_the_counter_is_known() -> None:
    found = count(good(471_100, 5_000_000_0, 5_000_000_5), [0, 10 * MINUTE])
    assert [one.way for one in found.open] == [Way.LEAP]
    assert f"{found.amount:f}" == "0.05"


def test_much_consumption_after_a_long_silence_is_no_leap() -> None:
    day = 24 * 60 * MINUTE
    rows = [(0, 1_000_000, -2, 0), (20 * day, 20_000_000, -2, 0)]
    assert count(rows, [0, 30 * day]).open == ()
    assert [one.way for one in count([rows[0], (day, *rows[1][1:])], [0, 30 * day]).open] == [Way.LEAP]


def test_readings_that_contradict_a_record_are_open_and_name_it() -> None:
    rows = good(60_000_000, 60_000_010) + good(5, 9, t=10 * MINUTE)
    found = count(rows, [0, 20 * MINUTE], [swap(5 * MINUTE, "600000.05", "0.07", 7)])
    assert [(one.way, one.replacement) for one in found.open] == [(Way.FALL, UUID(int=7))] * 2
    assert f"{found.amount:f}" == "0.14"


def test_a_fall_between_two_swaps_is_open_for_of_a_meter_that_was_never_polled_nobody_knows_the_size() -> None:
    swaps = [swap(5 * MINUTE, "0.10", "999999.99", 1), swap(6 * MINUTE, "0.01", "0.00", 2)]
    found = count(good(10) + good(1, t=10 * MINUTE), [0, 20 * MINUTE], swaps)
    assert [(one.way, one.replacement) for one in found.open] == [(Way.FALL, UUID(int=2))]


def test_only_good_readings_count_and_uncertain_ones_do_not() -> None:
    rows = good(100, 110, 120)
    rows[1] = (rows[1][0], 5, -2, int(Quality.UNCERTAIN_LAST_USABLE))
    found = count(rows, [0, 10 * MINUTE])
    assert (f"{found.amount:f}", found.readings, found.open) == ("0.20", 2, ())


def test_the_ends_are_the_readings_inside_and_what_came_before_is_told_beside() -> None:
    found = count(good(100, 130, 170, 220), [MINUTE + 1, 3 * MINUTE])
    assert (found.first, found.last) == (Reading(2 * MINUTE, Decimal("1.70"), -2),) * 2
    assert (f"{found.amount:f}", found.carried) == ("0.00", Decimal("0.40"))
    assert found.before == Reading(MINUTE, Decimal("1.30"), -2)


def test_an_increment_stands_in_the_step_in_which_it_ends_and_the_step_says_from_when() -> None:
    rows = good(100, 130, t=0) + good(230, t=10 * MINUTE)
    found = count(rows, [0, 5 * MINUTE, 15 * MINUTE])
    assert [(f"{step.amount:f}", step.since, step.until) for step in found.steps] == [
        ("0.30", 0, MINUTE),
        ("1.00", MINUTE, 10 * MINUTE),
    ]


def test_silence_is_measured_step_by_step_and_the_future_is_none() -> None:
    rows = good(1, 2, t=0) + good(3, t=11 * MINUTE)
    found = count(rows, [0, 6 * MINUTE, 12 * MINUTE, 60 * MINUTE], now=20 * MINUTE)
    assert found.gaps == ((MINUTE, 11 * MINUTE), (11 * MINUTE, 20 * MINUTE))
    assert [step.missing_ms // MINUTE for step in found.steps] == [5, 6, 8]
    assert found.coverage == 1 - 19 / 20


def test_nothing_read_is_nothing_said() -> None:
    found = count([], [0, 60 * MINUTE])
    assert (found.first, found.last, found.carried) == (None, None, None)
    assert (f"{found.amount:f}", found.readings, found.coverage) == ("0", 0, 0.0)


def test_the_reading_of_a_person_stands_for_the_meter_that_was_silent() -> None:
    found = count(good(30, t=10 * MINUTE), [0, 20 * MINUTE], [swap(5 * MINUTE, "77.00", "0.10")])
    assert (found.first, f"{found.amount:f}") == (Reading(5 * MINUTE, Decimal("77.00"), None), "0.20")


def test_mantissas_of_nineteen_digits_stay_exact() -> None:
    top = 2**63 - 1
    found = count([(0, top - 3, -18, 0), (MINUTE, top, -18, 0), (2 * MINUTE, 10**18, 0, 0)], [0, 10 * MINUTE])
    assert f"{found.amount:f}" == "999999999999999990.776627963145224196"
