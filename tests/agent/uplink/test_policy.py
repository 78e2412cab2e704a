"""What may go when: windows, budgets, and alarms that neither holds back."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent import link_config
from agent.uplink.policy import EVERY_LANE, FOR_DATA, KINDS, URGENT, Policy

HOUR = 3_600_000
TIMES = st.integers(0, 4 * 10**12)


@given(TIMES, st.integers(0, 10**12), st.sampled_from(sorted(KINDS)))
def test_without_a_budget_or_windows_everything_may_go_at_any_time(now: int, spent: int, kind: str) -> None:
    assert KINDS[kind].is_open
    assert KINDS[kind].lanes(spent, now) == EVERY_LANE


@given(TIMES, st.integers(0, 10**9), st.integers(0, 1439), st.integers(0, 1439), st.integers(1, 10**8))
def test_alarms_may_always_go(now: int, spent: int, start: int, end: int, budget: int) -> None:
    policy = Policy(budget=budget, windows=((start, end),))
    assert policy.lanes(spent, now) >= URGENT


def test_a_window_may_go_over_midnight() -> None:
    policy = Policy(windows=((22 * 60, 2 * 60), (12 * 60, 13 * 60)))
    opened = [hour for hour in range(24) if policy.lanes(0, 20_000 * 24 * HOUR + hour * HOUR) == EVERY_LANE]
    assert opened == [0, 1, 12, 22, 23]


def test_the_last_of_a_days_budget_is_for_alarms() -> None:
    policy = replace(KINDS["nbiot"], budget=1000)
    assert policy.lanes(round(FOR_DATA * 1000) - 1, 0) == EVERY_LANE
    assert policy.lanes(round(FOR_DATA * 1000), 0) == URGENT
    assert policy.lanes(10_000, 0) == URGENT


def test_the_kinds_that_can_be_configured_are_those_there_are() -> None:
    assert set(link_config.KINDS) == set(KINDS)
    assert all(policy.kind == kind for kind, policy in KINDS.items())
