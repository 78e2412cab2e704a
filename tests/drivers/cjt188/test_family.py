import pytest

from drivers.base import LineConfig, SerialSettings
from drivers.cjt188.family import OVER_TCP, SERIAL
from drivers.cjt188.line import Cjt188Line


def test_a_meter_is_named_by_fourteen_digits_in_upper_case() -> None:
    assert SERIAL.unit("78330011223344") == "78330011223344"
    assert SERIAL.unit("00000000ee0001") == "00000000EE0001"


@pytest.mark.parametrize("unit", [78330011223344, "7833001122334", "7833001122334G", 14 * "A"])
def test_what_is_no_address_is_refused_with_what_would_be_right(unit: int | str) -> None:
    with pytest.raises(ValueError, match='14 digits as a text, as in "78330011223344"'):
        SERIAL.unit(unit)


def test_a_line_is_made_without_opening_it() -> None:
    assert SERIAL.serial == SerialSettings(2400, "E", 1)
    for family, address in ((SERIAL, "/dev/ttyUSB0"), (OVER_TCP, "127.0.0.1:4001")):
        line = family.create_line(LineConfig("cjt188", address))
        assert isinstance(line, Cjt188Line)
        assert line.where == address
