import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.at.client import MAX_LINE, AtClient, Booted, Event, Noise, Prompt, Stale, Unsolicited
from protocols.at.command import Command, CommandRefused, Response, line_of, lines_of
from protocols.errors import LocalProtocolError, RemoteProtocolError

BOOT = r"REBOOT_CAUSE_|Neul *$|RDY *$"
SIGNAL = Command("AT+CSQ", answer=r"\+CSQ ?: ?\d+ ?, ?\d+")
SEND = Command('AT+QISEND=0,4,"01020304"', completion="SEND OK|SEND FAIL")
TYPED = Command("AT+QISEND=0,5", completion="SEND OK|SEND FAIL", data=b"Hello")


def drain(client: AtClient) -> list[Event]:
    return list(iter(client.next_event, None))


def converse(command: Command | None, stream: bytes, cuts: list[int], *, echoes: bool = False) -> list[Event]:
    client = AtClient(BOOT)
    client.expect_echo(echoes)
    if command is not None:
        assert client.send(command) == command.text.encode() + b"\r"
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    events = []
    for start, end in itertools.pairwise(edges):
        client.receive_data(stream[start:end])
        events += drain(client)
    return events


STREAMS: dict[str, tuple[Command | None, bytes, list[Event]]] = {
    "plain": (SIGNAL, b"\r\n+CSQ:13,99\r\n\r\nOK\r\n", [Response(SIGNAL, "OK", ("+CSQ:13,99",))]),
    "colon with a space": (SIGNAL, b"\r\n+CSQ: 13,99\r\n\r\nOK\r\n", [Response(SIGNAL, "OK", ("+CSQ: 13,99",))]),
    "echo": (SIGNAL, b"AT+CSQ\r\r\n+CSQ:13,99\r\n\r\nOK\r\n", [Response(SIGNAL, "OK", ("+CSQ:13,99",))]),
    "unsolicited inside the echo": (
        SIGNAL,
        b"AT+C\r\n+NSONMI:0,3\r\nSQ\r\r\n+CSQ:13,99\r\n\r\nOK\r\n",
        [Unsolicited("+NSONMI:0,3"), Response(SIGNAL, "OK", ("+CSQ:13,99",))],
    ),
    "unsolicited inside the echo without a line end before it": (
        SIGNAL,
        b"AT+C+NSONMI:0,3\r\nSQ\r\r\n+CSQ:13,99\r\n\r\nOK\r\n",
        [Unsolicited("+NSONMI:0,3"), Response(SIGNAL, "OK", ("+CSQ:13,99",))],
    ),
    "unsolicited before, between and behind the lines": (
        SIGNAL,
        b"\r\n+CEREG:2\r\n\r\n+CSQ:13,99\r\n\r\n+NSONMI:0,3\r\n\r\nOK\r\n\r\n+CEREG:1\r\n",
        [
            Unsolicited("+CEREG:2"),
            Unsolicited("+NSONMI:0,3"),
            Response(SIGNAL, "OK", ("+CSQ:13,99",)),
            Unsolicited("+CEREG:1"),
        ],
    ),
    "completion behind OK": (SEND, b"\r\nOK\r\n\r\nSEND OK\r\n", [Response(SEND, "OK", (), "SEND OK")]),
    "completion with something unsolicited before it": (
        SEND,
        b'\r\nOK\r\n\r\n+QIURC: "recv",0,2,"4f4b"\r\n\r\nSEND FAIL\r\n',
        [Unsolicited('+QIURC: "recv",0,2,"4f4b"'), Response(SEND, "OK", (), "SEND FAIL")],
    ),
    "completion before OK": (SEND, b"\r\nSEND OK\r\n\r\nOK\r\n", [Response(SEND, "OK", (), "SEND OK")]),
    "no completion behind an error": (SEND, b"\r\nERROR\r\n", [Response(SEND, "ERROR")]),
    "error with a reason": (SIGNAL, b"\r\n+CME ERROR: 513\r\n", [Response(SIGNAL, "+CME ERROR: 513")]),
    "prompt": (
        TYPED,
        b"AT+QISEND=0,5\r\r\n> \r\nOK\r\n\r\nSEND OK\r\n",
        [Prompt(b"Hello"), Response(TYPED, "OK", (), "SEND OK")],
    ),
    "boot noise": (
        SIGNAL,
        b"\xfe\x00\xff\xf1\r\nREBOOT_CAUSE_SECURITY_PMU_POWER_ON_RESET\r\nNeul \r\nOK\r\n",
        [
            Noise(b"\xfe\x00\xff\xf1"),
            Booted("REBOOT_CAUSE_SECURITY_PMU_POWER_ON_RESET"),
            Response(SIGNAL, ""),
            Booted("Neul "),
            Stale("OK"),
        ],
    ),
    "bare line feeds": (SIGNAL, b"+CSQ:1,99\nOK\n", [Response(SIGNAL, "OK", ("+CSQ:1,99",))]),
    "nothing asked": (None, b"\r\nOK\r\n\r\n+NSONMI:0,3\r\n", [Stale("OK"), Unsolicited("+NSONMI:0,3")]),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_means_the_same_however_it_is_cut(name: str) -> None:
    command, stream, expected = STREAMS[name]
    assert converse(command, stream, []) == expected
    for cut in range(len(stream)):
        assert converse(command, stream, [cut]) == expected
    assert converse(command, stream, list(range(len(stream)))) == expected


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 200), max_size=12))
def test_a_stream_means_the_same_however_often_it_is_cut(name: str, cuts: list[int]) -> None:
    command, stream, expected = STREAMS[name]
    assert converse(command, stream, cuts) == expected


