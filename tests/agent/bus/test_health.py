from hypothesis import given
from hypothesis import strategies as st

from agent.bus.health import (
    FAILING_MS,
    FAILURES,
    FAULT_SHOWN_MS,
    MAX_BACKOFF_MS,
    MIN_BACKOFF_MS,
    Change,
    Health,
    backoff_ms,
)

TIMEOUT_MS = 500


def dead(now: int = 0) -> Health:
    health = Health(2, now)
    for at in (now, now + 1000, now + 2000):
        health.failed(0, at, "silent")
    assert not health.devices[0].reachable
    return health


def test_a_device_is_unreachable_after_enough_failures_over_enough_time() -> None:
    health = Health(1, 0)
    assert health.failed(0, 1000, "silent") is None
    assert health.failed(0, 2000, "silent") is None
    assert health.failed(0, 3000, "still silent") == Change(0, False, 1000, "still silent")
    assert health.devices[0].since == 3000


def test_a_burst_of_failures_within_a_moment_decides_nothing() -> None:
    health = Health(1, 0)
    assert [health.failed(0, at, "noise") for at in range(0, FAILING_MS, 50)] == [None] * (FAILING_MS // 50)
    assert health.devices[0].reachable


def test_a_slow_device_is_not_judged_by_its_first_failures() -> None:
    health = Health(1, 0)
    assert [health.failed(0, at, "silent") for at in (60_000, 120_000)] == [None, None]


def test_one_answer_begins_the_count_anew() -> None:
    health = Health(1, 0)
    for at in range(0, 100_000, 1000):
        assert (health.failed(0, at, "silent") if at % 3000 else health.answered(0, at)) is None
    assert health.devices[0].reachable


def test_an_answer_brings_a_device_back() -> None:
    assert dead().answered(0, 9000) == Change(0, True, 0, "silent")


def test_probes_come_half_a_second_apart_then_ever_rarer_up_to_ten_seconds() -> None:
    health, now, asked = dead(), 2000, []
    while now < 60_000:
        if health.next_probe(now, None, TIMEOUT_MS) == 0:
            asked.append(now)
            health.probed(now, now)
            health.failed(0, now, "silent")
        now += 100
    gaps = [after - before for before, after in zip([2000, *asked], asked, strict=False)]
    assert gaps == [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]


@given(st.integers(0, 10_000))
def test_a_backoff_stays_between_its_bounds(attempt: int) -> None:
    assert MIN_BACKOFF_MS <= backoff_ms(attempt) <= MAX_BACKOFF_MS


def test_a_probe_that_fits_before_the_next_read_costs_nobody_anything() -> None:
    health = dead()
    health.probed(1500, 2000)  # the budget rests
    assert health.next_probe(2500, idle_until=3000, cost_ms=TIMEOUT_MS) == 0
    assert health.next_probe(2501, idle_until=3000, cost_ms=TIMEOUT_MS) is None


def test_when_nobody_lives_nobody_is_held_up() -> None:
    health = dead()
    for at in (0, 1000, 2000):
        health.failed(1, at, "silent")
    health.probed(1500, 2000)
    assert health.next_probe(2500, idle_until=2500, cost_ms=TIMEOUT_MS) is not None


def test_dead_devices_are_probed_in_turn() -> None:
    health = Health(3, 0)
    for device in range(3):
        for at in (0, 1000, 2000):
            health.failed(device, at, "silent")
    asked = []
    for now in range(2500, 8000, 100):
        if (probed := health.next_probe(now, None, TIMEOUT_MS)) is not None:
            asked.append(probed)
            health.failed(probed, now, "silent")
    assert asked[:6] == [0, 1, 2, 0, 1, 2]


@given(st.integers(1, 19), st.integers(100, 2000))
def test_on_a_busy_line_dead_devices_take_a_twentieth_of_the_time(count: int, timeout_ms: int) -> None:
    health, now, spent, end = Health(20, 0), 2000, 0, 300_000
    for device in range(count):
        for at in (0, 1000, 2000):
            health.failed(device, at, "silent")
    while now < end:
        probed = health.next_probe(now, idle_until=now, cost_ms=timeout_ms)
        if probed is None:
            now += 250  # a living device is read
            continue
        health.failed(probed, now + timeout_ms, "silent")
        health.probed(now, now + timeout_ms)
        spent += timeout_ms
        now += timeout_ms
    assert spent <= 0.05 * (end - 2000) + 2 * timeout_ms


def test_a_line_that_was_opened_again_tries_its_dead_at_once() -> None:
    health = dead()
    health.probed(1500, 2000)
    health.line_returned(2100)
    assert health.next_probe(2100, idle_until=2100, cost_ms=TIMEOUT_MS) == 0
    assert health.next_probe_at(2000) == 2100


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 800), st.integers(-100, 900)), max_size=40))
def test_where_nobody_is_to_be_probed_now_the_next_look_is_later_than_now(history: list[tuple[int, int, int]]) -> None:
    health, now = dead(), 1500
    for pause, took, until_tick in history:
        now += pause
        if health.next_probe(now, idle_until=now + until_tick, cost_ms=TIMEOUT_MS) is None:
            assert (health.next_probe_at(now) or 0) > now
        else:
            health.probed(now, now + took)
            now += took
            health.failed(0, now, "silent")


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5000)), max_size=60))
def test_changes_alternate_and_agree_with_the_state(history: list[tuple[bool, int]]) -> None:
    health, now, reachable, failures = Health(1, 0), 0, True, 0
    for answers, step in history:
        now += step
        change = health.answered(0, now) if answers else health.failed(0, now, "silent")
        failures = 0 if answers else failures + 1
        if change is not None:
            assert change.reachable is not reachable
            assert change.since <= now
            assert answers or failures >= FAILURES
            reachable = change.reachable
        assert health.devices[0].reachable is reachable
        assert health.any_reachable is reachable


def test_a_fault_of_a_device_that_answers_is_told_for_a_minute_after_it_last_came() -> None:
    health = Health(1, 0)
    assert health.answered(0, 1000, "refused") is None
    assert (health.devices[0].detail, health.fault_news(), health.fault_news()) == ("refused", True, False)
    health.failed(0, 31_000, "silent")
    health.answered(0, 32_000)
    assert (health.devices[0].detail, health.fault_news()) == ("silent", False)
    health.answered(0, 31_000 + FAULT_SHOWN_MS - 1)
    assert health.devices[0].detail == "silent"
    health.answered(0, 31_000 + FAULT_SHOWN_MS)
    assert (health.devices[0].detail, health.fault_news()) == ("", True)


def test_what_was_wrong_while_it_was_away_is_no_longer_said_when_it_is_back() -> None:
    health = dead()
    assert health.devices[0].detail == "silent"
    health.answered(0, 9000)
    assert health.devices[0].detail == ""


def test_who_stays_through_an_exchange_stays_as_dead_or_alive_as_it_was() -> None:
    old = Health(3, 0)
    for now in (0, 1000, 2000):
        old.failed(1, now, "no answer")
    old.answered(2, 1500)
    new = Health(3, 5000)
    new.go_on(old, {1: 0, 2: 2})
    assert [state.reachable for state in new.devices] == [False, True, True]
    assert (new.devices[0].failing_since, new.devices[2].last_answer) == (0, 1500)
    assert new.next_probe(5000, None, 10) == 0
