from pathlib import Path

import pytest

from drivers.base import Family, LineConfig
from drivers.catalog import ALL, BUILTIN, REPORTING
from drivers.template import files

PROTOCOLS = Path(__file__).parents[2] / "docs" / "protocols"
FAMILIES = {
    "modbus": {"modbus-tcp", "modbus-rtu", "modbus-rtu-over-tcp"},
    "dlt645": {"dlt645", "dlt645-over-tcp"},
    "cjt188": {"cjt188", "cjt188-over-tcp"},
    "mbus": {"mbus", "mbus-over-tcp"},
    "nbiot": {"nbiot"},
    "coap": {"coap"},
    "lines": {"lines", "lines-over-tcp"},
}
OPTIONS = {"nbiot": {"dialect": "bc95"}}
FOLDERS = {name: folder for folder, names in FAMILIES.items() for name in names}


def test_the_families_are_those_that_a_configuration_may_name() -> None:
    assert set(ALL) == set(FOLDERS)
    assert set(ALL) == set(BUILTIN) | set(REPORTING)


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_a_family_loads_its_models_and_makes_lines_without_opening_them(name: str) -> None:
    family = ALL[name]
    models = files.names(FOLDERS[name])
    assert models
    assert [family.load_model(model).name for model in models] == models
    if isinstance(family, Family):
        address = "/dev/ttyUSB0" if family.serial else "127.0.0.1:5020"
        family.create_line(LineConfig(name, address, options=family.options(OPTIONS.get(name, {}), Path())))


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_a_family_is_documented(name: str) -> None:
    assert any(f"`{name}`" in page.read_text("utf-8") for page in PROTOCOLS.glob("*.md"))
