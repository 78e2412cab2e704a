import asyncio

import pytest

from drivers.base import Span
from drivers.catalog import BUILTIN
from drivers.conformance import Act, DriverUnderTest, Golden, Later
from drivers.conformance.bench import NotApplicable, honest
from drivers.conformance.checks import CHECKS
from drivers.conformance.trial import NotConforming, once, run, side_by_side

FAMILY = BUILTIN["modbus-rtu-over-tcp"]
NOTHING = Golden({b"?": b"!"})


def test_a_golden_device_answers_its_requests_however_they_come_and_no_others() -> None:
    hear = Golden({b"ask": b"1", b"ask more": b"2"}).begin(Act.HONEST)
    assert hear is not None
    assert [hear(part) for part in (b"noise a", b"sk", b"nothing", b"x" * 99 + b"ask")] == [b"", b"1", b"", b"1"]


def test_a_golden_device_has_only_the_acts_it_was_given() -> None:
    golden = Golden({b"a": b"1"}, refusals={b"a": b"no"})
    assert golden.begin(Act.ELSEWHERE) is None
    refusing = golden.begin(Act.REFUSING)
    assert refusing is not None
    assert refusing(b"a") == b"no"


def test_only_expected_channels_are_read_each_place_once() -> None:
    subject = DriverUnderTest(FAMILY, FAMILY.load_model("fan"), 3, NOTHING, {"speed": 1, "running": 0})
    assert subject.spans() == [Span("discrete", 0, 1), Span("input", 0, 1)]
    assert subject.expected_in(Span("input", 0, 1)) == {"speed": 1}


def test_a_while_later_the_device_and_what_is_expected_of_it_are_others() -> None:
    other = Golden({b"?": b"!!"})
    subject = DriverUnderTest(FAMILY, FAMILY.load_model("fan"), 3, NOTHING, {"speed": 1}, Later(other, {"speed": 2}))
    after = subject.a_while_later()
    assert after is not None
    assert (after.device, after.expect, after.later) == (other, {"speed": 2}, None)
    assert after.a_while_later() is None


def test_a_script_acts_once_on_the_answer_it_is_meant_for() -> None:
    script = once(lambda answer: [answer * 2], 2)
    assert [list(script(b"x")) for _ in range(3)] == [[b"x"], [b"xx"], [b"x"]]
    assert honest(b"x") == [b"x"]


async def test_of_trials_side_by_side_the_first_failure_is_told_and_the_others_end() -> None:
    ended: list[str] = []

    async def lasting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("lasting")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise NotConforming("it is wrong")

    with pytest.raises(NotConforming, match="it is wrong"):
        await side_by_side([lasting, failing])
    assert ended == ["lasting"]


def test_an_error_that_comes_out_of_the_event_loop_fails_a_check() -> None:
    async def check(_: DriverUnderTest) -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(0.01)

    with pytest.raises(NotConforming, match="ZeroDivisionError"):
        run(check, DriverUnderTest(FAMILY, FAMILY.load_model("fan"), 3, NOTHING, {"speed": 1}))


def test_a_task_that_is_left_behind_fails_a_check() -> None:
    kept: list[object] = []

    async def check(_: DriverUnderTest) -> None:
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))

    with pytest.raises(NotConforming, match="1 tasks running"):
        run(check, DriverUnderTest(FAMILY, FAMILY.load_model("fan"), 3, NOTHING, {"speed": 1}))


def test_every_check_has_a_name_and_a_promise_of_its_own() -> None:
    assert len({check.name for check in CHECKS}) == len({check.promise for check in CHECKS}) == len(CHECKS)


@pytest.mark.long
def test_a_device_that_never_answers_fails_a_check_and_is_not_skipped() -> None:
    subject = DriverUnderTest(FAMILY, FAMILY.load_model("fan"), 3, NOTHING, {"speed": 1})
    values = next(check for check in CHECKS if check.name == "values")
    with pytest.raises(NotConforming, match="no answer"):
        values(subject)
    assert issubclass(NotConforming, AssertionError)
    assert not issubclass(NotApplicable, AssertionError)
