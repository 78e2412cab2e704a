import pytest

from drivers.base import LineConfig, Unit
from drivers.catalog import BUILTIN
from drivers.mbus.family import OVER_TCP, SERIAL


def test_both_ways_are_listed_and_only_one_is_a_serial_port() -> None:
    assert BUILTIN["mbus"] is SERIAL
    assert BUILTIN["mbus-over-tcp"] is OVER_TCP
    assert SERIAL.serial == (2400, "E", 1)
    assert OVER_TCP.serial is None


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        (0, 0),
        (250, 250),
        ("12345678", "12345678"),
        ("068558172d2c0804", "068558172D2C0804"),
        ("12345678FFFFFF07", "12345678FFFFFF07"),
        ("12345678FFFFFFFF", "12345678"),
    ],
)
def test_units(given: Unit, unit: Unit) -> None:
    assert SERIAL.unit(given) == unit


@pytest.mark.parametrize("given", [-1, 251, 253, 12345678, "1234567", "1234567F", "5", "FFFFFFFF"])
def test_what_is_no_meters_address_is_refused(given: Unit) -> None:
    with pytest.raises(ValueError):
        SERIAL.unit(given)


def test_a_line_is_made_without_opening_it() -> None:
    SERIAL.create_line(LineConfig("mbus", "/dev/ttyUSB0", 2400, "E", 1))
    OVER_TCP.create_line(LineConfig("mbus-over-tcp", "127.0.0.1:4001"))
