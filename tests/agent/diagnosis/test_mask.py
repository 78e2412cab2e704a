import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.mask import mask, mask_command, mask_meter
from protocols.dlt645.frame import Frame, FrameDecoder, encode_frame
from protocols.dlt645.messages import Control, ReadData, Switch, SwitchCommand, WriteData
from protocols.trace import Piece

SECRET = b"\x02\x12\x34\x56"
OPERATOR = b"\xa1\xa2\xa3\xa4"
METER = "000000000161"


@pytest.mark.parametrize(
    "request_",
    [
        WriteData(0x04000103, SECRET, OPERATOR, b"\x05"),
        Switch(SECRET, OPERATOR, SwitchCommand.TRIP, (27, 1, 1, 0, 0, 0)),
    ],
)
def test_no_password_of_a_meter_is_left_and_the_frame_is_still_one(request_: WriteData | Switch) -> None:
    said = encode_frame(request_.frame(METER))
    masked = mask_meter(said)
    assert len(masked) == len(said)
    decoder = FrameDecoder()
    decoder.receive_data(masked)
    frame = decoder.next_frame()
    assert frame.address == METER  # type: ignore[union-attr]
    assert SECRET not in frame.data  # type: ignore[union-attr]
    assert OPERATOR not in frame.data  # type: ignore[union-attr]
    assert masked[-2] != said[-2] or sum(masked[:-2]) % 256 == sum(said[:-2]) % 256


def test_a_new_password_is_masked_whole() -> None:
    masked = mask_meter(encode_frame(Frame(METER, 0x18, b"\x03\x0c\x00\x04" + SECRET + b"\x02\x99\x99\x99")))
    assert bytes((byte + 0x33) & 0xFF for byte in SECRET) not in masked


@given(st.binary(max_size=300))
def test_other_bytes_stay_as_long_as_they_are(data: bytes) -> None:
    assert len(mask_meter(data)) == len(data)


def test_a_reading_is_not_touched() -> None:
    said = encode_frame(ReadData(0x00010000).frame(METER))
    assert mask_meter(said) == said
    assert Control.READ in said[8:14]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"AT+CEREG?\r\n", b"AT+CEREG?\r\n"),
        (b"AT\r", b"AT\r"),
        (b'AT+CPIN="1234"\r', b"AT+CPIN********\r"),
        (b'AT+CGAUTH=1,1,"user","pass"\r\n', b"AT+CGAUTH*******************\r\n"),
        (b"\x10\x20MQTT\x00secret", b"*" * 13),
    ],
)
def test_of_what_a_modem_is_told_only_names_and_harmless_things_are_left(said: bytes, shown: bytes) -> None:
    masked = mask_command(said)
    assert len(masked) == len(said)
    assert b"1234" not in masked
    assert b"secret" not in masked
    assert masked[: len(shown) // 2] == shown[: len(shown) // 2]
    assert set(masked) <= set(shown)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_a_payload_that_comes_in_pieces_is_masked_all_the_same(cuts: list[int]) -> None:
    said = b'+NSONMI:0,16\r\n0,"1.2.3.4",5683,16,736563726574736563726574\r\nOK\r\n'
    pieces, at = [], 0
    for cut in [*cuts, len(said)]:
        pieces.append(Piece(at, False, said[at : at + cut]))
        at += cut
    shown = b"".join(entry.data for entry in mask(pieces, "nbiot") if isinstance(entry, Piece))
    assert len(shown) == len(said)
    assert b"7365" not in shown
    assert shown.endswith(b"\r\nOK\r\n")


def test_what_is_masked_never_raises_for_a_frame_that_is_cut() -> None:
    whole = encode_frame(WriteData(0x04000103, SECRET, OPERATOR, b"\x05").frame(METER))
    for end in range(len(whole)):
        assert len(mask_meter(whole[:end])) == end
