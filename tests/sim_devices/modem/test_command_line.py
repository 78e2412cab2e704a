import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_devices.modem.command_line import MAX_LINE, CommandLine


class Desk:
    def __init__(self) -> None:
        self.said = bytearray()
        self.done: list[tuple[str | None, str]] = []
        self.line = CommandLine(self.said.extend, lambda key, rest: self.done.append((key, rest)))

    def type(self, data: bytes) -> None:
        for byte in data:
            self.line.type(byte)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"AT\r", ("", "")),
        (b"ate1\r\n", ("E1", "")),
        (b"AT+CSQ\r", ("+CSQ", "")),
        (b"AT+CEREG?\r", ("+CEREG?", "")),
        (b"AT+CFUN=?\r", ("+CFUN=?", "")),
        (b'AT+QIOPEN=0,0,"UDP","host",1\r', ("+QIOPEN=", '0,0,"UDP","host",1')),
        (b"\x00\xffAT+CSQ\r", ("+CSQ", "")),
        (b"AT;\r", (None, "")),
    ],
)
def test_a_line_is_a_command_with_what_stands_behind_it(typed: bytes, expected: tuple[str | None, str]) -> None:
    desk = Desk()
    desk.type(typed)
    assert desk.done == [expected]
    assert bytes(desk.said) == typed


@given(st.binary(min_size=1, max_size=40))
def test_data_behind_a_prompt_may_be_anything_and_is_not_echoed(data: bytes) -> None:
    desk, got = Desk(), list[bytes | None]()
    desk.line.ask_for_data(len(data), got.append)
    desk.type(data)
    escaped = data[:1] == b"\x1b"
    assert desk.said == b"\r\n> " + (data[1:] if escaped else b"")  # what comes behind an escape is a command again
    assert got == ([None] if escaped else [data])


@given(st.binary(max_size=200))
def test_noise_is_carried_out_as_nothing_but_what_begins_with_at(noise: bytes) -> None:
    desk = Desk()
    desk.type(noise + b"\r")
    assert len(desk.done) <= noise.upper().count(b"AT")
    desk.type(b"x" * (2 * MAX_LINE))
    assert len(desk.line._typed) <= MAX_LINE
