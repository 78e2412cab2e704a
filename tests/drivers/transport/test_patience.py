"""How long is waited: properties of the estimate, over any run of answers and silences."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.transport.patience import Patience

FLOOR_S, CEILING_S = 0.1, 2.0
latencies = st.floats(0.0, CEILING_S, allow_nan=False)


def after(answers: list[float]) -> Patience:
    patience = Patience(FLOOR_S)
    for seconds in answers:
        patience.answered(seconds)
    return patience


def test_whoever_has_not_answered_yet_is_given_the_whole_time() -> None:
    assert Patience(FLOOR_S).allowed(CEILING_S) == CEILING_S
    assert Patience(FLOOR_S).mean_s is None


@given(st.lists(latencies), st.integers(0, 5), st.floats(0.001, 10))
def test_never_more_than_the_ceiling_and_never_less_than_the_floor(
    answers: list[float], silences: int, ceiling: float
) -> None:
    patience = after(answers)
    for _ in range(silences):
        patience.silent()
    assert min(FLOOR_S, ceiling) <= patience.allowed(ceiling) <= ceiling


@given(st.lists(latencies), st.lists(latencies, min_size=1, max_size=60))
def test_a_device_that_answers_within_the_ceiling_is_never_lost_three_times_running(
    before: list[float], now: list[float]
) -> None:
    """Whatever it did before: the third time all is waited that is configured."""
    patience, missed = after(before), 0
    for latency in now:
        if latency <= patience.allowed(CEILING_S):
            patience.answered(latency)
            missed = 0
        else:
            patience.silent()
            missed += 1
        assert missed < 3


@given(latencies, st.integers(1, 400))
def test_an_answer_as_slow_as_one_of_the_last_hundreds_is_waited_for(slow: float, quick: int) -> None:
    patience = after([0.01] * 10 + [slow] + [0.01] * min(quick, 200))
    assert patience.allowed(CEILING_S) >= min(CEILING_S, slow)


def test_a_dead_device_that_was_quick_costs_little_at_first() -> None:
    patience = after([0.02] * 50)
    costs = []
    for _ in range(4):
        costs.append(patience.allowed(CEILING_S))
        patience.silent()
    assert costs == [FLOOR_S, 3 * FLOOR_S, CEILING_S, CEILING_S]


def test_a_late_answer_lengthens_the_wait_at_once() -> None:
    patience = after([0.02] * 50)
    patience.silent()
    patience.answered(0.4)
    assert patience.allowed(CEILING_S) >= 0.6


def test_after_a_thousand_quick_answers_a_slow_one_is_forgotten() -> None:
    assert after([1.0] + [0.02] * 5000).allowed(CEILING_S) == FLOOR_S
