import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.at.timers import T3324_UNITS, T3412_UNITS, decode_t3324, decode_t3412, encode_t3324, encode_t3412
from protocols.errors import LocalProtocolError, RemoteProtocolError

transcript = pytest.mark.vectors("AT commands of NB-IoT modems", "transcripts of BC95, BC660K and SIM7020")


HOUR = 3600


@transcript
def test_one_pattern_of_bits_means_thirty_hours_or_eighteen_minutes() -> None:
    assert decode_t3412("01000011") == 30 * HOUR
    assert decode_t3324("01000011") == 18 * 60
    assert decode_t3412("01011111") == 310 * HOUR
    assert decode_t3324("00000001") == 2
    assert decode_t3412("11100000") is None is decode_t3324("11111111")
    assert decode_t3324("10100011") == 180  # 10.5.7.3: other units count minutes


@given(st.integers(0, 31 * 320 * HOUR))
def test_t3412_is_never_shorter_than_asked_for_and_the_shortest_there_is(seconds: int) -> None:
    got = decode_t3412(encode_t3412(seconds))
    assert got is not None
    assert got == min(c * s for s in T3412_UNITS.values() for c in range(32) if c * s >= seconds)


@given(st.integers(0, 31 * 360))
def test_t3324_is_never_shorter_than_asked_for_and_the_shortest_there_is(seconds: int) -> None:
    got = decode_t3324(encode_t3324(seconds))
    assert got == min(c * s for s in T3324_UNITS.values() for c in range(32) if c * s >= seconds)


def test_what_no_timer_holds_is_not_sent() -> None:
    for seconds in (-1, 31 * 360 + 1):
        with pytest.raises(LocalProtocolError):
            encode_t3324(seconds)
    with pytest.raises(LocalProtocolError):
        encode_t3412(31 * 320 * HOUR + 1)


@pytest.mark.parametrize("bits", ["", "0100001", "010000111", "01000021"])
def test_what_is_not_eight_bits_is_refused(bits: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_t3412(bits)
