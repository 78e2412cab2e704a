from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet_server.domains.configuration.models import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Version,
    check_text,
    check_trial,
    standing,
    step,
    tag,
)
from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.ports import ConfigurationNow, GatewayNow
from protocols.edge.desired import MAX_TEXT

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def version(**changes: Any) -> Version:
    return replace(Version("G", 5, "desired", "a = 1", "u", "U", NOW, "waiting"), **changes)


def gateway(**changes: Any) -> GatewayNow:
    usual = GatewayNow("G", True, NOW, 3, "synchronised", 5, "1.0", 0, 1, NOW, (), incarnation=9)
    return replace(usual, **changes)


@pytest.mark.parametrize("text", ["a = ", "a = " + "[" * 20_000, "a = " + "1" * 5_000, "", " \n", "\ud800"])
def test_a_text_that_no_gateway_could_read_is_refused_where_it_is_written(text: str) -> None:
    with pytest.raises(Invalid):
        check_text(text)


def test_a_text_may_be_as_long_as_a_message_carries_and_a_browser_s_line_ends_are_mended() -> None:
    assert check_text("a = 1\r\nb = 2\r\n") == "a = 1\nb = 2\n"
    longest = "#" * MAX_TEXT
    assert check_text(longest) == longest
    with pytest.raises(Invalid):
        check_text(longest + "#")


@pytest.mark.parametrize("seconds", [4, 3601])
def test_a_trial_is_neither_too_short_to_prove_anything_nor_without_end(seconds: int) -> None:
    with pytest.raises(Invalid):
        check_trial(seconds)
    assert [check_trial(each) for each in (5, 3600)] == [5, 3600]


def test_it_is_sent_once_to_each_connection_and_then_less_and_less_often() -> None:
    assert step(version(), gateway(), NOW).send
    for sends, wait in ((1, FIRST_WAIT), (2, 2 * FIRST_WAIT), (12, LONGEST_WAIT)):
        sent = version(sends=sends, sent_at=NOW, sent_on=3)
        assert not step(sent, gateway(), NOW + wait - timedelta(seconds=1)).send
        assert step(sent, gateway(), NOW + wait).send
        assert step(sent, gateway(connection=4), NOW).send


@pytest.mark.parametrize("present", [None, gateway(online=False), gateway(incarnation=None)])
def test_nothing_is_sent_to_a_gateway_that_is_away_and_a_check_does_not_wait_for_it(present: GatewayNow | None) -> None:
    assert not step(version(), present, NOW).send
    check = version(kind="check", expires_at=NOW + timedelta(seconds=60))
    assert not step(check, present, NOW).expire
    assert step(check, present, NOW + timedelta(seconds=60)).expire


def test_a_gateway_that_runs_something_else_than_was_applied_is_not_in_step() -> None:
    runs = gateway(configuration=ConfigurationNow(2, "ab" * 32, False, ""))
    assert standing(None, runs) == "local"
    assert standing(version(status="applied", running="ab" * 32), runs) == "in-step"
    assert standing(version(status="applied", running="cd" * 32), runs) == "changed"
    assert standing(version(status="sent"), replace(runs, online=False)) == "offline"
    assert standing(version(status="returned"), runs) == "returned"


def test_what_an_editor_saw_holds_no_more_once_something_else_is_desired_or_runs() -> None:
    seen = tag(5, "ab" * 32)
    assert seen == tag(5, "ab" * 32)
    assert seen not in (tag(6, "ab" * 32), tag(5, "cd" * 32))
