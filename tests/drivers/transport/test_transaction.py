"""One request after another in virtual time: silences, pauses, echoes and the end of patience."""

import math
from dataclasses import dataclass

import pytest

from drivers.base import LineDown, Nonsense, Unreachable
from drivers.transport.transaction import DRAIN_MOST_S, DRAIN_QUIET_S, Asked, Transaction
from protocols.dlt645.frame import Frame, FrameDecoder, encode_frame

CHAR_S, IDLE_S, QUIET_S, TIMEOUT_S = 0.001, 0.004, 0.1, 0.5
REQUEST, ANSWER = encode_frame(Frame("000000000161", 0x11)), Frame("000000000161", 0x91, b"\x01")
LONGEST = 20


@dataclass
class Wire:
    where: str = "line"
    char_s: float = CHAR_S
    idle_s: float = IDLE_S
    quiet_s: float | None = QUIET_S


@pytest.fixture
def transaction() -> Transaction[Frame]:
    """Open, and used once: what comes next needs no longer silence than any frame."""
    made = Transaction(Wire(), FrameDecoder(), 0.0)
    made.opened()
    begin(made, 0.0)
    made.wake(DRAIN_QUIET_S)
    made.take_output()
    made.receive(0.2, encode_frame(ANSWER))
    assert made.result == ANSWER
    return made


def begin(transaction: Transaction[Frame], now: float) -> None:
    transaction.begin(now, Asked("meter", REQUEST, LONGEST, lambda frame: frame, TIMEOUT_S))


def test_a_request_waits_for_the_silence_between_frames(transaction: Transaction[Frame]) -> None:
    begin(transaction, 0.201)
    assert transaction.take_output() == b""
    assert transaction.wake_at == pytest.approx(0.2 + IDLE_S)
    transaction.wake(transaction.wake_at)
    assert transaction.take_output() == REQUEST


def test_after_a_fault_the_line_is_listened_to_for_longer(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.wake(transaction.wake_at)
    assert isinstance(transaction.result, Unreachable)
    now = transaction.sent_at or 0.0
    transaction.receive(now + 1, b"\x55")
    begin(transaction, now + 1)
    assert transaction.wake_at == pytest.approx(now + 1 + DRAIN_QUIET_S)


def test_the_wait_counts_from_the_end_of_the_request_and_spares_the_answers_own_time(
    transaction: Transaction[Frame],
) -> None:
    begin(transaction, 1.0)
    assert transaction.sent_at == pytest.approx(1.0 + len(REQUEST) * CHAR_S)
    assert transaction.wake_at == pytest.approx(1.0 + (len(REQUEST) + LONGEST) * CHAR_S + TIMEOUT_S)
    transaction.wake(transaction.wake_at)
    assert str(transaction.result) == "meter: no answer within 0.5 s"


def test_a_frame_that_stops_is_told_once_the_line_is_quiet(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.receive(1.1, encode_frame(ANSWER)[:-3])
    assert transaction.wake_at == pytest.approx(1.1 + QUIET_S)
    transaction.wake(transaction.wake_at)
    assert isinstance(transaction.result, Nonsense)


def test_an_echo_is_no_frame_and_a_piece_of_one_is_not_lost(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.receive(1.05, REQUEST[:7])
    transaction.receive(1.06, REQUEST[7:] + encode_frame(ANSWER))
    assert transaction.result == ANSWER
    begin(transaction, 2.0)
    transaction.receive(2.1, REQUEST[:5])
    transaction.wake(2.1 + QUIET_S)
    assert "bytes of a frame, then silence" in str(transaction.result)


def test_a_line_that_is_never_quiet_is_not_talked_over(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.wake(transaction.wake_at)
    now = transaction.sent_at or 0.0
    transaction.take_output()
    begin(transaction, now)
    for step in range(math.ceil(DRAIN_MOST_S / 0.02) + 2):
        transaction.receive(now + 0.02 * step, b"\x55")
        transaction.wake(now + 0.02 * step)
    assert str(transaction.result) == "line: the line has not been quiet for 1 s; who is talking?"
    assert transaction.take_output() == b""
    assert transaction.sent_at is None


def test_a_line_that_is_lost_ends_the_request_and_refuses_the_next(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.lost("pulled out")
    assert isinstance(transaction.result, LineDown)
    begin(transaction, 1.1)
    assert str(transaction.result) == "line: pulled out"
    transaction.opened()
    begin(transaction, 1.2)
    assert transaction.result is None


def test_nothing_wakes_for_a_request_that_was_abandoned(transaction: Transaction[Frame]) -> None:
    begin(transaction, 1.0)
    transaction.abandon()
    assert transaction.wake_at == math.inf
    transaction.receive(1.1, encode_frame(ANSWER))
    transaction.wake(9.0)
    assert transaction.result is None
