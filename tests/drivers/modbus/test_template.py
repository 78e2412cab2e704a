import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import ModelError, Span
from drivers.modbus.decode import Entry
from drivers.modbus.template import load_model, parse_model, template_names
from drivers.template import files
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, I32LE, I64LE
from tests.hostile import distorted

MODELS = {
    "access_point",
    "battery_ups",
    "dali_gateway",
    "door_controller",
    "ev_charger",
    "fan",
    "fire_panel",
    "gas_head",
    "lamp_controller",
    "liquid_level",
    "manhole_monitor",
    "meter_1p",
    "meter_3p",
    "noise_meter",
    "parking_sensor",
    "power_analyser",
    "single_gas",
    "soil_moisture",
    "sump_pump",
    "tunnel_climate",
    "vehicle_detector",
    "weather_station",
}

HEAD = 'name = "m"\ntitle = { en = "M", zh = "模" }\n'
VOLTAGE = """
[[channel]]
name = "voltage"
title = { en = "Voltage", zh = "电压" }
quantity = "voltage"
unit = "V"
kind = "gauge"
table = "input"
address = 0
type = "u16"
scale = "0.1"
limits = ["0", "300"]
"""


def entries(name: str) -> dict[str, Entry]:
    return {entry.channel.name: entry for entry in load_model(name).entries}


def test_all_models_are_there() -> None:
    assert set(template_names()) == MODELS


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_template_says_all_that_a_console_needs(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert set(model.title) == {"en", "zh"}
    for channel in model.channels:
        assert set(channel.title) == {"en", "zh"}
        assert channel.quantity.isdigit()
        if channel.kind is Kind.STATE:
            assert len(channel.states) > 1
        elif channel.rollover is None:
            assert channel.limits is not None
        if channel.kind is Kind.COUNTER:
            assert channel.tag in (I32LE, I64LE)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_channel_of_a_template_is_decoded_where_it_stands(name: str) -> None:
    model = load_model(name)
    for index, point in enumerate(model.points):
        span = model.span_of(index)
        size = (point.length + 7) // 8 if point.space in ("coil", "discrete") else 2 * point.length
        assert index in model.decode(span, bytes(size)).channels


def test_channels_stand_where_the_devices_have_them() -> None:
    lamp, meter, feeder, gas = map(entries, ("lamp_controller", "meter_1p", "meter_3p", "gas_head"))
    assert lamp["burning_hours"][1:6] == ("input", 3, "u32", "ABCD", (1, -1))
    assert lamp["over_temperature"].bits == (2, 1)
    assert lamp["case_temperature"].sentinels == {-32768}
    assert [name for name, entry in lamp.items() if entry.channel.writable] == ["dim_setpoint", "relay"]
    assert (meter["energy"].address, meter["energy"].length, meter["energy"].channel.scale) == (10, 4, -2)
    assert (feeder["voltage_b"].address, feeder["voltage_b"].order, feeder["voltage_b"].channel.tag) == (
        2,
        "CDAB",
        F32LE,
    )
    assert {format(sentinel, ".7g") for sentinel in gas["co"].sentinels} == {"3.402823e+38"}


def test_a_columns_type_is_the_narrowest_that_holds_every_value() -> None:
    meter = entries("meter_1p")
    assert meter["voltage"].channel.tag == I32LE
    assert meter["current"].channel.tag == I64LE or meter["current"].channel.tag == I32LE
    assert meter["energy"].channel.tag == I64LE
    assert parse_model(HEAD + VOLTAGE.replace("0.1", "40000"), "m.toml").channels[0].tag == I32LE
    assert parse_model(HEAD + VOLTAGE.replace("0.1", "40001"), "m.toml").channels[0].tag == I64LE


def test_requests_bound_spans() -> None:
    limits = parse_model(HEAD + "[requests]\nregisters = 16\nbits = 64\ngap = 0\n" + VOLTAGE, "m.toml").limits
    assert limits.longest == {"coil": 64, "discrete": 64, "input": 16, "holding": 16}
    assert limits.gap == 0


def test_a_file_of_ones_own_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + VOLTAGE, "utf-8")
    model = load_model(str(path))
    assert model.decode(Span("input", 0, 1), b"\x08\xfd").values == (2301,)
    assert model.channels[0].limits == (Decimal(0), Decimal(300))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "m.toml: not TOML: Invalid value (at end of document)"),
        (HEAD, "m.toml: channel is missing"),
        (HEAD + "channel = []", "m.toml: channel must be one or more [[channel]] tables"),
        (HEAD + "chanel = []", "m.toml: chanel is not a key here (did you mean 'channel'?)"),
        ("title = { en = 'M', zh = '模' }" + VOLTAGE, "m.toml: name is missing"),
        ("name = 'M-1'" + VOLTAGE, "m.toml: name is 'M-1': small letters"),
        ("name = 'm'\ntitle = { en = 'M' }" + VOLTAGE, "m.toml: title.zh is missing"),
        ("class = '18'\n" + HEAD + VOLTAGE, "m.toml: class must be four digits"),
        (
            HEAD + "[requests]\nregister = 1\n" + VOLTAGE,
            "m.toml: requests.register is not a key here (did you mean 'registers'?)",
        ),
        (
            HEAD + "[requests]\nregisters = 126\n" + VOLTAGE,
            "m.toml: requests.registers must be an integer from 1 to 125, not 126",
        ),
        (HEAD + VOLTAGE + VOLTAGE, "m.toml: channel stands twice: 'voltage'"),
        (
            HEAD + "[requests]\nregisters = 1\n" + VOLTAGE.replace("u16", "u32"),
            "m.toml: requests.registers is too small for 'voltage'",
        ),
    ],
)
def test_a_mistake_in_a_model_is_told_with_file_and_key(text: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=re.escape(complaint)):
        parse_model(text, "m.toml")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("address = 0", "adress = 0", "adress is not a key here (did you mean 'address'?)"),
        ("address = 0", "", "address is missing"),
        ("address = 0", "address = 65536", "address must be an integer from 0 to 65535"),
        ("address = 0", "address = true", "address must be an integer from 0 to 65535, not True"),
        ('"u16"', '"u61"', "type is 'u61' (did you mean 'u64'?); it must be one of u16, i16"),
        ('"u16"', '"u32"\norder = "CDBA"', "order is 'CDBA' (did you mean"),
        ('"input"', '"inputs"', "table is 'inputs' (did you mean 'input'?)"),
        ('"gauge"', '"guage"', "kind is 'guage' (did you mean 'gauge'?)"),
        ('quantity = "voltage"', 'quantity = "volts"', "quantity is 'volts' (did you mean 'voltage'?)"),
        ('scale = "0.1"', "scale = 0.1", 'scale is a binary float; write it as a text: "0.1"'),
        ('scale = "0.1"', 'scale = "a tenth"', 'scale must be a decimal number as a text, such as "0.1"'),
        ('scale = "0.1"', 'scale = "-0.1"', "scale is -0.1: a scale is a positive decimal number"),
        ('scale = "0.1"', 'scale = "1e-19"', "scale is 1E-19: out of range"),
        ('scale = "0.1"', 'scale = "1E+999999999"', "scale must be a decimal number"),
        ('"u16"', '"f32"', "scale is possible for integers"),
        ('"gauge"', '"state"', "scale is not possible for a state"),
        ('"gauge"', '"counter"\nwritable = true', "writable is possible for whole numbers in table holding"),
        ('type = "u16"\nscale = "0.1"', 'type = "f32"\nkind = "counter"', "not TOML"),
        ('limits = ["0", "300"]', 'limits = ["300", "0"]', "limits are 300 and 0: the lowest comes first"),
        ('limits = ["0", "300"]', 'limits = ["0"]', "limits must be a list of 2 numbers"),
        (
            'limits = ["0", "300"]',
            "sentinels = [0x18000]",
            "sentinels must be a list of 16-bit patterns, such as [0x8080]",
        ),
        ('limits = ["0", "300"]', "width = 2", "width needs a bit"),
        ('limits = ["0", "300"]', "bit = 2", "kind must be state for a bit field"),
        (
            'limits = ["0", "300"]',
            'states = { x = { en = "a", zh = "b" } }',
            "states has 'x', which is no number from 0 to 65535",
        ),
        ('limits = ["0", "300"]', 'states = { 1 = { en = "a" } }', "states.1.zh is missing"),
        ('limits = ["0", "300"]', "writable = 1", "writable must be true or false"),
        ('unit = "V"', "unit = 5", "unit must be a text"),
        ('name = "voltage"', 'name = "Voltage"', "name is 'Voltage': small letters"),
    ],
)
def test_a_mistake_in_a_channel_is_told_with_file_channel_and_key(old: str, new: str, complaint: str) -> None:
    assert old in VOLTAGE
    with pytest.raises(ModelError, match=re.escape(complaint)) as caught:
        parse_model(HEAD + VOLTAGE.replace(old, new), "m.toml")
    assert str(caught.value).startswith("m.toml: channel 1 (") or complaint == "not TOML"


