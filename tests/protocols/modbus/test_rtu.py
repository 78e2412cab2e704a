import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.rtu import (
    RtuRequestDecoder,
    RtuResponseDecoder,
    char_time,
    encode_rtu,
    idle_time,
)

Decoder = RtuRequestDecoder | RtuResponseDecoder

READ = Frame(0x11, bytes.fromhex("03 006B 0003"))
ANSWER = Frame(0x11, bytes.fromhex("03 06 022B 0000 0064"))
NOISE = bytes.fromhex("00 FF")

units = st.integers(1, 247)
word = st.binary(min_size=2, max_size=2)


def counted(prefix: bytes, most: int, step: int = 1) -> st.SearchStrategy[bytes]:
    lengths = st.integers(1, most // step).map(lambda n: n * step)
    data = lengths.flatmap(lambda length: st.binary(min_size=length, max_size=length))
    return data.map(lambda block: prefix + bytes((len(block),)) + block)


request_pdus = st.one_of(
    st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 8]), word, word).map(lambda t: bytes((t[0],)) + t[1] + t[2]),
    st.sampled_from([b"\x07", b"\x0b", b"\x0c", b"\x11"]),
    counted(b"\x0f\x00\x01\x00\x02", 246),
    counted(b"\x10\x00\x01\x00\x02", 246, 2),
    counted(b"\x17\x00\x01\x00\x02\x00\x03\x00\x04", 242, 2),
    st.binary(min_size=6, max_size=6).map(lambda data: b"\x16" + data),
    word.map(lambda data: b"\x18" + data),
)
response_pdus = st.one_of(
    st.sampled_from([1, 2]).flatmap(lambda function: counted(bytes((function,)), 250)),
    st.sampled_from([3, 4, 0x17]).flatmap(lambda function: counted(bytes((function,)), 250, 2)),
    st.tuples(st.sampled_from([5, 6, 8, 0x0B, 0x0F, 0x10]), word, word).map(lambda t: bytes((t[0],)) + t[1] + t[2]),
    st.binary(min_size=6, max_size=6).map(lambda data: b"\x16" + data),
    st.tuples(st.integers(0x81, 0xFF), st.integers(0, 255)).map(bytes),
    st.just(b"\x07\x6d"),
    st.just(bytes.fromhex("18 0006 0002 01B8 1284")),  # the example of 6.18
)
request_frames = st.builds(Frame, units, request_pdus, st.just(0))
response_frames = st.builds(Frame, units, response_pdus, st.just(0))


def feed(decoder: Decoder, *pieces: bytes, idle: bool = False) -> list[Frame]:
    found = []
    for piece in pieces:
        decoder.receive_data(piece)
        found += drain(decoder)
    if idle:
        decoder.line_idle()
        found += drain(decoder)
    return found


def drain(decoder: Decoder) -> list[Frame]:
    found = []
    while (frame := decoder.next_frame()) is not NEED_DATA:
        found.append(frame)
    return found


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("unit", "pdu", "adu"),
    [
        (0x11, "03 006B 0003", "11 03 006B 0003 7687"),
        (1, "03 0000 000A", "01 03 0000 000A C5CD"),
        (1, "04 0000 0002", "01 04 0000 0002 71CB"),
        (2, "07", "02 07 4112"),
    ],
)
def test_published_frames(unit: int, pdu: str, adu: str) -> None:
    frame = Frame(unit, bytes.fromhex(pdu))
    assert encode_rtu(frame) == bytes.fromhex(adu)
    assert feed(RtuRequestDecoder(), bytes.fromhex(adu)) == [frame]


@given(st.lists(request_frames, max_size=3), st.lists(st.integers(0, 800), max_size=8))
def test_requests_split_anywhere_decode_the_same(sent: list[Frame], cuts: list[int]) -> None:
    assert feed(RtuRequestDecoder(), *split(b"".join(map(encode_rtu, sent)), cuts)) == sent


