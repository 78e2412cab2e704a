import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.frames import APART_US, Burst, Reader, bursts, seen
from protocols.cjt188.frame import encode_frame as encode_cjt188
from protocols.cjt188.messages import METERING, Read
from protocols.dlt645.frame import encode_frame as encode_dlt645
from protocols.dlt645.messages import ReadData
from protocols.mbus.frame import encode_frame as encode_mbus
from protocols.mbus.requests import request_data
from protocols.modbus.codes import Function
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ReadRegisters
from protocols.modbus.rtu import encode_rtu
from protocols.modbus.tcp import encode_tcp
from protocols.trace import About, Piece, Recording

ASK = ReadRegisters(Function.READ_INPUT_REGISTERS, 10, 2).encode()
TELL = bytes([4, 4, 0, 1, 0xAB, 0xCD])
CASES = {
    "modbus-rtu": (encode_rtu(Frame(7, ASK)), "7", "read input registers 10 to 11"),
    "modbus-tcp": (encode_tcp(Frame(7, ASK, 3)), "7", "read input registers 10 to 11"),
    "dlt645": (encode_dlt645(ReadData(0x00010000).frame("000000000161")), "000000000161", "read 00010000"),
    "cjt188": (
        encode_cjt188(Read(METERING, 5).frame(0x10, "11110000000007")), "11110000000007", "type 10, read 1f 90 05"
    ),
    "mbus": (encode_mbus(request_data(9, True)), "9", "request data"),
}  # fmt: skip


def line(driver: str, *pieces: Piece) -> Recording:
    return Recording(About("line", driver, "/dev/ttyS0"), pieces)


@pytest.mark.parametrize("driver", CASES)
def test_a_request_of_each_family_is_put_into_words(driver: str) -> None:
    data, unit, words = CASES[driver]
    told = [one.part for one in seen(line(driver, Piece(0, True, data)))]
    assert (told[-1].unit, told[-1].words, told[-1].good) == (unit, words, True)
    assert b"".join(part.data for part in told) == data


@pytest.mark.parametrize("driver", ["modbus-rtu", "modbus-tcp"])
def test_an_answer_is_read_by_its_question(driver: str) -> None:
    ask, *_ = CASES[driver]
    tell = encode_rtu(Frame(7, TELL)) if driver == "modbus-rtu" else encode_tcp(Frame(7, TELL, 3))
    reader = Reader(driver)
    reader.read(Burst(0, 0, True, ask))
    (part,) = reader.read(Burst(1, 1, False, tell))
    assert (part.unit, part.words) == ("7", "= 0001 abcd")


def test_on_a_shared_line_each_is_read_in_its_own_language() -> None:
    for driver in ("modbus-rtu", "cjt188"):
        data, unit, _ = CASES["dlt645"]
        told = [one.part for one in seen(line(driver, Piece(0, True, data)))]
        assert told[-1].unit == unit


@given(st.sampled_from(sorted(CASES)), st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40))))
def test_no_byte_is_lost_or_invented_whatever_comes(driver: str, said: list[tuple[bool, bytes]]) -> None:
    pieces = [Piece(number * 10 * APART_US, sent, data) for number, (sent, data) in enumerate(said)]
    told = b"".join(one.part.data for one in seen(line(driver, *pieces)))
    assert told == b"".join(data for _, data in said)


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_a_frame_between_noise_is_found_with_the_noise_beside_it(ahead: bytes, behind: bytes) -> None:
    frame = encode_rtu(Frame(7, TELL))
    parts = Reader("modbus-rtu").read(Burst(0, 0, False, ahead + frame + behind))
    assert [part.data for part in parts if part.data == frame and part.good] in ([frame], [])
    assert b"".join(part.data for part in parts) == ahead + frame + behind


def test_an_echo_is_told_from_an_answer() -> None:
    ask, *_ = CASES["modbus-rtu"]
    reader = Reader("modbus-rtu")
    reader.read(Burst(0, 0, True, ask))
    echo, answer = reader.read(Burst(1, 1, False, ask + encode_rtu(Frame(7, TELL))))
    assert echo.words.startswith("echo")
    assert answer.words == "= 0001 abcd"


def test_pieces_of_one_frame_are_one_burst_and_a_pause_parts_two() -> None:
    found = bursts(line("mbus", Piece(0, False, b"a"), Piece(APART_US, False, b"b"), Piece(3 * APART_US, False, b"c")))
    assert [burst.data for burst in found] == [b"ab", b"c"]
