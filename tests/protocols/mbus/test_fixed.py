import pytest

from protocols.errors import RemoteProtocolError
from protocols.mbus.fixed import UNITS, parse_fixed
from protocols.mbus.values import Missing
from protocols.mbus.variable import Record
from tests.protocols.mbus.conftest import published, telegram

EXAMPLE = "78563412 0a 00 e97e 01000000 35010000"


def data(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.vectors("M-Bus", "the usergroup's documentation, examples of both structures")
def test_the_usergroups_example_which_pymeterbus_refuses() -> None:
    answer = telegram(published("fixed"))
    assert answer.header[:6] == ("12345678", "", 0, 7, 0x0A, 0)  # medium 7: water
    assert answer.records == (Record("volume", "m3", 1, -3), Record("volume", "m3", 135, -3, storage=1))
    assert not answer.more


def test_mode_two_sends_the_highest_byte_first() -> None:
    swapped = data("12345678 0a 00 e97e 00000001 00000135")
    assert parse_fixed(swapped, high_first=True) == parse_fixed(data(EXAMPLE))


def test_units_run_by_tens_from_code_to_code() -> None:
    assert UNITS[0x05] == ("energy", "Wh", 3)
    assert UNITS[0x0B] == ("energy", "J", 3)
    assert UNITS[0x14] == ("power", "W", 0)
    assert UNITS[0x25] == ("power", "J/h", 11)
    assert UNITS[0x29] == ("volume", "m3", -3)
    assert UNITS[0x2C] == ("volume", "m3", 0)  # as in CJ/T 188
    assert UNITS[0x37] == ("volume_flow", "m3/h", 2)


def test_counters_may_be_binary_or_of_the_set_day() -> None:
    _, (first, second) = parse_fixed(data("78563412 0a 03 2c05 ffffffff 00000080"))
    assert first == Record("volume", "m3", -1, 0, storage=1)
    assert isinstance(second.value, Missing)


def test_a_reserved_unit_and_a_digit_that_is_none_are_no_value() -> None:
    _, (first, second) = parse_fixed(data("78563412 0a 00 3a00 01000000 aa000000"))
    assert first.quantity == "unknown"
    assert isinstance(second.value, Missing)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_fixed(bytes(length))
