import pytest

from drivers.base import LineConfig, SerialSettings
from drivers.dlt645.family import OVER_TCP, SERIAL
from drivers.dlt645.line import Dlt645Line


def test_a_meter_is_named_by_the_twelve_digits_of_its_plate() -> None:
    assert SERIAL.unit("000000000161") == "000000000161"


@pytest.mark.parametrize("unit", [161, "161", "AAAAAAAAAAAA", "0000000001611", "00000000016A", "５５8890213594"])
def test_what_is_no_address_is_refused_with_what_would_be_right(unit: int | str) -> None:
    with pytest.raises(ValueError, match='12 digits as a text, as in "000000000161"'):
        SERIAL.unit(unit)


def test_a_serial_line_is_set_as_meters_leave_the_factory() -> None:
    assert SERIAL.serial == SerialSettings(2400, "E", 1)
    assert OVER_TCP.serial is None


def test_a_line_is_made_without_opening_it() -> None:
    for family, address in ((SERIAL, "/dev/ttyUSB0"), (OVER_TCP, "127.0.0.1:4001")):
        line = family.create_line(LineConfig("dlt645", address))
        assert isinstance(line, Dlt645Line)
        assert line.where == address
