from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus.access import LATE_S, STANDS, AccessNumbers


def trusted(last: int) -> AccessNumbers:
    numbers = AccessNumbers()
    for access in (last - 1, last):
        numbers.ask()
        assert numbers.fits(access & 0xFF, 0.0)
        numbers.take(access & 0xFF)
    assert numbers.trusted
    return numbers


@given(st.integers(0, 255))
def test_the_number_of_the_answer_before_is_a_repetition(last: int) -> None:
    numbers = trusted(last)
    numbers.ask()
    assert not numbers.fits(last, 1.0)
    assert numbers.fits((last + 1) & 0xFF, 1.0)


@given(st.integers(0, 255), st.integers(1, 5))
def test_behind_lost_requests_only_the_number_that_counts_them_all_is_new(last: int, lost: int) -> None:
    numbers = trusted(last)
    for second in range(lost):
        numbers.ask()
        numbers.lose(float(second))
    numbers.ask()
    for late in range(lost + 1):
        assert not numbers.fits((last + late) & 0xFF, float(lost))
    assert numbers.fits((last + lost + 1) & 0xFF, float(lost))


def test_an_answer_to_a_lost_request_may_even_come_behind_the_next_one() -> None:
    numbers = trusted(7)
    numbers.ask()
    numbers.lose(0.0)
    numbers.ask()
    numbers.take(9)
    numbers.ask()
    assert not numbers.fits(8, 1.0)
    assert numbers.fits(10, 1.0)


def test_what_is_lost_for_long_is_not_waited_for() -> None:
    numbers = trusted(7)
    numbers.ask()
    numbers.lose(0.0)  # a request that the meter never heard
    numbers.ask()
    assert not numbers.fits(8, LATE_S - 1)
    assert numbers.fits(8, LATE_S)
    numbers.take(8)
    assert not numbers.trusted  # until it goes up by one again


def test_a_number_that_stands_still_is_not_trusted() -> None:
    numbers = AccessNumbers()
    for _ in range(3):
        numbers.ask()
        assert numbers.fits(0, 0.0)
        numbers.take(0)
    assert not numbers.trusted


def test_a_meter_that_stops_counting_costs_some_requests() -> None:
    numbers = trusted(7)
    for _ in range(STANDS):
        numbers.ask()
        assert not numbers.fits(7, 0.0)
        numbers.lose(1.0)
    numbers.ask()
    assert numbers.fits(7, 2.0)
