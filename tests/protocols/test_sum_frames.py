"""What the two protocols of this shape share, put through both."""

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.cjt188 import frame as cjt188
from protocols.dlt645 import frame as dlt645
from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA
from protocols.sum_frames import SumDecoder, close_frame

digits = st.text("0123456789", min_size=14, max_size=14)
dlt645_frames = st.builds(
    dlt645.Frame, digits.map(lambda text: text[:12]), st.integers(0, 255), st.binary(max_size=dlt645.MOST_DATA)
)
cjt188_frames = st.builds(
    cjt188.Frame, st.sampled_from(cjt188.TYPES), digits, st.integers(0, 255), st.binary(max_size=cjt188.MOST_DATA)
)
PROTOCOLS = [(dlt645, dlt645_frames), (cjt188, cjt188_frames)]
both = st.sampled_from(PROTOCOLS)
METER = dlt645.Frame("558890213594", 0x91, bytes.fromhex("0000010026020000"))
WATER = cjt188.Frame(0x10, "78330011223344", 0x81, bytes.fromhex("901F0000776655"))
SAMPLES = [(dlt645, METER), (cjt188, WATER)]


def feed(decoder: SumDecoder[Any], *pieces: bytes, idle: bool = False) -> list[Any]:
    found = []
    for piece in pieces:
        decoder.receive_data(piece)
        found += drain(decoder)
    if idle:
        decoder.line_idle()
        found += drain(decoder)
    return found


def drain(decoder: SumDecoder[Any]) -> list[Any]:
    found = []
    while (frame := decoder.next_frame()) is not NEED_DATA:
        found.append(frame)
    return found


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(both, st.data(), st.integers(0, 5), st.lists(st.integers(0, 700), max_size=8))
def test_frames_split_anywhere_decode_the_same(
    protocol: tuple[Any, Any], data: st.DataObject, wake: int, cuts: list[int]
) -> None:
    module, frames = protocol
    sent = data.draw(st.lists(frames, max_size=3))
    decoder = module.FrameDecoder()
    stream = b"".join(module.encode_frame(frame, wake) for frame in sent)
    assert feed(decoder, *split(stream, cuts)) == sent
    assert feed(module.FrameDecoder(), *(stream[i : i + 1] for i in range(len(stream)))) == sent
    assert decoder.skipped == 0


@given(both, st.binary(max_size=500), st.lists(st.integers(0, 500), max_size=8))
def test_any_bytes_split_anywhere_decode_the_same(protocol: tuple[Any, Any], stream: bytes, cuts: list[int]) -> None:
    outcomes = []
    for pieces in ([stream], split(stream, cuts), [stream[i : i + 1] for i in range(len(stream))]):
        decoder = protocol[0].FrameDecoder()
        found = feed(decoder, *pieces)
        decoder.line_idle()
        failed = False
        try:
            found += drain(decoder)
        except RemoteProtocolError:  # how many bytes of noise are told at once depends on the pieces
            failed = True
        outcomes.append((found, failed, decoder.skipped))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(both, st.data())
def test_a_flipped_bit_never_yields_a_frame(protocol: tuple[Any, Any], data: st.DataObject) -> None:
    module, frames = protocol
    sent = bytearray(module.encode_frame(data.draw(frames), 0))
    at = data.draw(st.integers(0, 8 * len(sent) - 1))
    sent[at // 8] ^= 1 << at % 8
    decoder = module.FrameDecoder()
    assert feed(decoder, bytes(sent)) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError):
        drain(decoder)


@given(both, st.binary(max_size=60), st.data())
@example(PROTOCOLS[0], b"\x68", None)
@example(PROTOCOLS[0], bytes.fromhex("68 010203040506 68 91 C8"), None)  # the head of the longest frame there is
@example(PROTOCOLS[1], bytes.fromhex("68 10 01020304050607 81 64"), None)
def test_a_frame_behind_noise_is_found_once_the_line_is_silent(
    protocol: tuple[Any, Any], noise: bytes, data: st.DataObject | None
) -> None:
    module, frames = protocol
    sample = METER if module is dlt645 else WATER
    sent = sample if data is None else data.draw(frames)
    assert feed(module.FrameDecoder(), noise, module.encode_frame(sent), idle=True)[-1] == sent


