"""The bars: nothing consumed is not drawn, little is, and marks stand at their time."""

from decimal import Decimal

from fleet_server.domains.metering.chart import chart_of
from fleet_server.domains.metering.models import Consumption, Crossing, Step, Suspicion
from fleet_server.domains.metering.readings import Reading, Way

HOUR = 3_600_000


def consumption(*amounts: str, missing: int = 0) -> Consumption:
    steps = tuple(Step(n * HOUR, (n + 1) * HOUR, Decimal(amount), 0, 0, missing) for n, amount in enumerate(amounts))
    before, after = Reading(HOUR, Decimal("9.99"), -2), Reading(HOUR + HOUR // 2, Decimal("0.01"), -2)
    open_ = Suspicion(Way.FALL, before, Reading(99 * HOUR, Decimal(0), -2))
    crossing = Crossing(before, after, Decimal("0.02"))
    end = len(steps) * HOUR
    return Consumption(0, end, Decimal(1), before, after, None, None, 2, steps, (crossing,), (), (open_,), (), 0, end)


def test_heights_are_shares_of_the_highest_and_a_little_is_still_seen() -> None:
    chart = chart_of(consumption("4.00", "0", "1.00", "0.01"))
    assert [bar.height for bar in chart.bars] == [100.0, 0.0, 25.0, 0.8]
    assert (chart.top, chart.width, [bar.text for bar in chart.bars][3]) == ("4.00", 40.0, "0.01")


def test_marks_stand_at_their_time_and_never_outside() -> None:
    marks = chart_of(consumption("1", "2")).marks
    assert [(mark.kind, mark.x, mark.before, mark.after) for mark in marks] == [
        ("roll-over", 15.0, "9.99", "0.01"),
        ("open", marks[1].x, "9.99", "0"),
    ]


def test_a_step_that_was_half_heard_is_marked_and_one_that_lacks_a_minute_is_not() -> None:
    assert all(bar.lacks for bar in chart_of(consumption("1", missing=HOUR // 2)).bars)
    assert not any(bar.lacks for bar in chart_of(consumption("1", missing=60_000)).bars)


def test_ticks_stand_in_columns_of_equal_width() -> None:
    for many, ticks in ((48, 4), (30, 5), (12, 4), (7, 1), (1, 1)):
        steps = chart_of(consumption(*["1"] * many)).ticks
        assert len(steps) == ticks
        assert many % len(steps) == 0
