import pytest

from drivers.outside import vitals
from drivers.outside.vitals import CPU_WINDOW_S, TICK_S, Vitals

MEMORY = 64 << 20


@pytest.mark.parametrize("timeout", [0.0, 0.5, 3.0])
def test_a_silence_is_told_about_a_second_after_the_line_s_timeout(timeout: float) -> None:
    one = Vitals(MEMORY)
    one.expect(timeout)
    ticks = next(number for number in range(1, 100) if one.tick())
    assert timeout + 0.75 <= ticks * TICK_S <= timeout + 1.25


def test_any_answer_ends_a_silence() -> None:
    one = Vitals(MEMORY)
    for _ in range(20):
        assert not one.tick()
        assert not one.tick()
        one.answered()


def test_memory_beyond_the_limit_is_told_with_both_figures() -> None:
    one = Vitals(MEMORY)
    assert one.weigh(0.0, MEMORY, 0.0) == ""
    assert one.memory == MEMORY
    assert one.weigh(1.0, 2 * MEMORY, 0.0) == "it took 128 MB of memory, and may take 64"


def weighed(share: float, seconds: int) -> list[str]:
    one = Vitals(MEMORY)
    return [one.weigh(float(now), 0, share * now) for now in range(seconds)]


def test_a_processor_may_be_used_by_a_share_of_it_for_ever() -> None:
    assert not any(weighed(0.9 * vitals.CPU_SHARE, 100))


def test_a_processor_that_is_kept_busy_is_told_after_the_window_and_not_before() -> None:
    said = weighed(0.97, 30)
    assert said.index("it kept a processor busy: 97% over 10 s") == CPU_WINDOW_S
    assert not any(said[: int(CPU_WINDOW_S)])


def test_a_busy_start_is_forgotten() -> None:
    one = Vitals(MEMORY)
    assert not any(one.weigh(float(now), 0, min(now, 2.0)) for now in range(60))
