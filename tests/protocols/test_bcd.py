import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.bcd import Format, decode_bcd, encode_bcd, is_absent
from protocols.errors import LocalProtocolError, RemoteProtocolError

ENERGY = Format.parse("XXXXXX.XX")
CURRENT = Format.parse("XXX.XXX", signed=True)
POWER = Format.parse("XX.XXXX", signed=True)

formats = st.builds(
    lambda pairs, decimals, signed: Format(2 * pairs, min(decimals, 2 * pairs - 1), signed),
    st.integers(1, 8),
    st.integers(0, 8),
    st.booleans(),
)


@given(st.data(), st.integers(1, 8))
def test_every_number_that_fits_comes_back_as_it_went(data: st.DataObject, length: int) -> None:
    number = data.draw(st.integers(0, 100**length - 1))
    assert decode_bcd(encode_bcd(number, length)) == number


@given(st.binary(max_size=8))
def test_any_bytes_are_a_number_or_refused(data: bytes) -> None:
    try:
        assert encode_bcd(decode_bcd(data), len(data)) == data
    except RemoteProtocolError:
        assert not data or not data.hex().isdecimal()


@given(st.data(), formats)
def test_every_value_of_a_format_comes_back_as_it_went(data: st.DataObject, form: Format) -> None:
    number = data.draw(st.integers(-form.highest if form.signed else 0, form.highest))
    assert form.decode(form.encode(number)) == number
    assert len(form.encode(number)) == form.length


@given(formats)
def test_nothing_but_ff_means_no_value(form: Format) -> None:
    assert is_absent(form.encode(None))
    assert form.decode(form.encode(None)) is None


def test_the_last_value_before_roll_over_is_exact() -> None:
    assert ENERGY.decode(bytes.fromhex("99999999")) == 99_999_999
    assert ENERGY.highest == 99_999_999
    assert ENERGY.encode(99_999_999) == bytes.fromhex("99999999")


def test_the_low_byte_goes_first() -> None:
    assert encode_bcd(55667700, 4) == bytes.fromhex("00776655")


@pytest.mark.parametrize(
    ("form", "data", "number"),
    [
        (CURRENT, "380200", 238),
        (CURRENT, "380280", -238),
        (POWER, "001280", -1200),
        (POWER, "999979", 799_999),
        (POWER, "9999F9", -799_999),
    ],
)
def test_the_highest_bit_is_the_sign_where_there_is_one(form: Format, data: str, number: int) -> None:
    assert form.decode(bytes.fromhex(data)) == number
    assert form.encode(number) == bytes.fromhex(data)


def test_the_highest_bit_is_no_sign_where_there_is_none() -> None:
    with pytest.raises(RemoteProtocolError, match="00 00 00 a0 is no decimal number"):
        ENERGY.decode(bytes.fromhex("000000A0"))
    assert ENERGY.decode(bytes.fromhex("00000080")) == 80_000_000


@pytest.mark.parametrize(
    ("form", "number"), [(ENERGY, -1), (ENERGY, 100_000_000), (CURRENT, 800_000), (POWER, -800_000)]
)
def test_a_number_that_does_not_fit_is_not_sent(form: Format, number: int) -> None:
    with pytest.raises(LocalProtocolError):
        form.encode(number)
    with pytest.raises(LocalProtocolError):
        encode_bcd(100, 1)


def test_data_of_another_length_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="4 bytes were expected, 01 02 came"):
        ENERGY.decode(b"\x01\x02")


@pytest.mark.parametrize("text", ["", "XXX", "XX.", ".XX", "XX.XX.XX", "NN", "XX.XXN"])
def test_a_format_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a format"):
        Format.parse(text)
