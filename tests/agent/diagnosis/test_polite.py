from hypothesis import given
from hypothesis import strategies as st

from agent.bus.schedule import Schedule
from agent.diagnosis.polite import SHARE, SLACK_MS, Guest, fits, rested_at
from drivers.transport.tap import Tap

PERIODS = st.lists(st.sampled_from([250, 500, 1000, 5000]), min_size=1, max_size=5)


@given(PERIODS, st.integers(5, 60), st.integers(20, 400))
def test_no_poll_is_ever_late_for_a_question_and_questions_have_a_small_share(
    periods: list[int], poll_ms: int, question_ms: int
) -> None:
    """A line in virtual time: polls take `poll_ms`, questions their whole `question_ms`."""
    schedule = Schedule(periods, 0)
    now, free_at, asked_ms, end = 0, 0, 0, 20_000
    behind_question = False
    while now < end:
        due = schedule.pop(now)
        if due is not None:
            if behind_question:
                assert now == due.tick
            now, behind_question = now + poll_ms, False
            continue
        next_at = schedule.next_at()
        assert next_at is not None
        if now >= free_at and fits(now, next_at, question_ms):
            free_at = rested_at(now, now + question_ms)
            now, asked_ms = now + question_ms, asked_ms + question_ms
            assert now + SLACK_MS <= next_at
            now, behind_question = next_at, True
        else:
            now = next_at
    assert asked_ms <= SHARE * end + question_ms


def test_on_a_line_that_nobody_polls_a_question_always_fits() -> None:
    assert fits(0, None, 1e9)
    assert not fits(0, 100, 100)


@given(st.integers(0, 1 << 40), st.integers(0, 5000))
def test_a_question_rests_for_the_others_share(began: int, took: int) -> None:
    ended = began + took
    assert took <= SHARE * (rested_at(began, ended) - began) + 1e-6


async def test_who_gave_up_a_wish_on_a_busy_line_is_in_nobodys_way() -> None:
    guest = Guest(Tap(lambda _: None, lambda _: None))
    told = guest.wish(b"?", 7, 0.5)
    assert guest.waits
    assert guest.wake_at(0, 1) is None
    told.cancel()
    assert not guest.waits
