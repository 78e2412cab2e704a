from pathlib import Path

import pytest

from drivers.base import LineConfig
from drivers.catalog import BUILTIN

DOCS = Path(__file__).parents[2] / "docs"


def test_the_families_are_those_that_a_configuration_may_name() -> None:
    assert set(BUILTIN) == {"modbus-tcp", "modbus-rtu", "modbus-rtu-over-tcp"}


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_family_loads_models_and_makes_lines_without_opening_them(name: str) -> None:
    assert BUILTIN[name].load_model("meter_1p").name == "meter_1p"
    BUILTIN[name].create_line(LineConfig(name, "127.0.0.1:5020" if "tcp" in name else "/dev/ttyUSB0"))


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_a_family_is_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "protocols" / "modbus.md").read_text("utf-8")
