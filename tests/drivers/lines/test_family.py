import pytest

from drivers.base import Family, LineConfig, Unit
from drivers.lines.family import OVER_TCP, SERIAL


def test_both_are_families_of_devices_that_are_asked() -> None:
    assert isinstance(SERIAL, Family)
    assert isinstance(OVER_TCP, Family)
    assert SERIAL.serial == (9600, "N", 1)
    assert OVER_TCP.serial is None
    assert SERIAL.load_model("anemometer").name == "anemometer"


def test_lines_are_made_without_being_opened() -> None:
    SERIAL.create_line(LineConfig("lines", "/dev/nowhere"))
    OVER_TCP.create_line(LineConfig("lines-over-tcp", "127.0.0.1:1"))


@pytest.mark.parametrize("given", [1, "01", "0", "A{1}"])
def test_a_unit_is_a_number_or_a_short_word(given: Unit) -> None:
    assert SERIAL.unit(given) == given


@pytest.mark.parametrize("given", ["", "a b", "温", "a" * 17, "a\r"])
def test_what_would_break_a_prompt_is_no_unit(given: Unit) -> None:
    with pytest.raises(ValueError, match="1 to 16 printable"):
        SERIAL.unit(given)