@given(st.lists(response_frames, max_size=3), st.lists(st.integers(0, 800), max_size=8))
def test_responses_split_anywhere_decode_the_same(sent: list[Frame], cuts: list[int]) -> None:
    assert feed(RtuResponseDecoder(), *split(b"".join(map(encode_rtu, sent)), cuts)) == sent


@given(st.binary(max_size=700), st.lists(st.integers(0, 700), max_size=8), st.booleans())
def test_any_bytes_split_anywhere_decode_the_same(stream: bytes, cuts: list[int], server: bool) -> None:
    outcomes = []
    for pieces in ([stream], split(stream, cuts), [stream[i : i + 1] for i in range(len(stream))]):
        decoder = RtuRequestDecoder() if server else RtuResponseDecoder()
        found = feed(decoder, *pieces)
        decoder.line_idle()
        try:
            found += drain(decoder)
            fault = ""
        except RemoteProtocolError as error:
            fault = str(error)
        outcomes.append((found, fault, decoder.skipped))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(response_frames, st.data())
def test_a_flipped_bit_in_a_response_never_yields_a_frame(frame: Frame, data: st.DataObject) -> None:
    adu = bytearray(encode_rtu(frame))
    at = data.draw(st.integers(0, 8 * len(adu) - 1))
    adu[at // 8] ^= 1 << at % 8
    decoder = RtuResponseDecoder()
    decoder.expect(frame.unit, frame.pdu[0] & 0x7F)
    assert feed(decoder, bytes(adu)) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError):
        drain(decoder)


@given(request_frames, st.data())
def test_a_flipped_bit_in_a_request_never_yields_a_frame(frame: Frame, data: st.DataObject) -> None:
    adu = bytearray(encode_rtu(frame))
    at = data.draw(st.integers(0, 8 * len(adu) - 1))
    adu[at // 8] ^= 1 << at % 8
    decoder = RtuRequestDecoder(units={frame.unit})
    assert feed(decoder, bytes(adu)) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError):
        drain(decoder)


@given(st.binary(max_size=40), request_frames)
@example(b"\x00", READ)
@example(b"\xff\xff\xff", READ)
@example(bytes.fromhex("11 0F 0000 07B0 F6"), READ)  # the head of the longest write, then a new request
def test_a_request_behind_noise_is_found_once_the_line_is_silent(noise: bytes, frame: Frame) -> None:
    decoder = RtuRequestDecoder(units={frame.unit})
    assert feed(decoder, noise, encode_rtu(frame), idle=True)[-1] == frame


@given(st.binary(max_size=40), response_frames)
def test_a_response_behind_noise_is_found_once_the_line_is_silent(noise: bytes, frame: Frame) -> None:
    decoder = RtuResponseDecoder()
    decoder.expect(frame.unit, frame.pdu[0] & 0x7F)
    assert feed(decoder, noise, encode_rtu(frame), idle=True)[-1] == frame


@given(st.integers(0, 300), request_frames)
def test_a_frame_cut_short_does_not_harm_the_one_behind_the_silence(cut: int, frame: Frame) -> None:
    whole = encode_rtu(frame)
    decoder = RtuRequestDecoder(units={frame.unit})
    decoder.receive_data(whole[: min(cut, len(whole) - 1)])
    decoder.line_idle()
    decoder.receive_data(whole)
    found = []
    for _ in range(2):
        try:
            found += drain(decoder)
        except RemoteProtocolError as error:
            assert "then silence" in str(error) or "noise" in str(error)  # noqa: PT017
    assert found == [frame]


def test_a_wrong_crc_is_told_with_unit_and_both_values() -> None:
    decoder = RtuResponseDecoder()
    decoder.receive_data(encode_rtu(ANSWER)[:-2] + b"\x34\x12")
    assert decoder.next_frame() is NEED_DATA
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match=r"unit 17: CRC 0x1234, computed 0x[0-9a-f]{4}"):
        decoder.next_frame()
    assert decoder.next_frame() is NEED_DATA


