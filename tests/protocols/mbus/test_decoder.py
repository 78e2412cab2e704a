import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import RemoteProtocolError
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import MAX_FRAME, Ack, Frame, LongFrame, ShortFrame, encode_frame
from protocols.stream import NEED_DATA
from tests.protocols.mbus.conftest import FRAMES, published

octets = st.integers(0, 255)
long_frames = st.builds(LongFrame, octets, octets, octets, st.binary(max_size=252))
frames = st.one_of(st.just(Ack()), st.builds(ShortFrame, octets, octets), long_frames)
ANSWER = LongFrame(0x08, 5, 0x72, bytes(range(40)))


def drain(decoder: FrameDecoder) -> list[Frame]:
    found = []
    while (frame := decoder.next_frame()) is not NEED_DATA:
        found.append(frame)
    return found


def feed(decoder: FrameDecoder, *pieces: bytes) -> list[Frame]:
    found = []
    for piece in pieces:
        decoder.receive_data(piece)
        found += drain(decoder)
    return found


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 1000), max_size=8))
def test_frames_split_anywhere_decode_the_same(sent: list[Frame], cuts: list[int]) -> None:
    assert feed(FrameDecoder(), *split(b"".join(map(encode_frame, sent)), cuts)) == sent


@pytest.mark.parametrize("name", [*FRAMES["pymeterbus"], *FRAMES["own"]])
def test_published_answers_survive_a_cut_at_every_byte(name: str) -> None:
    raw = published(name)
    for cut in range(1, len(raw)):
        (frame,) = feed(FrameDecoder(), raw[:cut], raw[cut:])
        assert encode_frame(frame) == raw


@given(st.binary(max_size=700), st.lists(st.integers(0, 700), max_size=8))
def test_any_bytes_split_anywhere_decode_the_same(stream: bytes, cuts: list[int]) -> None:
    outcomes = []
    for pieces in ([stream], split(stream, cuts), [stream[i : i + 1] for i in range(len(stream))]):
        decoder = FrameDecoder()
        found = feed(decoder, *pieces)
        decoder.line_idle()
        try:
            found += drain(decoder)
            fault = ""
        except RemoteProtocolError as error:
            fault = str(error)
        outcomes.append((found, fault, decoder.skipped))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(long_frames, st.data())
def test_a_flipped_bit_in_an_answer_never_yields_that_answer_or_another(frame: LongFrame, data: st.DataObject) -> None:
    raw = bytearray(encode_frame(frame))
    at = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[at // 8] ^= 1 << at % 8
    decoder = FrameDecoder()
    found = feed(decoder, bytes(raw))
    decoder.line_idle()
    # Data may hold a whole frame by chance; what was sent is not found, changed or not, nor any acknowledgement.
    assert not [each for each in found if not isinstance(each, LongFrame) or len(each.data) >= len(frame.data)]


@given(st.binary(max_size=40), long_frames)
def test_an_answer_behind_noise_is_found_once_the_line_is_silent(noise: bytes, frame: LongFrame) -> None:
    decoder = FrameDecoder()
    found = feed(decoder, noise, encode_frame(frame))
    decoder.line_idle()
    found += drain(decoder)
    assert frame in found


@pytest.mark.parametrize("noise", [b"\x00", b"\xff\xff\xff", b"\x68", b"\x68\x68", b"\x10\x00", b"\x68\x03\x03"])
def test_an_answer_behind_usual_noise_is_found(noise: bytes) -> None:
    decoder = FrameDecoder()
    found = feed(decoder, noise, encode_frame(ANSWER))
    decoder.line_idle()
    assert [*found, *drain(decoder)] == [ANSWER]


def test_an_acknowledgement_is_not_believed_behind_noise() -> None:
    decoder = FrameDecoder()
    assert feed(decoder, b"\x00\xe5") == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="noise: 00"):
        decoder.next_frame()
    assert feed(decoder, b"\xe5") == [Ack()]


def test_what_came_before_a_request_is_not_its_answer() -> None:
    decoder = FrameDecoder()
    raw = encode_frame(ANSWER)
    decoder.receive_data(raw[:-1])
    decoder.forget()
    assert feed(decoder, raw[-1:]) == []
    assert feed(decoder, raw) == [ANSWER]


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (encode_frame(ANSWER)[:-2] + b"\x00\x16", "address 5: sum 0x00, computed 0x"),
        (encode_frame(ANSWER)[:-1] + b"\x17", "address 5: the frame ends with 0x17, not 0x16"),
        (encode_frame(ANSWER)[:-3], "46 bytes of a frame, then silence"),
    ],
)
def test_a_broken_frame_is_told_with_its_cause_once(spoilt: bytes, fault: str) -> None:
    decoder = FrameDecoder()
    assert feed(decoder, spoilt) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match=fault):
        decoder.next_frame()
    decoder.line_idle()
    assert decoder.next_frame() is NEED_DATA


@given(st.integers(0, 300), long_frames)
def test_a_frame_cut_short_does_not_harm_the_one_behind_the_silence(cut: int, frame: LongFrame) -> None:
    whole = encode_frame(frame)
    decoder = FrameDecoder()
    decoder.receive_data(whole[: min(cut, len(whole) - 1)])
    decoder.line_idle()
    while True:
        try:
            drain(decoder)
            break
        except RemoteProtocolError:
            continue
    assert feed(decoder, whole)[-1] == frame


def test_endless_noise_takes_bounded_memory() -> None:
    decoder = FrameDecoder()
    for _ in range(50):
        feed(decoder, bytes(range(256)), b"\x68\xff\xff\x68" * 30)
        assert len(decoder._buffer) < MAX_FRAME
