from pathlib import Path

import pytest

from drivers.base import ModelError
from drivers.cjt188.template import load_model, parse_model, template_names
from protocols.edge.birth import Kind

HEAD = """
name = "meter"
type = 0x10
title = { en = "Meter", zh = "表" }
"""
TOTAL = """
[[channel]]
name = "total"
title = { en = "Total", zh = "累积" }
quantity = "water"
unit = "m3"
kind = "counter"
at = 0
format = "XXXXXX.XX"
unit_at = 4
"""
VALVE = """
[[channel]]
name = "valve"
title = { en = "Valve", zh = "阀门" }
quantity = "switch"
kind = "state"
at = 17
bit = 0
width = 2
"""


@pytest.mark.parametrize("name", template_names())
def test_our_templates_are_sound(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    for channel in model.channels:
        assert (channel.rollover is not None) == (channel.kind is Kind.COUNTER)


def test_there_are_meters_for_water_gas_and_heat() -> None:
    assert template_names() == ["gas_meter", "heat_meter", "water_meter"]
    assert {load_model(name).points[0].space for name in template_names()} == {"10", "20", "30"}


def test_a_template_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + TOTAL + VALVE, encoding="utf-8")
    assert [channel.name for channel in load_model(str(path)).channels] == ["total", "valve"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD.replace("0x10", "0x50") + TOTAL, "type must be an integer from 16 to 73"),
        (HEAD.replace("type = 0x10", "") + TOTAL, "type is missing"),
        (HEAD + TOTAL.replace("XXXXXX.XX", "XXX.XX"), "format is wrong: 'XXX.XX' is not a format such as"),
        (HEAD + TOTAL.replace('"m3"', '"m^3"'), "unit is 'm\\^3' .did you mean 'm3'"),
        (HEAD + TOTAL.replace("at = 0", "at = 97"), "at must be an integer from 0 to 96"),
        (HEAD + TOTAL.replace("counter", "state"), "format has a point, but a state is a whole number"),
        (HEAD + TOTAL + "width = 2", "width needs a bit"),
        (HEAD + VALVE + 'format = "XX"', "format is not possible for bits"),
        (HEAD + VALVE.replace("state", "gauge"), "kind must be state for bits"),
        (HEAD + VALVE.replace("bit = 0", "bit = 7"), "width must be an integer from 1 to 1"),
        (HEAD + TOTAL + TOTAL, "stands twice: 'total'"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        parse_model(text, "mine.toml")
