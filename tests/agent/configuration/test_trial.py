import pytest

from agent.configuration.trial import Evidence, objection

SILENT, CRASHED = Evidence(silent=("Meter 1",)), Evidence(crashed=("bus a",))


def test_a_device_and_the_server_have_until_the_trial_is_over() -> None:
    for evidence in (SILENT, Evidence(unacknowledged=True)):
        assert objection(evidence, over=False, confirmed=True) == ""
        assert objection(evidence, over=True, confirmed=True)


def test_a_crash_decides_at_once() -> None:
    assert objection(CRASHED, over=False, confirmed=True) == "failed unexpectedly: bus a"


def test_without_a_confirmation_that_was_asked_for_it_does_not_stay() -> None:
    assert objection(Evidence(), over=True, confirmed=False) == "not confirmed"
    assert objection(Evidence(), over=True, confirmed=True) == ""


@pytest.mark.parametrize(("count", "told"), [(2, "n0, n1"), (7, "n0, n1, n2, n3, n4 and 2 more")])
def test_of_many_silent_devices_some_are_named(count: int, told: str) -> None:
    evidence = Evidence(silent=tuple(f"n{number}" for number in range(count)))
    assert objection(evidence, over=True, confirmed=True) == f"no answer from {told}"
