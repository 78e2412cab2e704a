import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.mbus.header import Header, Secondary, encode_number, manufacturer_code, manufacturer_letters

KAMSTRUP = Header("06855817", "KAM", 8, 4, 0, 0)


@pytest.mark.parametrize(("code", "letters"), [(0x2C2D, "KAM"), (0x4024, "PAD"), (0x0000, "0000"), (0xB405, "B405")])
def test_manufacturers(code: int, letters: str) -> None:
    assert manufacturer_letters(code) == letters
    assert manufacturer_code(letters) == code


@given(st.integers(0, 0xFFFF))
def test_any_manufacturer_code_survives_its_letters(code: int) -> None:
    assert manufacturer_code(manufacturer_letters(code)) == code


def test_the_secondary_address_is_number_manufacturer_version_medium() -> None:
    assert KAMSTRUP.secondary == "068558172D2C0804"  # as pyMeterBus shows it
    assert Secondary.parse(KAMSTRUP.secondary).encode() == bytes.fromhex("175885062d2c0804")


@given(st.binary(min_size=8, max_size=8))
def test_a_secondary_address_survives_the_wire_and_its_text(raw: bytes) -> None:
    secondary = Secondary.decode(raw)
    assert secondary.encode() == raw
    assert Secondary.parse(str(secondary)) == secondary


@pytest.mark.parametrize("text", ["06855817", "0685FFFF", "FFFFFFFF2D2CFFFF", "068558172d2c0804", "FFFFFFFFFFFFFF04"])
def test_what_is_asked_for_matches(text: str) -> None:
    assert Secondary.parse(text).matches_header(KAMSTRUP)


@pytest.mark.parametrize("text", ["06855818", "F6855816", "068558172D2C0904", "0685581724400804", "FFFFFFFFFFFFFF07"])
def test_another_meter_does_not_match(text: str) -> None:
    assert not Secondary.parse(text).matches_header(KAMSTRUP)


def test_the_fixed_structure_is_matched_by_its_number_alone() -> None:
    header = Header("12345678", "", 0, 7, 1, 0)
    assert Secondary.parse("1234567824400107").matches_header(header)
    assert not Secondary.parse("1234567924400107").matches_header(header)


@pytest.mark.parametrize(
    "text", ["", "1234567", "123456789", "1234567G", "12345678 2C2D", "12345678ABCDEF0", "١٢٣٤٥٦٧٨"]
)
def test_what_is_no_secondary_address_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        Secondary.parse(text)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        encode_number("1234")
    with pytest.raises(LocalProtocolError):
        manufacturer_code("KAMSTRUP")
    with pytest.raises(RemoteProtocolError):
        Secondary.decode(b"\x01\x02")
