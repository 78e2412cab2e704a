import pytest

from protocols.dlt645.frame import BROADCAST, WILDCARD, Frame, FrameDecoder, encode_frame, is_address
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA

# facts: checksums recomputed; the last two are our own.
GOLDEN = [
    ("68AAAAAAAAAAAA681300DF16", Frame(WILDCARD, 0x13)),
    ("68943521908855689306C76854C3BB884916", Frame("558890213594", 0x93, bytes.fromhex("943521908855"))),
    ("6894352190885568910833333433593533338116", Frame("558890213594", 0x91, bytes.fromhex("0000010026020000"))),
    ("68943521908855689106333434357B555E16", Frame("558890213594", 0x91, bytes.fromhex("000101024822"))),
    ("68943521908855689107333435356B35336316", Frame("558890213594", 0x91, bytes.fromhex("00010202380200"))),
    ("6861010000000068910833333633593334338D16", Frame("000000000161", 0x91, bytes.fromhex("0000030026000100"))),
    ("68610100000000681104333336351816", Frame("000000000161", 0x11, bytes.fromhex("00000302"))),
    ("6861010000000068D101353916", Frame("000000000161", 0xD1, b"\x02")),
]


@pytest.mark.vectors("DL/T 645-2007", "frames printed by makers and on the web, sums recomputed")
@pytest.mark.parametrize(("text", "frame"), GOLDEN)
def test_published_frames(text: str, frame: Frame) -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(text))
    assert decoder.next_frame() == frame
    assert decoder.next_frame() is NEED_DATA
    assert encode_frame(frame, wake=0) == bytes.fromhex(text)
    assert encode_frame(frame) == b"\xfe\xfe\xfe\xfe" + bytes.fromhex(text)


@pytest.mark.vectors("DL/T 645-2007", "frames printed by makers and on the web, sums recomputed")
def test_a_published_frame_with_a_wrong_sum_is_refused() -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex("6875671266880068910833333433A4567938F516"))
    assert decoder.next_frame() is NEED_DATA
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="meter 008866126775: sum 0xf5, computed 0xbd"):
        decoder.next_frame()


def test_more_data_than_the_standard_allows_is_no_frame() -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex("68 010000000000 68 91 C9"))
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="noise"):
        decoder.next_frame()


@pytest.mark.parametrize("address", [WILDCARD, BROADCAST, "000000000161", "AAAA90213594"])
def test_addresses_of_meters(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address", ["", "161", "0000000001611", "00000000016x", "9A0000000161", "0161AAAAAAAA", "５５8890213594"]
)
def test_what_is_no_address_is_not_sent(address: str) -> None:
    assert not is_address(address)
    with pytest.raises(LocalProtocolError, match="12 digits"):
        encode_frame(Frame(address, 0x11))


@pytest.mark.parametrize("frame", [Frame(WILDCARD, 256), Frame(WILDCARD, -1), Frame(WILDCARD, 0x11, bytes(201))])
def test_a_frame_that_does_not_fit_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError, match="is no frame"):
        encode_frame(frame)
