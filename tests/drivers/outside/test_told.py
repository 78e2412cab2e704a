import dataclasses
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import Channel, Limits, ModelError, Nonsense, Point, Reading, Readings, Span
from drivers.dlt645.template import load_model as load_meter
from drivers.modbus.template import load_model as load_registers
from drivers.outside.told import (
    OutsideModel,
    Space,
    read_about,
    read_model,
    read_readings,
    tell_model,
    tell_readings,
)
from protocols.edge.birth import Kind
from protocols.edge.cbor import load_one
from protocols.edge.columns import F64LE, I32LE, I64LE
from protocols.quality import Quality

TITLE = {"en": "Level", "zh": "水位"}
MODEL = OutsideModel(
    "gauge",
    "gauge",
    TITLE,
    (
        Channel("level", TITLE, "distance", "m", Kind.GAUGE, I32LE, 1, (Decimal("-0.5"), Decimal(9)), True),
        Channel("total", TITLE, "", "", Kind.COUNTER, I64LE, 3, rollover=10**9),
        Channel("ratio", TITLE, "", "", Kind.GAUGE, F64LE),
        Channel("state", TITLE, "", "", Kind.STATE, I32LE, states={0: {"en": "shut"}, -1: {"en": "open"}}),
    ),
    tuple(Point(Space.of("all", "gauge"), address, 1, address) for address in range(4)),
    Limits({"all": 4}, 0),
)
SPAN = Span("all", 0, 4)


def over_the_wire(item: object) -> Any:
    return load_one(cbor2.dumps(item))


def told(**changes: Any) -> Any:
    return over_the_wire(tell_model(dataclasses.replace(MODEL, **changes)))


@pytest.mark.parametrize(
    "model", [MODEL, load_registers("meter_3p"), load_registers("gas_head"), load_meter("dlt645_meter_1p")]
)
def test_a_model_arrives_as_it_is(model: Any) -> None:
    arrived = read_model(over_the_wire(tell_model(model)), "its source")
    for name in ("name", "title", "channels", "points", "limits"):
        assert getattr(arrived, name) == getattr(model, name)
    assert {point.space.source for point in arrived.points if isinstance(point.space, Space)} == {"its source"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "x" * 65}, "field 1 is not a text"),
        ({"title": {"en": "x" * 201}}, "is not a short text"),
        ({"points": (Point("all", 0, 5, 0),)}, "5 addresses, and a request holds at most 4"),
        ({"points": (Point("other", 0, 1, 0),)}, "a request holds at most 0"),
        ({"points": (Point("all", 0, 1, 4),)}, "4 is not a whole number from 0 to 3"),
        ({"channels": (dataclasses.replace(MODEL.channels[0], tag=1),), "points": ()}, "tag 1 is not one of"),
        ({"channels": (dataclasses.replace(MODEL.channels[0], scale=19),), "points": ()}, "field 7"),
        (
            {"channels": (dataclasses.replace(MODEL.channels[0], limits=(Decimal("NaN"), Decimal(1))),), "points": ()},
            "limits",
        ),
        (
            {"channels": (dataclasses.replace(MODEL.channels[0], limits=(Decimal(0), Decimal("1E+999999999"))),)},
            "limits",
        ),
        ({"limits": Limits({"all": 4}, -1)}, "field 6"),
        ({"points": ()}, "0 points for 4 channels"),
        ({"points": MODEL.points[:3]}, "3 points for 4 channels"),
        ({"points": (*MODEL.points[:3], Point("all", 5, 1, 0))}, "each stands at one place"),
        ({"channels": (), "points": ()}, "0 points for 0 channels"),
    ],
)
def test_a_model_that_is_out_of_order_is_refused_with_the_reason(changes: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        read_model(told(**changes), "gauge")


@settings(max_examples=30)
@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.integers(), one))
)
def test_whatever_a_child_says_is_a_model_or_refused(item: object) -> None:
    for read in (lambda: read_model(item, "gauge"), lambda: read_about(item)):
        with pytest.raises(ModelError):
            read()


def test_readings_arrive_as_they_are_and_numpy_s_numbers_as_python_s() -> None:
    level: Any = np.int32(21)
    sent = [Reading(0, level, 0), Reading(1, 2**62, 0), Reading(2, np.float64(0.5), Quality.BAD_OUT_OF_RANGE)]
    arrived = read_readings(tell_readings(Readings.of([*sent, Reading(3, None, Quality.BAD)])), MODEL)
    assert list(arrived) == [*sent, Reading(3, None, Quality.BAD)]
    assert [type(value) for value in arrived.values] == [int, int, float, type(None)]
    assert list(MODEL.decode(SPAN, tell_readings(arrived))) == list(arrived)


def test_a_reading_that_is_no_number_is_the_driver_s_bug() -> None:
    with pytest.raises(TypeError, match="no number"):
        tell_readings(Readings.of([Reading(0, "21", 0)]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        ([[0], [1], []], "not one of each channel"),
        ([[0, 0], [1, 2], [0, 0]], "a channel twice"),
        ([[4], [1], [0]], "channel 4"),
        ([[-1], [1], [0]], "channel -1"),
        ([[True], [1], [0]], "channel True"),
        ([[0], [1.5], [0]], "level the value 1.5"),
        ([[0], [2**31], [0]], "level the value"),
        ([[1], [-(2**63) - 1], [0]], "total the value"),
        ([[0], [True], [0]], "level the value True"),
        ([[0], [None], [0]], "level the value None, quality 0x0"),
        ([[2], [float("nan")], [0]], "ratio the value nan"),
        ([[2], [float("inf")], [0]], "ratio the value inf"),
        ([[2], ["1"], [0]], "ratio the value '1'"),
        ([[0], [1], [0x10000]], "quality 65536"),
        ({}, "not three lists"),
    ],
)
def test_readings_that_no_driver_may_give_are_nonsense(readings: object, words: str) -> None:
    with pytest.raises(Nonsense, match=words):
        read_readings(cbor2.dumps(readings), MODEL)


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ([0], r"channels 0 for all 0 to 1, where 0, 1 stand"),
        ([0, 2], "channels 0, 2"),
        ([0, 1, 2], "channels 0, 1, 2"),
        ([], "none"),
    ],
)
def test_readings_of_other_channels_than_were_asked_for_are_nonsense(channels: list[int], words: str) -> None:
    told = tell_readings(Readings.of(Reading(channel, 1, 0) for channel in channels))
    with pytest.raises(Nonsense, match=words):
        MODEL.decode(Span("all", 0, 2), told)


@given(st.binary(max_size=40))
def test_noise_for_readings_is_nonsense_or_readings(noise: bytes) -> None:
    with suppress(Nonsense):
        assert isinstance(read_readings(noise, MODEL), Readings)


def test_what_a_driver_is_made_of_is_believed_only_in_order() -> None:
    assert read_about({"serial": [2400, "E", 1], "files": ["a"]}) == ((2400, "E", 1), ["a"])
    assert read_about({"serial": None, "files": []}) == (None, [])
    with pytest.raises(ModelError):
        read_about({"serial": [2400, "X", 1], "files": []})


def test_a_model_of_any_object_can_be_told() -> None:
    plain: Any = SimpleNamespace(
        name="plain", title={}, channels=MODEL.channels, points=MODEL.points, limits=Limits({"all": 4}, 0)
    )
    assert read_model(over_the_wire(tell_model(plain)), "gauge").channels == MODEL.channels
