import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nbiot.recovery import LADDERS, LONGEST_PAUSE_S, Cause, Cure, Ladder, Step


def test_a_silent_module_is_probed_escaped_rebooted_and_then_loses_its_power() -> None:
    ladder = Ladder()
    assert [ladder.climb(Cause.SILENT) for _ in range(6)] == [
        Cure(Step.PROBE, 0.0),
        Cure(Step.ESCAPE, 0.0),
        Cure(Step.REBOOT, 0.0),
        Cure(Step.POWER, 0.0),
        Cure(Step.POWER, 1.0),
        Cure(Step.POWER, 2.0),
    ]
    ladder.proved()
    assert ladder.climb(Cause.SILENT) == Cure(Step.PROBE, 0.0)


@pytest.mark.parametrize("cause", [Cause.REFUSES, Cause.UNREGISTERED, Cause.MUTE])
def test_a_module_that_answers_first_has_its_radio_turned_off_and_on(cause: Cause) -> None:
    ladder = Ladder()
    assert [ladder.climb(cause).step for _ in range(3)] == [Step.RADIO, Step.REBOOT, Step.POWER]


def test_a_module_never_loses_its_power_because_a_peer_is_away() -> None:
    ladder = Ladder()
    assert {ladder.climb(Cause.FRUITLESS) for _ in range(100)} == {Cure(Step.RADIO, 0.0)}


@given(st.lists(st.sampled_from(Cause), min_size=1, max_size=60))
def test_whatever_is_met_no_cure_is_milder_than_the_last_and_pauses_are_bounded(causes: list[Cause]) -> None:
    ladder, last = Ladder(), Step.PROBE
    for cause in causes:
        cure = ladder.climb(cause)
        assert cure.step in LADDERS[cause]
        if cause is not Cause.FRUITLESS:
            assert cure.step >= last
            last = cure.step
        assert 0.0 <= cure.pause_s <= LONGEST_PAUSE_S
        assert cure.pause_s == 0.0 or cure.step is Step.POWER