@given(both, st.data(), st.integers(0, 300))
def test_a_frame_cut_short_does_not_harm_the_next(protocol: tuple[Any, Any], data: st.DataObject, cut: int) -> None:
    module, frames = protocol
    sent = data.draw(frames)
    whole = module.encode_frame(sent)
    assert feed(module.FrameDecoder(), whole[: min(cut, len(whole) - 1)] + whole, idle=True) == [sent]


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_a_frame_sent_twice_is_told_twice(module: Any, frame: Any) -> None:
    assert feed(module.FrameDecoder(), 2 * module.encode_frame(frame)) == [frame, frame]


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_a_wrong_sum_is_told_with_both_values_and_the_meter(module: Any, frame: Any) -> None:
    sent = bytearray(module.encode_frame(frame, 0))
    computed, sent[-2] = sent[-2], sent[-2] ^ 0xFF
    decoder = module.FrameDecoder()
    assert feed(decoder, bytes(sent)) == []
    decoder.line_idle()
    with pytest.raises(
        RemoteProtocolError, match=f"meter {frame.address}: sum {sent[-2]:#04x}, computed {computed:#04x}"
    ):
        decoder.next_frame()
    assert decoder.next_frame() is NEED_DATA


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_a_frame_that_ends_otherwise_is_refused(module: Any, frame: Any) -> None:
    decoder = module.FrameDecoder()
    assert feed(decoder, module.encode_frame(frame)[:-1] + b"\x17") == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="ends with 0x17, not 0x16"):
        decoder.next_frame()


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_a_truncated_frame_is_told_once_the_line_is_silent(module: Any, frame: Any) -> None:
    decoder = module.FrameDecoder()
    assert feed(decoder, module.encode_frame(frame)[:15]) == []
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="bytes of a frame, then silence"):
        decoder.next_frame()
    decoder.line_idle()
    assert decoder.next_frame() is NEED_DATA


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_noise_around_a_frame_is_counted_and_no_fault(module: Any, frame: Any) -> None:
    decoder = module.FrameDecoder()
    assert feed(decoder, b"\x00\xfe\x01" + module.encode_frame(frame) + b"\x02", idle=True) == [frame]
    assert decoder.skipped == 3


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_wake_bytes_alone_are_no_fault(module: Any, frame: Any) -> None:
    decoder = module.FrameDecoder()
    assert feed(decoder, b"\xfe" * 300, idle=True) == []
    assert decoder.skipped == 0


@pytest.mark.parametrize(("module", "frame"), SAMPLES)
def test_what_came_before_a_request_is_not_its_answer(module: Any, frame: Any) -> None:
    decoder = module.FrameDecoder()
    decoder.receive_data(module.encode_frame(frame) + module.encode_frame(frame)[:-1])
    decoder.forget()
    assert feed(decoder, module.encode_frame(frame)[-1:], idle=False) == []
    assert feed(decoder, module.encode_frame(frame)) == [frame]


@pytest.mark.parametrize("module", [dlt645, cjt188])
def test_endless_noise_takes_bounded_memory(module: Any) -> None:
    decoder = module.FrameDecoder()
    for _ in range(200):
        # Heads of frames that claim the most there is.
        assert feed(decoder, bytes.fromhex("681001020304056891C86410") + bytes(range(0x17, 0x60))) == []
        assert len(decoder._buffer) <= 256


def test_the_sum_begins_with_the_first_start_byte() -> None:
    assert close_frame(bytes.fromhex("68AAAAAAAAAAAA681300")) == bytes.fromhex("68AAAAAAAAAAAA681300DF16")
