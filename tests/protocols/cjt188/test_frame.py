import pytest

from protocols.cjt188.frame import ANY_TYPE, WILDCARD, Frame, FrameDecoder, encode_frame, is_address
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA

WATER = "68104433221100337881161F9000007766552C007766552C3101221105152021841316"
GOLDEN = [
    ("68104433221100337801031F90008016", Frame(0x10, "78330011223344", 0x01, bytes.fromhex("1F9000"))),
    (WATER, Frame(0x10, "78330011223344", 0x81, bytes.fromhex(WATER[22:-4]))),
    # JY's heat meter, as several pages print it.
    ("6820324131400000000103901F012016", Frame(0x20, "00000040314132", 0x01, bytes.fromhex("901F01"))),
]


@pytest.mark.vectors("CJ/T 188", "frames printed by makers and on the web, sums recomputed")
@pytest.mark.parametrize(("text", "frame"), GOLDEN)
def test_published_frames(text: str, frame: Frame) -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(text))
    assert decoder.next_frame() == frame
    assert decoder.next_frame() is NEED_DATA
    assert encode_frame(frame, wake=0) == bytes.fromhex(text)
    assert encode_frame(frame) == b"\xfe\xfe\xfe" + bytes.fromhex(text)


@pytest.mark.vectors("CJ/T 188", "frames printed by makers and on the web, sums recomputed")
def test_the_sum_that_many_pages_print_is_refused() -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex(WATER[:-4] + "0816"))
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="meter 78330011223344: sum 0x08, computed 0x13"):
        decoder.next_frame()


@pytest.mark.parametrize("address", [WILDCARD, "78330011223344", "00000000EE0001"])
def test_addresses_of_meters(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(0x0F, WILDCARD, 1),
        Frame(0x4A, WILDCARD, 1),
        Frame(0x10, "7833001122334", 1),
        Frame(0x10, "7833001122334g", 1),
        Frame(0x10, WILDCARD, 256),
        Frame(ANY_TYPE, WILDCARD, 3, bytes(101)),
    ],
)
def test_a_frame_that_cannot_be_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(frame)


def test_a_type_that_is_none_is_noise() -> None:
    decoder = FrameDecoder()
    decoder.receive_data(bytes.fromhex("6850443322110033780103901F00"))
    decoder.line_idle()
    with pytest.raises(RemoteProtocolError, match="noise"):
        decoder.next_frame()