@pytest.mark.parametrize(
    ("table", "more", "complaint"),
    [
        ("coil", 'unit = "V"', "unit is not a key here"),
        ("coil", 'kind = "gauge"', "kind must be state in table coil"),
        ("discrete", "writable = true", "writable is not possible in table discrete"),
        ("coil", 'states = { 2 = { en = "a", zh = "b" } }', "states has '2', which is no number from 0 to 1"),
    ],
)
def test_bits_are_states_and_nothing_else(table: str, more: str, complaint: str) -> None:
    text = f"""[[channel]]
name = "relay"
title = {{ en = "Relay", zh = "继电器" }}
quantity = "switch"
table = "{table}"
address = 0
{more}
"""
    with pytest.raises(ModelError, match=re.escape(complaint)):
        parse_model(HEAD + text, "m.toml")


@pytest.mark.parametrize("kind", ["counter", "state"])
def test_a_counter_or_state_is_never_a_float(kind: str) -> None:
    text = VOLTAGE.replace('"u16"', '"f32"').replace('scale = "0.1"', "").replace('"gauge"', f'"{kind}"')
    with pytest.raises(ModelError, match=f"type is f32, but a {kind} must be an integer"):
        parse_model(HEAD + text, "m.toml")


@pytest.mark.parametrize("source", ["metre_1p", "nowhere.toml"])
def test_a_model_that_is_not_there_is_told_with_what_is(source: str) -> None:
    with pytest.raises(ModelError, match=r"did you mean 'meter_1p'\?|nowhere\.toml: cannot be read"):
        load_model(source)


@given(st.sampled_from(sorted(MODELS)).flatmap(lambda name: distorted(files.read("modbus", name)[0])))
def test_whatever_a_file_says_it_is_a_model_or_told_what_is_wrong(text: str) -> None:
    try:
        told = parse_model(text, "own.toml").name
    except ModelError as error:
        told = str(error)
    assert told
