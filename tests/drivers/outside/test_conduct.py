from hypothesis import given
from hypothesis import strategies as st

from drivers.outside.conduct import MANY, WITHIN_S, Conduct


@given(st.lists(st.floats(0, 400), max_size=30))
def test_a_driver_is_disabled_by_the_first_failure_that_is_one_too_many(pauses: list[float]) -> None:
    conduct, now, times = Conduct(), 0.0, []
    for pause in pauses:
        now += pause
        times.append(now)
        too_many = len(times) >= MANY and now - times[-MANY] <= WITHIN_S
        assert conduct.failed("it crashed", now) == (too_many and not before(times))
        assert bool(conduct.disabled) == (too_many or before(times))
    assert conduct.failures == len(pauses)


def before(times: list[float]) -> bool:
    return any(times[at] - times[at - MANY + 1] <= WITHIN_S for at in range(MANY - 1, len(times) - 1))


def test_it_says_how_often_and_why() -> None:
    conduct = Conduct()
    for number in range(MANY):
        conduct.failed(f"cause {number}", 10.0 * number)
    assert conduct.disabled == "5 failures within 40 s, the last: cause 4"


def test_a_forgiven_driver_has_all_its_chances_again() -> None:
    conduct = Conduct()
    for _ in range(MANY):
        conduct.failed("it crashed", 0.0)
    conduct.forgive()
    assert not any(conduct.failed("it crashed", 1.0) for _ in range(MANY - 1))
    assert conduct.failed("it crashed", 1.0)
    assert conduct.failures == 2 * MANY
