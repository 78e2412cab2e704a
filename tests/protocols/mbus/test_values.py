import struct
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError
from protocols.mbus import values
from protocols.mbus.values import Missing, Moment


@pytest.mark.parametrize(
    ("raw", "number"),
    [("151300", 1315), ("78563412", 12345678), ("010000f0", -1), ("999999f9", -9999999), ("05", 5), ("f5", -5)],
)
def test_decimal_digits(raw: str, number: int) -> None:
    assert values.decimal_digits(bytes.fromhex(raw)) == number


@pytest.mark.parametrize("raw", ["ddb4ebdd", "ffffffff", "0a", "ff", "00a0", "1b00f0"])
def test_a_digit_above_nine_is_no_value_but_for_the_minus_in_front(raw: str) -> None:
    assert isinstance(values.decimal_digits(bytes.fromhex(raw)), Missing)


@given(st.sampled_from([1, 2, 3, 4, 6]), st.data())
def test_decimal_digits_survive_the_wire(length: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(-(10 ** (2 * length - 1)) + 1, 10 ** (2 * length) - 1))
    assert values.decimal_digits(values.encode_decimal_digits(number, length)) == number


@given(st.sampled_from([1, 2, 3, 4, 6, 8]), st.data())
def test_integers_survive_the_wire(length: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(-(2 ** (8 * length - 1)) + 1, 2 ** (8 * length - 1) - 1))
    assert values.signed(values.encode_signed(number, length)) == number


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 8])
def test_the_lowest_integer_of_all_is_no_value_and_is_not_sent(length: int) -> None:
    assert isinstance(values.signed(bytes(length - 1) + b"\x80"), Missing)
    with pytest.raises(LocalProtocolError):
        values.encode_signed(-(2 ** (8 * length - 1)), length)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_float_that_is_no_number_is_no_value(number: str) -> None:
    assert isinstance(values.real(struct.pack("<f", float(number))), Missing)


@pytest.mark.parametrize(
    ("decode", "raw", "text"),
    [
        (values.minute, "22108d11", "2012-01-13T16:34"),  # abb_f95, as libmbus and pyMeterBus read it
        (values.minute, "3b177e14", "2011-04-30T23:59"),
        (values.day, "5f1c", "2010-12-31"),  # Kamstrup 601
        (values.day, "e115", "2015-05-01"),
        (values.second, "000008162700", "2016-07-22T08:00:00"),  # lgb_g350
        (values.time_of_day, "1e0f17", "23:15:30"),
    ],
)
def test_published_times(decode: Callable[[bytes], Moment | Missing], raw: str, text: str) -> None:
    assert str(decode(bytes.fromhex(raw))) == text


def test_the_century_bits_of_a_minute_are_read() -> None:
    moment = values.minute(bytes((0, 0x20 | 5, 0x41, 0xC1)))  # year 98 counted from 2000
    assert str(moment) == "2098-01-01T05:00"
    assert str(values.minute(bytes((0, 5, 0x41, 0xC1)))) == "1998-01-01T05:00"


@pytest.mark.parametrize("raw", ["80108d11", "22188d11", "3f108d11", "22100011", "2210be12", "2210810f"])
def test_a_minute_that_is_not_set_or_not_of_the_calendar_is_no_value(raw: str) -> None:
    assert isinstance(values.minute(bytes.fromhex(raw)), Missing)


@given(st.dates(date(1981, 1, 1), date(2080, 12, 31)), st.integers(0, 23), st.integers(0, 59))
def test_a_minute_survives_the_wire(on: date, hour: int, minute: int) -> None:
    moment = Moment(on.year, on.month, on.day, hour, minute)
    assert values.minute(values.encode_minute(moment)) == moment
    assert values.day(values.encode_day(moment)) == Moment(on.year, on.month, on.day)


@given(st.binary(min_size=6, max_size=6))
def test_any_bytes_are_a_time_or_none(raw: bytes) -> None:
    for decode, length in ((values.day, 2), (values.time_of_day, 3), (values.minute, 4), (values.second, 6)):
        assert isinstance(decode(raw[:length]), Moment | Missing)


def test_texts_come_last_character_first() -> None:
    assert values.text(b"CBA") == "ABC"
    assert values.encode_text("ABC") == b"CBA"
    with pytest.raises(LocalProtocolError):
        values.encode_text("水")


@pytest.mark.parametrize(
    "encode",
    [
        lambda: values.encode_signed(128, 1),
        lambda: values.encode_decimal_digits(100, 1),
        lambda: values.encode_decimal_digits(-10, 1),
        lambda: values.encode_minute(Moment(2100, 1, 1, 0, 0)),
        lambda: values.encode_minute(Moment(2026, 1, 1)),
        lambda: values.encode_real(1e39),
    ],
)
def test_what_does_not_fit_is_not_sent(encode: Callable[[], bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        encode()
