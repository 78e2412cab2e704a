import time

from hypothesis import given
from hypothesis import strategies as st

from agent.clock import (
    FLOOR_MS,
    Discipline,
    Fix,
    Now,
    SystemClock,
    Watch,
    boot_id,
    boottime_ms,
    judge,
    read_discipline,
)
from protocols.edge.messages import Clock, ClockState

GOOD, NONE = Discipline(True, 12), Discipline(False, 16_000)
UTC = FLOOR_MS + 10**9


def test_a_utc_from_before_this_program_is_unset_whatever_the_kernel_says() -> None:
    assert judge(FLOOR_MS - 1, GOOD) == Clock(ClockState.UNSET)
    assert judge(FLOOR_MS, GOOD) == Clock(ClockState.SYNCHRONISED, 12)


def test_a_clock_that_was_never_synchronised_vouches_for_nothing() -> None:
    assert judge(UTC, NONE) == Clock(ClockState.FREE_RUNNING, None)


def test_a_clock_left_alone_vouches_for_less_and_less() -> None:
    watch = Watch()
    watch.see(0, UTC, GOOD)
    now, fix = watch.see(86_400_000, UTC + 86_400_000, NONE)
    assert fix is None
    assert now.clock == Clock(ClockState.FREE_RUNNING, 16_000 + 4320)  # 50 ppm of a day


def test_becoming_synchronised_is_a_fix_once() -> None:
    watch = Watch()
    assert watch.see(1000, 5000, NONE)[1] is None
    assert watch.see(2000, UTC, GOOD)[1] == Fix(2000, UTC, 12)
    assert watch.see(3000, UTC + 1000, GOOD)[1] is None
    assert watch.steps == 1


def test_a_step_of_a_trusted_clock_is_a_fix_too() -> None:
    watch = Watch()
    watch.see(0, UTC, GOOD)
    assert watch.see(1000, UTC + 3000, GOOD)[1] == Fix(1000, UTC + 3000, 12)


def test_a_clock_set_by_hand_vouches_for_nothing() -> None:
    watch = Watch()
    watch.see(0, UTC, GOOD)
    now, _ = watch.see(1000, UTC + 60_000, NONE)
    assert now.clock == Clock(ClockState.FREE_RUNNING, None)


def test_slewing_is_no_step() -> None:
    watch = Watch()
    watch.see(0, UTC, GOOD)
    watch.see(5000, UTC + 5400, GOOD)
    assert watch.steps == 0


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 2 * UTC), st.booleans()), max_size=30))
def test_every_change_to_synchronised_has_its_fix(looks: list[tuple[int, int, bool]]) -> None:
    watch, boottime, before = Watch(), 0, None
    for step, utc, synchronised in looks:
        boottime += step
        now, fix = watch.see(boottime, utc, Discipline(synchronised, 1))
        trusted = now.clock.state is ClockState.SYNCHRONISED
        assert trusted or fix is None
        if trusted and before is not ClockState.SYNCHRONISED:
            assert fix == Fix(boottime, utc, 1)
        before = now.clock.state


def test_times_of_this_boot_are_turned_into_utc() -> None:
    assert Now(5000, UTC, Clock(ClockState.UNSET)).utc_of(3500) == UTC - 1500


def test_this_machine_has_a_boot_and_a_clock() -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()
    assert read_discipline().max_error_ms >= 0
    before = boottime_ms()
    now = SystemClock().now()
    assert before <= now.boottime_ms <= boottime_ms()
    assert abs(now.utc_ms - time.time() * 1000) < 1000
