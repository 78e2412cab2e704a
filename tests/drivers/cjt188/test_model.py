from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Nonsense, Reading, Readings, Span
from drivers.cjt188.model import RecordModel
from drivers.cjt188.template import load_model
from protocols.cjt188.messages import METERING
from protocols.cjt188.records import HEAT, WATER, Record, Status, Value, encode_record
from protocols.cjt188.units import CODES
from protocols.quality import Quality

METER = load_model("water_meter")
HEAT_METER = load_model("heat_meter")
M3 = CODES["m3"]


def water(total: Value, settlement: Value = Value(0, M3), status: bytes = bytes(2)) -> bytes:  # noqa: B008
    return encode_record(WATER, Record({"total": total, "settlement": settlement}, None, Status(status)))


def named(raw: bytes, model: RecordModel = METER) -> dict[str, Reading]:
    readings: Readings = model.decode(Span("10", METERING, 1), raw)
    return {model.channels[each.channel].name: each for each in readings}


@given(st.integers(0, 99_999_999))
def test_a_counter_is_exact_from_frame_to_reading(count: int) -> None:
    reading = named(water(Value(count, M3)))["total"]
    channel = METER.channels[reading.channel]
    assert (reading.value, reading.quality) == (count, Quality.GOOD)
    assert Decimal(count).scaleb(channel.scale) == Decimal(count) / 100
    assert channel.rollover == 100_000_000


def test_the_published_record_with_one_value_alone_keeps_that_one() -> None:
    raw = bytes.fromhex("005959002CFFFFFFFF2CFFFFFFFFFFFFFF0000")
    shown = named(raw)
    assert (shown["total"].value, shown["total"].quality) == (595_900, Quality.GOOD)
    assert (shown["settlement"].value, shown["settlement"].quality) == (None, Quality.BAD_NO_DATA)


def test_a_value_in_another_unit_than_the_models_is_no_value() -> None:
    shown = named(water(Value(123, CODES["L"])))
    assert (shown["total"].value, shown["total"].quality) == (None, Quality.BAD_CONFIGURATION_ERROR)
    assert shown["settlement"].quality == Quality.GOOD


@pytest.mark.parametrize(
    ("status", "valve", "battery"), [("0000", 0, 0), ("0500", 1, 1), ("2184", 1, 0), ("0300", 3, 0)]
)
def test_valve_and_battery_are_states(status: str, valve: int, battery: int) -> None:
    shown = named(water(Value(0, M3), status=bytes.fromhex(status)))
    assert (shown["valve"].value, shown["battery"].value) == (valve, battery)
    channels = {channel.name: channel for channel in METER.channels}
    assert channels["valve"].states[1]["en"] == "closed"
    assert channels["battery"].states[1]["zh"] == "欠压"


def test_the_record_of_a_heat_meter_is_taken_apart() -> None:
    meant = {
        "settlement": (1, "kWh"), "heat": (99_999_999, "kWh"), "power": (12_34, "kW"), "flow": (1_2345, "m3/h"),
        "volume": (5_00, "m3"), "supply": (65_43, ""), "return": (45_67, ""), "hours": (999_999, ""),
    }  # fmt: skip
    values = {name: Value(number, CODES.get(unit, 0xFF)) for name, (number, unit) in meant.items()}
    shown = named(encode_record(HEAT, Record(values, None, Status(b"\x04\x00"))), HEAT_METER)
    assert {name: each.value for name, each in shown.items()} == {
        **{name: number for name, (number, _) in meant.items()},
        "battery": 1,
    }
    assert {each.quality for each in shown.values()} == {Quality.GOOD}


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (bytes(17), "valve is not in a record of 17 bytes"),
        (bytes(3), "total: 4 bytes were expected"),
        (bytes.fromhex("0A0000002C") + bytes(14), "total: 0a 00 00 00 is no decimal number"),
    ],
)
def test_what_is_no_record_is_nonsense(raw: bytes, complaint: str) -> None:
    if len(raw) == 17:
        raw = water(Value(0, M3))[:17]
    with pytest.raises(Nonsense, match=complaint):
        named(raw)