def test_a_truncated_frame_is_told_with_what_came() -> None:
    decoder = RtuResponseDecoder()
    decoder.receive_data(encode_rtu(ANSWER)[:6])
    assert decoder.next_frame() is NEED_DATA
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="unit 17: 6 bytes of a frame, then silence"):
        decoder.next_frame()


def test_noise_behind_a_frame_is_no_fault() -> None:
    decoder = RtuResponseDecoder()
    assert feed(decoder, encode_rtu(ANSWER) + NOISE, idle=True) == [ANSWER]
    assert decoder.skipped == len(NOISE)


def test_noise_alone_is_a_fault_once() -> None:
    decoder = RtuResponseDecoder()
    assert feed(decoder, NOISE) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="noise: 00 ff"):
        decoder.next_frame()
    decoder.line_idle()
    assert decoder.next_frame() is NEED_DATA


def test_behind_noise_only_the_expected_answer_is_believed() -> None:
    decoder = RtuResponseDecoder()
    decoder.expect(0x12, 3)
    assert feed(decoder, NOISE + encode_rtu(ANSWER)) == []
    decoder.expect(0x11, 3)
    assert feed(decoder, NOISE + encode_rtu(ANSWER)) == [ANSWER]


def test_at_the_head_any_unit_is_told_for_the_caller_to_judge() -> None:
    decoder = RtuResponseDecoder()
    decoder.expect(0x12, 3)
    assert feed(decoder, encode_rtu(ANSWER)) == [ANSWER]


def test_what_came_before_a_request_is_not_its_answer() -> None:
    decoder = RtuResponseDecoder()
    decoder.receive_data(encode_rtu(ANSWER)[:-1])
    decoder.expect(0x11, 3)
    assert feed(decoder, encode_rtu(ANSWER)[-1:], idle=False) == []
    assert feed(decoder, encode_rtu(ANSWER)) == [ANSWER]


def test_a_function_without_a_length_ends_with_the_silence() -> None:
    device_identification = Frame(5, bytes.fromhex("2B 0E 01 00"))
    decoder = RtuRequestDecoder()
    assert feed(decoder, encode_rtu(device_identification)) == []
    assert feed(decoder, idle=True) == [device_identification]


def test_a_server_hears_its_requests_between_the_others_answers() -> None:
    other = Frame(9, bytes.fromhex("03 06 022B 0000 0064"))
    decoder = RtuRequestDecoder(units={0x11})
    stream = encode_rtu(READ) + encode_rtu(other) + encode_rtu(READ)
    assert feed(decoder, stream) == [READ, READ]


@pytest.mark.parametrize("server", [True, False])
def test_endless_noise_takes_bounded_memory(server: bool) -> None:
    decoder = RtuRequestDecoder() if server else RtuResponseDecoder()
    noise = bytes(range(256)) * 40
    feed(decoder, *split(noise, list(range(0, len(noise), 97))))
    assert sum(map(len, decoder._bursts)) <= 257
    assert decoder.skipped >= len(noise) - 257 - 300


@pytest.mark.parametrize("frame", [Frame(1, b""), Frame(1, bytes(254)), Frame(256, b"\x03"), Frame(-1, b"\x03")])
def test_a_frame_that_does_not_fit_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        encode_rtu(frame)


def test_silence_is_three_and_a_half_characters_up_to_19200_baud_and_fixed_above() -> None:
    assert idle_time(9600) == pytest.approx(3.5 * 11 / 9600)
    assert idle_time(19200) == pytest.approx(0.002005, abs=1e-6)
    assert idle_time(115200) == 0.00175
    assert char_time(9600, "E", 1) == pytest.approx(11 / 9600)
    assert char_time(9600, "N", 1) == pytest.approx(10 / 9600)
