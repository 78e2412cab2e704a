import pytest

from drivers.base import ModelError
from drivers.mbus.model import SPACE, Selector
from drivers.mbus.template import load_model, parse_model, template_names
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE
from protocols.mbus.codes import Function

HEAD = 'name = "x"\ntitle = { en = "x", zh = "x" }\n'
CHANNEL = """[[channel]]
name = "volume"
title = { en = "Volume", zh = "水量" }
quantity = "water"
unit = "m3"
kind = "counter"
record = "volume"
scale = "0.001"
"""


def test_there_are_templates_for_heat_water_gas_and_electricity() -> None:
    assert template_names() == ["mbus_electricity_meter", "mbus_gas_meter", "mbus_heat_meter", "mbus_water_meter"]


@pytest.mark.parametrize("name", template_names())
def test_a_template_is_read_in_one_request_and_its_counters_roll_over(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert {point[:2] for point in model.points} == {(SPACE, 0)}
    main = model.channels[0]
    assert main.kind is Kind.COUNTER
    assert main.tag == I64LE
    assert main.rollover is not None


def test_a_channels_unit_is_brought_to_the_records() -> None:
    (entry,) = parse_model(HEAD + CHANNEL.replace('"m3"', '"l"').replace("0.001", "1"), "x").entries
    assert entry.selector == Selector("volume", "m3")
    assert entry.shift == 3
    assert entry.channel.scale == 0


def test_plausible_limits_that_fit_make_a_narrow_column() -> None:
    gauge = CHANNEL.replace("counter", "gauge")
    assert parse_model(HEAD + gauge, "x").channels[0].tag == I64LE
    assert parse_model(HEAD + gauge + 'limits = ["0", "1000"]', "x").channels[0].tag == I32LE
    assert parse_model(HEAD + gauge + 'limits = ["0", "3000000"]', "x").channels[0].tag == I64LE


def test_a_channel_may_say_which_value_it_is() -> None:
    keys = 'function = "minimum"\nstorage = 3\ntariff = 2\nsubunit = 1\nmodifiers = "7F 01"\n'
    (entry,) = parse_model("telegrams = 2\n" + HEAD + CHANNEL + keys, "x").entries
    assert entry.selector == Selector("volume", "m3", Function.MINIMUM, 3, 2, 1, b"\x7f\x01")


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ('modifiers = "7"', "modifiers must be bytes in hex"),
        ('function = "highest"', "function is 'highest'"),
        ("storage = -1", "storage must be an integer"),
        ("bit = 1", "bit is possible for a state"),
        ("width = 1", "width needs a bit"),
        ("address = 1", "address is not a key here"),
    ],
)
def test_a_mistake_is_told_with_its_place(keys: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=rf"x: channel 1 \(volume\)\.{complaint}"):
        parse_model(HEAD + CHANNEL + keys, "x")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (
            CHANNEL.replace('record = "volume"', 'record = "volumes"'),
            r"record is 'volumes' \(did you mean 'volume'\?\)",
        ),
        (CHANNEL.replace("0.001", "0.005"), "scale must be a power of ten"),
        (CHANNEL.replace('record = "volume"\n', ""), "record is missing"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(document: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        parse_model(HEAD + document, "x")


def test_the_number_of_telegrams_is_bounded() -> None:
    assert parse_model("telegrams = 3\n" + HEAD + CHANNEL, "x").points[0].length == 3
    with pytest.raises(ModelError, match="telegrams must be an integer from 1 to 10"):
        parse_model("telegrams = 11\n" + HEAD + CHANNEL, "x")
