import pytest

from protocols.errors import LocalProtocolError
from protocols.mbus.frame import Ack, Frame, LongFrame, ShortFrame, encode_frame


@pytest.mark.parametrize(
    ("frame", "encoded"),
    [
        (Ack(), "e5"),
        (ShortFrame(0x40, 1), "1040014116"),  # pyMeterBus: SND_NKE to 1
        (ShortFrame(0x5B, 1), "105b015c16"),  # REQ_UD2
        (ShortFrame(0x7B, 1), "107b017c16"),  # REQ_UD2 with the FCB set
        (ShortFrame(0x08, 0x0B), "10080b1316"),
        (LongFrame(0x53, 1, 0x50), "6803036853 0150a416"),  # application reset
    ],
)
def test_published_frames(frame: Frame, encoded: str) -> None:
    assert encode_frame(frame) == bytes.fromhex(encoded)


@pytest.mark.parametrize("frame", [ShortFrame(0x40, 256), ShortFrame(-1, 1), LongFrame(8, 1, 0x72, bytes(253))])
def test_a_frame_that_does_not_fit_is_not_sent(frame: Frame) -> None:
    with pytest.raises(LocalProtocolError):
        encode_frame(frame)


def test_the_direction_is_in_the_control_field() -> None:
    assert ShortFrame(0x5B, 1).from_master
    assert LongFrame(0x53, 1, 0x50).from_master
    assert not LongFrame(0x08, 1, 0x72).from_master
    assert not Ack().from_master
