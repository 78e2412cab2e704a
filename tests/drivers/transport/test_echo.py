import itertools

from hypothesis import given
from hypothesis import strategies as st

from drivers.transport.echo import Echo

REQUEST, ANSWER = bytes.fromhex("01 03 00 00 00 02 c4 0b"), bytes.fromhex("01 03 04 00 06 00 05 da 31")
WRITE = bytes.fromhex("01 06 00 01 00 03 98 0b")  # answered by itself


def hear(echo: Echo, pieces: list[bytes]) -> bytes:
    return b"".join(map(echo.strip, pieces)) + echo.release()


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(marks)]


@given(st.lists(st.integers(0, 99), max_size=5))
def test_an_echo_goes_and_the_answer_stays_wherever_they_are_cut(cuts: list[int]) -> None:
    echo = Echo()
    echo.expect(REQUEST, mirrored=False)
    assert hear(echo, pieces_of(REQUEST + ANSWER, cuts)) == ANSWER
    assert echo.heard


@given(st.binary(max_size=20), st.lists(st.integers(0, 99), max_size=5))
def test_without_an_echo_not_a_byte_is_lost(data: bytes, cuts: list[int]) -> None:
    echo = Echo()
    echo.expect(REQUEST, mirrored=False)
    if not data.startswith(REQUEST):
        assert hear(echo, pieces_of(data, cuts)) == data
        assert not echo.heard


def test_a_writes_answer_is_no_echo_on_a_line_that_makes_none() -> None:
    echo = Echo()
    echo.expect(REQUEST, mirrored=False)
    hear(echo, [ANSWER])
    echo.expect(WRITE, mirrored=True)
    assert hear(echo, [WRITE]) == WRITE


def test_on_a_line_that_echoes_a_writes_answer_is_the_second() -> None:
    echo = Echo()
    echo.expect(REQUEST, mirrored=False)
    hear(echo, [REQUEST, ANSWER])
    echo.expect(WRITE, mirrored=True)
    assert hear(echo, [WRITE]) == b""
    echo.expect(WRITE, mirrored=True)
    assert hear(echo, [WRITE + WRITE]) == WRITE


def test_a_line_that_ceases_to_echo_is_known_by_the_next_read() -> None:
    echo = Echo()
    for heard in (REQUEST + ANSWER, ANSWER):
        echo.expect(REQUEST, mirrored=False)
        hear(echo, [heard])
    echo.expect(WRITE, mirrored=True)
    assert hear(echo, [WRITE]) == WRITE
