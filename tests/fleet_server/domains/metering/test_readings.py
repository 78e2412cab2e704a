"""Runs and passages: what numpy puts together must be what single readings would say."""

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.metering.readings import ROUND_MS, Reading, Way, passage, runs, value_of
from fleet_server.kernel.ports import CounterReadings

ROUND = {-2: 10**8}


def readings(rows: list[tuple[int, int, int, int]]) -> CounterReadings:
    return CounterReadings(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**6),
            st.integers(0, 2 * 10**7) | st.integers(0, 10**8 - 1),
            st.sampled_from([-2, -2, -2, -3]),
            st.sampled_from([0, 0, 0, 0x30, 0x4090, 0x800A]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(0, 6 * 10**7), max_size=4),
)
def test_a_run_holds_only_rises_that_each_alone_would_be_one(
    steps: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    t = 0
    rows = [(t := t + gap, mantissa, scale, quality) for gap, mantissa, scale, quality in steps]
    good = [Reading(t, value_of(m, s), s) for t, m, s, quality in rows if not quality & 0xC000]
    found = runs(readings(rows), sorted(cuts), ROUND, 500_000)
    assert sum(run.size for run in found) == len(good)
    place = 0
    for run in found:
        inside = good[place : place + run.size]
        place += run.size
        assert (run.first, run.last) == (inside[0], inside[-1])
        assert not any(run.first.t < cut <= run.last.t for cut in cuts)
        pairs = list(pairwise(inside))
        assert all(passage(a, b, ROUND).way is Way.RISE and a.scale == b.scale for a, b in pairs)
        assert list(run.gaps) == [(a.t, b.t) for a, b in pairs if b.t - a.t > 500_000]


def test_a_steady_month_of_readings_a_second_is_one_run() -> None:
    many = 30 * 86_400
    t = 1000 * np.arange(many, dtype=np.int64)
    found = runs(CounterReadings(t, t // 7000, np.full(many, -2), np.zeros(many, np.int64)), [], ROUND, 3000)
    assert [(run.size, run.last.value) for run in found] == [(many, value_of(int(t[-1]) // 7000, -2))]


@pytest.mark.parametrize(
    ("before", "after", "hours", "way", "amount"),
    [
        ("999999.99", "0.01", 0.01, Way.ROLL_OVER, "0.02"),
        ("999999.99", "0.00", 0.01, Way.ROLL_OVER, "0.01"),
        ("950000.00", "0.00", 0.01, Way.ROLL_OVER, "50000.00"),
        ("949999.99", "0.00", 0.01, Way.FALL, "0"),
        ("800000.00", "0.00", 300, Way.ROLL_OVER, "200000.00"),
        ("800000.00", "0.00", 299, Way.FALL, "0"),
        ("400000.00", "0.00", 5000, Way.FALL, "0"),
        ("0.00", "50000.00", 0.01, Way.RISE, "50000.00"),
        ("0.00", "50000.01", 0.01, Way.LEAP, "0"),
        ("5.00", "5.00", 0.01, Way.RISE, "0.00"),
    ],
)
def test_what_is_believed_of_a_counter_depends_on_its_size_and_on_time(
    before: str, after: str, hours: float, way: Way, amount: str
) -> None:
    first = Reading(0, Decimal(before), -2)
    found = passage(first, Reading(round(hours * ROUND_MS / 1500), Decimal(after), -2), ROUND)
    assert (found.way, f"{found.amount:f}") == (way, amount)


def test_without_a_declared_size_every_rise_counts_and_every_fall_is_open() -> None:
    top = Reading(0, Decimal("999999.99"), -2)
    assert passage(Reading(0, Decimal(0), -2), top, {}).way is Way.RISE
    assert passage(top, Reading(1, Decimal("0.01"), -2), {}).way is Way.FALL


def test_a_person_s_reading_takes_the_counter_s_size_from_the_other_side() -> None:
    typed = Reading(0, Decimal("999999.99"), None)
    assert passage(typed, Reading(1, Decimal("0.01"), -2), ROUND).amount == Decimal("0.02")
    assert passage(Reading(0, Decimal("999999.98"), -2), Reading(9, Decimal("0.00"), None), ROUND).way is Way.ROLL_OVER
