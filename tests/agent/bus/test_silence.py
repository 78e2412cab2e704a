from hypothesis import given
from hypothesis import strategies as st

from agent.bus.health import Change
from agent.bus.silence import SILENT_PERIODS, Silence


def test_a_device_is_silent_after_three_of_its_own_periods() -> None:
    silence = Silence([1000, 60_000], 0)
    assert silence.next_at() == 3000
    assert silence.fallen(2999) == []
    assert silence.fallen(3000) == [Change(0, False, 0, "no report for 3 s")]
    assert not silence.devices[0].reachable
    assert silence.devices[1].reachable
    assert silence.next_at() == 180_000


def test_it_is_told_once() -> None:
    silence = Silence([1000], 0)
    assert len(silence.fallen(3000)) == 1
    assert silence.fallen(9000) == []
    assert silence.next_at() is None


def test_a_report_brings_it_back_and_says_since_when_it_was_away() -> None:
    silence = Silence([1000], 0)
    silence.heard(0, 500)
    silence.fallen(10_000)
    assert silence.heard(0, 12_000) == Change(0, True, 500, "no report for 9.5 s")
    assert silence.devices[0].reachable
    assert silence.heard(0, 12_500) is None


def test_what_nobody_could_hear_is_held_against_nobody() -> None:
    silence = Silence([1000], 0)
    silence.listening_again(60_000)
    assert silence.fallen(62_999) == []
    assert len(silence.fallen(63_000)) == 1


@given(st.lists(st.integers(0, 2999), max_size=30))
def test_whoever_reports_within_three_periods_is_never_silent(pauses: list[int]) -> None:
    silence, now = Silence([1000], 0), 0
    for pause in pauses:
        now += pause
        assert silence.fallen(now) == []
        silence.heard(0, now)
    assert silence.next_at() == now + SILENT_PERIODS * 1000
