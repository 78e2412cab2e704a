from pathlib import Path

import pytest

from drivers.base import ModelError
from drivers.dlt645.template import load_model, parse_model, template_names
from protocols.edge.birth import Kind

HEAD = """
name = "meter"
title = { en = "Meter", zh = "表" }
"""
ENERGY = """
[[channel]]
name = "energy"
title = { en = "Energy", zh = "电能" }
quantity = "energy"
unit = "kWh"
kind = "counter"
di = "00010000"
format = "XXXXXX.XX"
"""
VOLTAGE = """
[[channel]]
name = "voltage"
title = { en = "Voltage", zh = "电压" }
quantity = "voltage"
unit = "V"
kind = "gauge"
di = "02010100"
format = "XXX.X"
"""
LONGER = VOLTAGE.replace('"voltage"', '"x"', 1).replace("0100", "0200").replace("XXX.X", "XX.XXXX")
BLOCK = """
[[block]]
di = "0201FF00"
first = 1
"""


@pytest.mark.parametrize("name", template_names())
def test_our_templates_are_sound(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    for channel in model.channels:
        assert (channel.rollover is not None) == (channel.kind is Kind.COUNTER)


def test_there_is_a_meter_for_one_phase_and_one_for_three() -> None:
    assert template_names() == ["dlt645_meter_1p", "dlt645_meter_3p"]


def test_a_template_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + ENERGY, encoding="utf-8")
    (channel,) = load_model(str(path)).channels
    assert (channel.name, channel.scale, channel.kind) == ("energy", -2, Kind.COUNTER)


def test_a_datum_of_a_block_stands_in_it() -> None:
    assert [point[:3] for point in parse_model(HEAD + BLOCK + VOLTAGE + ENERGY, "x").points] == [
        ("0201..00", 1, 1),
        ("00010000", 0, 1),
    ]
    assert parse_model(HEAD + VOLTAGE, "x").points[0][:3] == ("02010100", 0, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + ENERGY.replace("00010000", "10000"), "di is '10000': eight digits 0 to F"),
        (HEAD + ENERGY.replace('"00010000"', "10000"), "di must be a text"),
        (HEAD + ENERGY.replace("XXXXXX.XX", "XXX.XX"), "format is wrong: 'XXX.XX' is not a format such as"),
        (HEAD + ENERGY.replace("XXXXXX.XX", 18 * "X"), "format has more than 16 digits"),
        (HEAD + ENERGY + "signed = true", "signed is not possible for a counter"),
        (HEAD + ENERGY.replace("counter", "state"), "format has a point, but a state is a whole number"),
        (HEAD + ENERGY + "adress = 1", "adress is not a key here"),
        (HEAD + ENERGY + ENERGY, "stands twice: 'energy'"),
        (HEAD + BLOCK.replace("FF", "01") + ENERGY, "block 1.di is '02010100': a block has one byte FF"),
        (HEAD + BLOCK + BLOCK + VOLTAGE, "block 2.di stands twice"),
        (HEAD + BLOCK.replace("first = 1", "first = 2") + VOLTAGE, "ahead of the first datum of its block, 02"),
        (
            HEAD + BLOCK + VOLTAGE + LONGER,
            "'x' is longer or shorter than 'voltage', which is in the same block",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        parse_model(text, "mine.toml")