@given(st.integers(0, len(SIGNAL.text)), st.booleans())
def test_an_unsolicited_line_anywhere_in_an_echo_is_told_and_harms_no_answer(place: int, line_end: bool) -> None:
    echo = SIGNAL.text.encode()
    stream = echo[:place] + (b"\r\n" if line_end else b"") + b"+NSONMI:0,3\r\n" + echo[place:] + b"\r"
    events = converse(SIGNAL, stream + b"\r\n+CSQ:13,99\r\n\r\nOK\r\n", [], echoes=True)
    assert events == [Unsolicited("+NSONMI:0,3"), Response(SIGNAL, "OK", ("+CSQ:13,99",))]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_noise_is_never_an_answer_with_a_line_and_never_an_exception(noise: bytes, cuts: list[int]) -> None:
    whole = converse(SIGNAL, noise, [])
    assert converse(SIGNAL, noise, cuts) == whole
    assert [event for event in whole if isinstance(event, Response) and event.lines] == []


def test_a_late_answer_is_never_taken_for_the_next_one_once_the_echo_is_on() -> None:
    client = AtClient(BOOT)
    client.expect_echo(True)
    client.send(SEND)
    client.abandon()
    client.send(SIGNAL)
    client.receive_data(b"\r\n+CSQ:1,99\r\n\r\nOK\r\nAT+CSQ\r\r\n+CSQ:31,99\r\n\r\nOK\r\n")
    assert drain(client) == [Unsolicited("+CSQ:1,99"), Stale("OK"), Response(SIGNAL, "OK", ("+CSQ:31,99",))]


def test_an_echo_that_begins_again_is_the_present_one() -> None:
    client = AtClient(BOOT)
    client.expect_echo(True)
    client.send(SIGNAL)
    client.receive_data(b"AT+CS")
    client.abandon()
    client.send(SIGNAL)
    client.receive_data(b"\r\n\r\nOK\r\nAT+CSQ\r\r\n+CSQ:31,99\r\n\r\nOK\r\n")
    assert drain(client) == [Stale("OK"), Response(SIGNAL, "OK", ("+CSQ:31,99",))]


def test_what_the_module_says_while_it_begins_anew_answers_nothing() -> None:
    events = converse(SIGNAL, b"AT+CSQ\r\r\nNeul \r\nOK\r\n\r\n+CSQ:13,99\r\n\r\nOK\r\n", [], echoes=True)
    assert events[:2] == [Booted("Neul "), Response(SIGNAL, "")]
    assert [event for event in events[2:] if isinstance(event, Response)] == []


def test_a_line_without_end_costs_bounded_memory_and_is_told_as_noise() -> None:
    client = AtClient(BOOT)
    for _ in range(100):
        client.receive_data(b"x" * 1000)
    assert len(client._buffer) <= MAX_LINE
    client.receive_data(b"\r\n+CEREG:1\r\n")
    assert drain(client) == [Noise(b"x" * 64), Unsolicited("+CEREG:1")]


def test_only_one_command_is_in_flight() -> None:
    client = AtClient(BOOT)
    client.send(SIGNAL)
    with pytest.raises(LocalProtocolError, match=r"AT\+CSQ has not been answered"):
        client.send(SEND)
    client.receive_data(b"OK\r\n")
    client.send(SEND)


@pytest.mark.parametrize("text", ["", "+CSQ", "AT+CSQ\r", "AT+QISEND=0,1,\n", "ATé", "AT" + "0" * 5000])
def test_what_could_carry_a_second_command_is_none(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        Command(text)


def test_a_refusal_says_what_was_refused_and_why() -> None:
    with pytest.raises(CommandRefused, match=r"AT\+NMGS=01,FF: \+CME ERROR: 513") as caught:
        lines_of(Response(Command("AT+NMGS=01,FF"), "+CME ERROR: 513"))
    assert caught.value.code == 513
    with pytest.raises(CommandRefused, match="began anew") as caught:
        lines_of(Response(SIGNAL, ""))
    assert caught.value.code is None
    with pytest.raises(RemoteProtocolError, match="without the line"):
        line_of(Response(SIGNAL, "OK"))
