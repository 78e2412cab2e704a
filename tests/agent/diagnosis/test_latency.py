import sys

from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.latency import HALVED_AT, REMEMBERED, Latency, Recent


@given(st.lists(st.floats(0.2, 50_000), min_size=1, max_size=400))
def test_each_percentile_is_within_a_bucket_of_the_exact_one(times: list[float]) -> None:
    latency = Latency()
    for time in times:
        latency.add(time)
    told = latency.percentiles()
    assert told is not None
    ordered = sorted(times)
    for percent, got in ((50, told.p50), (95, told.p95), (99, told.p99)):
        exact = ordered[-(-percent * len(ordered) // 100) - 1]
        assert exact / 1.1 <= got <= exact * 1.1
    assert told.p50 <= told.p95 <= told.p99


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_no_time_is_too_short_or_too_long_to_be_counted(ms: float) -> None:
    latency = Latency()
    latency.add(ms)
    told = latency.percentiles()
    assert told is not None
    assert told.answers == 1


def test_nobody_who_never_answered_has_percentiles() -> None:
    assert Latency().percentiles() is None


def test_a_device_that_became_quick_shows_it_in_time() -> None:
    latency = Latency()
    for _ in range(HALVED_AT - 1):
        latency.add(900.0)
    for _ in range(3 * HALVED_AT):
        latency.add(20.0)
    told = latency.percentiles()
    assert told is not None
    assert told.p50 < 25
    assert told.p95 < 25


def test_a_million_answers_take_no_more_memory_than_one() -> None:
    few, many = Latency(), Latency()
    few.add(1.0)
    for number in range(100_000):
        many.add(number % 977 + 0.5)
    assert sys.getsizeof(many._counts) <= sys.getsizeof(few._counts) + 4 * 64


def test_the_error_rate_is_that_of_the_last_polls_alone() -> None:
    recent = Recent()
    assert recent.error_rate == 0.0
    recent.add(True)
    recent.add(False)
    assert recent.error_rate == 0.5
    for _ in range(REMEMBERED):
        recent.add(False)
    assert recent.error_rate == 0.0
