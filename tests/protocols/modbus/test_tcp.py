import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.tcp import TcpDecoder, encode_tcp

frames = st.builds(Frame, st.integers(0, 255), st.binary(min_size=1, max_size=253), st.integers(0, 0xFFFF))


def drain(decoder: TcpDecoder) -> list[Frame]:
    found = []
    while (frame := decoder.next_frame()) is not NEED_DATA:
        found.append(frame)
    return found


def test_the_example_of_the_messaging_guide() -> None:
    # Modbus Messaging on TCP/IP Implementation Guide 1.0b, 4.4.2.2
    frame = Frame(0xFF, bytes.fromhex("03 0004 0001"), 0x1501)
    assert encode_tcp(frame) == bytes.fromhex("1501 0000 0006 FF 03 0004 0001")
    decoder = TcpDecoder()
    decoder.receive_data(bytes.fromhex("1501 0000 0006 FF 03 0004 0001"))
    assert drain(decoder) == [frame]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 1100), max_size=8))
def test_a_stream_split_anywhere_gives_the_same_frames(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(map(encode_tcp, sent))
    decoder, found = TcpDecoder(), []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        decoder.receive_data(stream[start:end])
        found += drain(decoder)
    assert found == sent


@pytest.mark.parametrize(
    "header", ["0001 0001 0006 01 03", "0001 0000 0000 01 03", "0001 0000 0001 01 03", "0001 0000 FFFF 01 03"]
)
def test_a_header_that_cannot_be_ends_the_stream_behind_the_good_frames(header: str) -> None:
    good = Frame(1, b"\x03\x00\x00\x00\x01", 7)
    decoder = TcpDecoder()
    decoder.receive_data(encode_tcp(good) + bytes.fromhex(header))
    assert decoder.next_frame() == good
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="not Modbus TCP"):
            decoder.next_frame()


@pytest.mark.parametrize("frame", [Frame(1, b""), Frame(1, bytes(254)), Frame(256, b"\x03"), Frame(1, b"\x03", 65536)])
def test_a_frame_that_does_not_fit_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        encode_tcp(frame)


def test_a_reply_keeps_unit_and_transaction() -> None:
    assert Frame(5, b"\x03", 99).reply(b"\x83\x02") == Frame(5, b"\x83\x02", 99)
