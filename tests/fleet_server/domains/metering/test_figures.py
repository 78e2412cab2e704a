"""Figures of hours beside the count of every reading, which they have to agree with."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.metering.figures import Counted, Figure, figure, hours, refined, to_refine
from fleet_server.domains.metering.models import Replacement
from fleet_server.domains.metering.readings import runs
from fleet_server.domains.metering.tally import Tally
from fleet_server.domains.telemetry.exact import ends_of
from fleet_server.ingest.rollups import HOUR_MS, MINUTE_MS, from_ms
from fleet_server.kernel.ports import ChannelNow, CounterEnds, CounterReadings

SIZE = 10**6
COUNTER = ChannelNow("energy", {}, "3331", "kWh", "counter", -2, False, None, {}, 60_000, 1.0, "", 0, None, {-2: SIZE})
START = 400_000 * HOUR_MS
Pairs = Sequence[tuple[int, int]]  # t, mantissa


def ends(readings: Pairs, step: int) -> CounterEnds:
    """As the roll-ups have them."""
    buckets: dict[int, list[tuple[int, int]]] = {}
    for t, mantissa in readings:
        buckets.setdefault(t // step, []).append((t, mantissa))
    found = [buckets[key] for key in sorted(buckets)]
    values = [[mantissa / 100 for _, mantissa in bucket] for bucket in found]
    return ends_of(
        {
            "t": [bucket[-1][0] for bucket in found],
            "mantissa": [bucket[-1][1] for bucket in found],
            "scale": [-2] * len(found),
            "last": [value[-1] for value in values],
            "low": [min(value) for value in values],
            "high": [max(value) for value in values],
        }
    )


def counted(
    readings: Pairs, *replacements: Replacement, start: int = START, end: int = START + 24 * HOUR_MS
) -> Counted:
    """By hours, and by minutes where they are asked for."""
    of = Counted(COUNTER, ends(readings, HOUR_MS), replacements)
    closer = {
        hour: ends([one for one in readings if hour <= one[0] < hour + HOUR_MS], MINUTE_MS)
        for hour in to_refine(of, [start], end)
    }
    return replace(of, ends=refined(of.ends, closer))


def swap(t: int, end: str, start: str) -> Replacement:
    at, id_ = from_ms(t), UUID(int=1)
    return Replacement(id_, 1, "D", "energy", at, Decimal(end), Decimal(start), "", "", "", False, "", "", at)


def told(readings: Pairs, *replacements: Replacement, end: int = START + 24 * HOUR_MS) -> Figure:
    found = figure(counted(readings, *replacements, end=end), START, end)
    assert found is not None
    return found


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3000)), min_size=2, max_size=200),
    st.integers(0, SIZE - 1),
)
def test_a_figure_of_hours_is_the_count_of_every_reading(steps: list[tuple[int, int]], first: int) -> None:
    """Minutes and rises between readings; the counter goes round as often as it likes."""
    t, total, readings = START - MINUTE_MS, first, list[tuple[int, int]]()
    for minutes, rise in [(0, 0), *steps]:
        t, total = t + minutes * MINUTE_MS, total + rise
        readings.append((t, total % SIZE))
    end = (t // HOUR_MS + 1) * HOUR_MS
    tally = Tally([readings[0][0], START, end], [], COUNTER.rollovers, 2**62)
    times, mantissas = np.array(readings, np.int64).T
    zeros = np.zeros(len(readings), np.int64)
    for run in runs(CounterReadings(times, mantissas, zeros - 2, zeros), tally.cuts, COUNTER.rollovers, 2**62):
        tally.add(run)
    by_hours = told(readings, end=end)
    assert by_hours.amount == tally.result().amount == Decimal(total - first) / 100
    assert by_hours.is_whole


def test_it_counts_from_the_last_reading_before_the_interval() -> None:
    found = told([(START - 5000, 1000), (START + 1000, 1010), (START + 2000, 1020)])
    assert (found.amount, found.since.t, found.until.t, found.is_whole) == (
        Decimal("0.20"),
        START - 5000,
        START + 2000,
        True,
    )


def test_what_was_not_heard_at_the_beginning_is_at_least() -> None:
    """From the end of the first minute that was heard."""
    readings = [(START - 3 * HOUR_MS, 900), (START + 1000, 1000), (START + 30_000, 1004), (START + 70_000, 1010)]
    found = told(readings)
    assert (found.amount, found.at_least, found.open) == (Decimal("0.06"), True, False)
    assert found.since.value == Decimal("10.04")


def test_without_a_reading_there_is_no_figure() -> None:
    assert figure(counted([(START - 5000, 1000)]), START, START + HOUR_MS) is None
    assert figure(counted([]), START, START + HOUR_MS) is None


def test_a_fall_is_open_and_a_recorded_replacement_settles_it() -> None:
    readings = [(START - 5000, 700_000), (START + 1000, 700_010), (START + 600_000, 5), (START + HOUR_MS, 9)]
    assert (told(readings).amount, told(readings).open) == (Decimal("0.14"), True)
    found = told(readings, swap(START + 300_000, "7000.20", "0.00"))
    assert (found.amount, found.is_whole) == (Decimal("0.29"), True)


def test_a_fall_that_was_made_good_within_a_minute_is_open_all_the_same() -> None:
    readings = [(START - 5000, 500_000), (START + 1000, 3), (START + 2000, 500_100), (START + HOUR_MS, 500_200)]
    assert (told(readings).amount, told(readings).open) == (Decimal("2.00"), True)


def test_a_suspicion_of_the_watch_leaves_the_figure_open() -> None:
    of = counted([(START - 5000, 1000), (START + 1000, 1010)])
    found = figure(replace(of, open_at=[START + 1000]), START, START + HOUR_MS)
    assert found is not None
    assert found.open


def test_minutes_that_are_no_longer_kept_leave_the_hour_as_it_is() -> None:
    hour = ends([(START + 1000, 1000), (START + 70_000, 1010)], HOUR_MS)
    assert refined(hour, {START: ends([], MINUTE_MS)}).t.tolist() == hour.t.tolist()


def test_hours_are_told_apart_and_one_without_a_reading_is_known() -> None:
    edges = [START + n * HOUR_MS for n in range(4)]
    of = counted([(START - 5000, 1000), (START + 1000, 1010), (edges[2] + 1000, 1040)])
    steps = hours(of, edges)
    assert [step.amount for step in steps] == [Decimal("0.10"), Decimal(0), Decimal("0.30")]
    assert [step.until is None for step in steps] == [False, True, False]
    assert [step.until for step in hours(counted([]), edges)] == [None] * 3
