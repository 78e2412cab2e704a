from hypothesis import given
from hypothesis import strategies as st

from drivers.outside.output import LONGEST, MOST, PERIOD_S, Output, one_line


@given(st.lists(st.binary(max_size=3 * LONGEST), max_size=8))
def test_however_it_is_printed_lines_are_short_few_and_forge_nothing(parts: list[bytes]) -> None:
    output = Output()
    lines = [line for part in parts for line in output.lines(part, 1.0)] + output.end()
    assert len(lines) <= MOST + 1
    assert all(0 < len(line) <= LONGEST for line in lines)
    assert not {"\r", "\x1b", "\u2028", "\u202e"} & set("".join(lines))


@given(st.text("ab \n", max_size=60), st.data())
def test_lines_are_the_same_wherever_the_stream_is_cut(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    output = Output()
    found = output.lines(text[:cut].encode(), 1.0) + output.lines(text[cut:].encode(), 1.0) + output.end()
    assert found == [line.rstrip() for line in text.split("\n") if line.rstrip()]


def test_lines_beyond_the_limit_are_counted_and_told_in_the_next_period() -> None:
    output = Output()
    assert len(output.lines(b"x\n" * (MOST + 7), 100.0)) == MOST
    assert output.lines(b"y\n", 101.0 + PERIOD_S) == ["(7 more lines were left out)", "y"]


def test_what_was_left_out_last_is_told_at_the_end() -> None:
    output = Output()
    output.lines(b"x\n" * (MOST + 7), 100.0)
    assert output.end() == ["(7 more lines were left out)"]


def test_a_line_without_end_is_given_once_and_cut() -> None:
    output = Output()
    lines = [line for _ in range(100) for line in output.lines(b"x" * LONGEST, 100.0)]
    assert lines == ["x" * LONGEST]
    assert output.lines(b"tail\nnext\n", 100.0) == ["next"]


def test_a_line_cannot_pass_for_one_of_the_gateway_s() -> None:
    assert Output().lines("\x1b[2Jall well\r2026 INFO\u2028\n".encode(), 0.0) == ["?[2Jall well?2026 INFO?"]


def test_what_a_driver_says_of_an_error_forges_no_line_and_holds_no_nul() -> None:
    assert one_line("meter 7\0: no\nERROR root: all is lost\n") == "meter 7?: no?ERROR root: all is lost"
    assert len(one_line("x" * 1_000_000)) == LONGEST
