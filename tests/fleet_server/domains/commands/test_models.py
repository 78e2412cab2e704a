from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.commands.models import (
    GRACE,
    MAX_SENDS,
    NEXT,
    RESULTS,
    Command,
    Trigger,
    check_expiry,
    check_value,
    is_plain,
    step,
)
from fleet_server.kernel.errors import Conflict, Invalid
from fleet_server.kernel.ports import ChannelNow, CommandStatus
from protocols.edge import messages as wire

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
STATUSES: tuple[CommandStatus, ...] = get_args(CommandStatus)


def command(expires_s: float = 30) -> Command:
    return Command(
        UUID(int=1), "G", 1, 1, "D", "dim", Decimal(40), "user:1", "Li", NOW, NOW + timedelta(seconds=expires_s),
        next_at=NOW,
    )  # fmt: skip


def channel(**changes: object) -> ChannelNow:
    values: dict[str, object] = {
        "name": "dim_setpoint", "title": {}, "quantity": "", "unit": "%", "kind": "gauge", "scale": -1,
        "writable": True, "limits": (0.0, 99.9), "states": {}, "period_ms": 1000, "value": None, "text": "",
        "quality": 0, "at": None,
    }  # fmt: skip
    return ChannelNow(**(values | changes))  # type: ignore[arg-type]


def test_what_the_gateway_settled_stays_settled() -> None:
    for status in ("done", "failed", "refused"):
        assert not [trigger for trigger in Trigger if (status, trigger) in NEXT]


def test_a_result_is_taken_in_every_other_status() -> None:
    for status in ("queued", "sent", "expired", "unknown"):
        for trigger, result in RESULTS.items():
            assert NEXT[status, trigger] == result
    assert {status for status, _ in NEXT} | set(NEXT.values()) == set(STATUSES)


def test_what_was_never_sent_expires_and_what_was_sent_becomes_unknown() -> None:
    assert NEXT["queued", Trigger.OVERDUE] == "expired"
    assert NEXT["sent", Trigger.OVERDUE] == "unknown"


@given(st.floats(5, 600), st.lists(st.floats(0, 40), max_size=60), st.booleans())
def test_a_command_is_sent_a_few_times_before_it_expires_and_then_given_up(
    expires_s: float, delays: list[float], lossy: bool
) -> None:
    """The dispatcher comes late by any delay; the broker takes every second sending."""
    known, now, sent_at = command(expires_s), NOW, list[datetime]()
    for delay in [*delays, *[1.0] * 60]:
        if known.next_at is None:
            break
        now = max(now, known.next_at) + timedelta(seconds=delay)
        trigger, next_at = step(known, now)
        assert next_at is None or next_at > now
        if trigger is None:
            known = replace(known, next_at=next_at)
            continue
        known = replace(known, status=NEXT[known.status, trigger], next_at=next_at)
        if trigger is Trigger.SENT and (not lossy or len(sent_at) % 2):
            known = replace(known, sends=known.sends + 1)
            sent_at.append(now)
        elif trigger is Trigger.SENT:
            lossy = not lossy
            known = replace(known, status="sent" if known.sends else "queued", next_at=now + timedelta(seconds=1))
    assert known.next_at is None
    assert known.status == ("unknown" if sent_at else "expired")
    assert len(sent_at) <= MAX_SENDS
    assert all(at < known.expires_at for at in sent_at)
    assert now >= known.expires_at + (GRACE if sent_at else timedelta())


@pytest.mark.parametrize("seconds", [4, 601, -1, 0])
def test_a_command_waits_neither_too_short_nor_too_long(seconds: int) -> None:
    with pytest.raises(Invalid, match="5 to 600"):
        check_expiry(seconds)


@pytest.mark.parametrize("value", ["0", "99.9", "40.5", "4E+1", "40.50"])
def test_a_value_within_limits_and_steps_is_taken_as_it_was_typed(value: str) -> None:
    assert str(check_value(channel(), Decimal(value))) == value


@pytest.mark.parametrize(
    ("changes", "value", "words"),
    [
        ({}, "-0.1", "from 0 to 99.9 %"),
        ({}, "99.95", "from 0 to 99.9 %"),
        ({}, "40.55", "a multiple of 0.1"),
        ({}, "NaN", "a number of at most 18 digits"),
        ({}, "Infinity", "a number"),
        ({}, "1E+99", "a number"),
        ({}, "1E-19", "a number"),
        ({"limits": None}, "1234567890123456789", "a number"),
        ({"states": {0: {}, 1: {}}, "limits": None}, "2", "one of 0, 1"),
        ({"states": {0: {}, 1: {}}, "limits": None, "scale": 0}, "0.5", "one of 0, 1"),
    ],
)
def test_another_value_is_refused_with_what_was_expected(changes: dict[str, object], value: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        check_value(channel(**changes), Decimal(value))
    assert "value" in caught.value.fields


def test_a_limit_is_the_decimal_it_prints_as() -> None:
    assert check_value(channel(limits=(0.1, 0.3)), Decimal("0.1")) == Decimal("0.1")
    assert check_value(channel(limits=(0.1, 0.3)), Decimal("0.3")) == Decimal("0.3")


def test_a_channel_that_cannot_be_written_is_not() -> None:
    with pytest.raises(Conflict, match="cannot be written"):
        check_value(channel(writable=False), Decimal(1))


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_whatever_is_accepted_the_wire_can_carry(value: Decimal) -> None:
    if is_plain(value):
        message = wire.Command("G", 1, 1, bytes(16), 0, 1, "D", "c", value, "p")
        assert wire.decode(wire.encode(message)) == message
