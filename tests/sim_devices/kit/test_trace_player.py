"""What was recorded of a real simulated line is played to another client, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.trace import About, Fault, Gap, Piece, Recording
from sim_devices.clock import Now
from sim_devices.kit.trace_player import STEP_S, Player, Script

NOW = Now(0.0, 0, 0)


def recorded(*entries: Piece | Gap | Fault, driver: str = "modbus-rtu") -> Script:
    return Script(Recording(About("line", driver, "x"), entries))


def test_to_a_request_come_the_bytes_that_came_then_in_the_same_time() -> None:
    script = recorded(Piece(1_000_000, True, b"ask"), Piece(1_020_000, False, b"an"), Piece(1_036_000, False, b"swer"))
    sends = Player(script).converse("pty").receive(b"ask", NOW)
    assert [(round(send.after, 6), send.data) for send in sends] == [(0.02, b"an"), (0.036, b"swer")]


def test_the_same_request_is_answered_as_it_was_each_time_and_then_from_the_beginning() -> None:
    script = recorded(
        Piece(0, True, b"ask"), Piece(10, False, b"1"), Piece(100_000, True, b"ask"),
        Piece(200_000, True, b"ask"), Piece(200_010, False, b"3"),
    )  # fmt: skip
    talk = Player(script).converse("pty")
    assert [[send.data for send in talk.receive(b"ask", NOW)] for _ in range(4)] == [[b"1"], [], [b"3"], [b"1"]]


@given(st.integers(0, 3))
def test_a_request_that_comes_in_pieces_is_one(cut: int) -> None:
    talk = Player(recorded(Piece(0, True, b"ask"), Piece(1, False, b"!"))).converse("pty")
    sends = talk.receive(b"ask"[:cut], NOW) + talk.receive(b"ask"[cut:], NOW)
    assert [send.data for send in sends] == [b"!"]


def test_what_was_never_asked_is_not_answered_and_counted() -> None:
    player = Player(recorded(Piece(0, True, b"ask"), Piece(1, False, b"!")))
    talk = player.converse("pty")
    assert talk.receive(b"other", NOW) == []
    assert talk.idle(NOW) == []
    assert player.unknown == 1
    assert [send.data for send in talk.receive(b"ask", NOW)] == [b"!"]


def test_an_answer_on_modbus_tcp_takes_the_clients_transaction() -> None:
    ask = bytes.fromhex("0007 0000 0006 01 03 0000 0001")
    tell = bytes.fromhex("0007 0000 0005 01 03 02 0064")
    talk = Player(recorded(Piece(0, True, ask), Piece(1, False, tell), driver="modbus-tcp")).converse("tcp")
    (send,) = talk.receive(b"\xab\xcd" + ask[2:], NOW)
    assert send.data == b"\xab\xcd" + tell[2:]


def test_what_is_missing_in_the_recording_answers_nothing() -> None:
    script = recorded(Piece(0, True, b"ask"), Gap(5, 3), Piece(10, False, b"late"), Fault(11, "", "timeout", "?"))
    assert Player(script).converse("pty").receive(b"ask", NOW) == []


def test_a_device_that_speaks_of_itself_does_so_at_its_own_times() -> None:
    script = recorded(Piece(500_000, False, b"a"), Piece(560_000, False, b"b"), driver="lines")
    talk = Player(script).converse("pty")
    assert talk.every_s == STEP_S
    assert [[(round(send.after, 6), send.data) for send in talk.speak(NOW)] for _ in range(2)] == [
        [(0.0, b"a")],
        [(pytest.approx(0.01), b"b")],
    ]
