import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.lines.reader import LONGEST, NEED_DATA, LineReader

contents = st.binary(min_size=1, max_size=30).filter(lambda line: not set(line) & set(b"\r\n"))
ends = st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n"])


def read(reader: LineReader, *pieces: bytes) -> list[bytes | str]:
    found: list[bytes | str] = []
    for piece in pieces:
        reader.receive_data(piece)
        while True:
            try:
                line = reader.next_line()
            except RemoteProtocolError as error:
                found.append(str(error))
                continue
            if line is NEED_DATA:
                break
            found.append(line)
    return found


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.tuples(contents, ends), max_size=8), st.lists(st.integers(0, 200), max_size=8))
def test_lines_are_found_wherever_the_stream_was_cut_and_however_they_end(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(line + end for line, end in lines)
    assert read(LineReader(), *split(stream, cuts)) == [line for line, _ in lines]


@given(st.binary(max_size=120), st.lists(st.integers(0, 120), max_size=8))
def test_the_result_does_not_depend_on_how_the_bytes_were_cut(stream: bytes, cuts: list[int]) -> None:
    assert read(LineReader(10), *split(stream, cuts)) == read(LineReader(10), stream)


def test_an_open_line_is_not_given_out() -> None:
    assert read(LineReader(), b"ab", b"c") == []


def test_a_line_that_is_too_long_is_told_once_and_the_next_one_read() -> None:
    reader = LineReader(4)
    assert read(reader, b"abcdefgh" * 10, b"ij\nabcd\n") == ["a line of more than 4 bytes", b"abcd"]


def test_who_joins_in_the_middle_waits_for_the_next_line() -> None:
    assert read(LineReader(from_next_line=True), b"23.5,40", b".1\r", b"\n24.0,40.2\r\n") == [b"24.0,40.2"]


def test_memory_is_bounded_without_a_line_end() -> None:
    reader = LineReader()
    for _ in range(1000):
        reader.receive_data(b"x" * 1000)
    assert len(reader._open) <= LONGEST
    with pytest.raises(RemoteProtocolError, match="more than 1024 bytes"):
        reader.next_line()
    assert reader.next_line() is NEED_DATA


def test_what_was_received_before_a_question_is_no_answer_to_it() -> None:
    reader = LineReader()
    reader.receive_data(b"late\nhalf")
    reader.drop()
    assert read(reader, b"answer\n") == [b"answer"]
