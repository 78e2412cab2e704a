from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import ModelError
from drivers.template.section import Section
from drivers.template.told import TOLD_KEYS, Told, Value, told_channel
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE
from protocols.quality import Quality

TITLE = {"en": "A", "zh": "甲"}
GAUGE = {"name": "a", "title": TITLE, "quantity": "temperature", "unit": "Cel", "kind": "gauge"}
STATE = {"name": "a", "title": TITLE, "quantity": "digital_input", "kind": "state"}


def told(**keys: object) -> Told:
    table = {**(STATE if keys.get("kind") == "state" else GAUGE), **keys}
    return told_channel(Section("a.toml", "channel 1", table, TOLD_KEYS))


def read(channel: Told, value: Value | None) -> tuple[object, int]:
    reading = channel.reading(3, value)
    assert reading.channel == 3
    return reading.value, reading.quality


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_every_decimal_that_was_declared_arrives(value: Decimal) -> None:
    channel = told(decimals=3)
    number, quality = read(channel, value)
    assert Decimal(str(number)).scaleb(channel.channel.scale) == value
    assert quality == Quality.GOOD


@pytest.mark.parametrize(
    ("keys", "value", "number"),
    [
        ({"decimals": 1}, Decimal("21.25"), 212),  # to even, so that roundings do not add up
        ({"decimals": 1}, Decimal("21.35"), 214),
        ({"decimals": 2}, Decimal("999999.99"), 99999999),
        ({"factor": "100"}, Decimal("1013.25"), 101325),
        ({"factor": "0.514444", "decimals": 2}, Decimal(10), 514),
        ({"decimals": 1}, "21.5", 215),
        ({}, 7, 7),
        ({}, True, 1),
        ({}, Decimal("1e-400"), 0),
        ({}, Decimal("-0.0"), 0),
        ({"kind": "state", "words": {"A": 0, "V": 2}}, "V", 2),
        ({"kind": "state"}, False, 0),
    ],
)
def test_what_is_told_becomes_the_channels_own_integer(keys: dict[str, object], value: Value, number: int) -> None:
    assert read(told(**keys), value) == (number, Quality.GOOD)


@pytest.mark.parametrize(
    ("keys", "value", "quality"),
    [
        ({}, None, Quality.BAD_NO_DATA),
        ({"absent": ["---"]}, "---", Quality.BAD_NO_DATA),
        ({"absent": ["-999.9"]}, Decimal("-999.90"), Quality.BAD_NO_DATA),
        ({"absent": ["-999.9"]}, "-999.9", Quality.BAD_NO_DATA),
        ({}, "warm", Quality.BAD_CONFIGURATION_ERROR),
        ({}, "NaN", Quality.BAD_CONFIGURATION_ERROR),
        ({"kind": "state"}, Decimal("0.5"), Quality.BAD_CONFIGURATION_ERROR),
        ({}, Decimal("1e300"), Quality.BAD_OUT_OF_RANGE),
    ],
)
def test_what_says_nothing_has_no_value_and_the_reason(
    keys: dict[str, object], value: Value | None, quality: Quality
) -> None:
    assert read(told(**keys), value) == (None, quality)


@pytest.mark.parametrize(
    ("keys", "tag"),
    [
        ({}, I64LE),
        ({"limits": ["-40", "85"], "decimals": 2}, I32LE),
        ({"limits": ["0", "999999.99"], "decimals": 2}, I32LE),
        ({"limits": ["0", "99999999.99"], "decimals": 2}, I64LE),
        ({"kind": "state"}, I32LE),
    ],
)
def test_a_channel_travels_in_the_narrowest_column_that_its_limits_allow(keys: dict[str, object], tag: int) -> None:
    channel = told(**keys).channel
    assert channel.tag == tag
    assert channel.kind is (Kind.STATE if keys.get("kind") == "state" else Kind.GAUGE)


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        ({"kind": "state", "decimals": 1}, "decimals are not possible for a state"),
        ({"factor": "0"}, "factor is 0: it must be more than 0"),
        ({"factor": 0.5}, "factor is a binary float"),
        ({"words": {"A": 1}}, "words are possible for a state"),
        ({"kind": "state", "words": {"A": -1}}, "must be an integer from 0"),
        ({"absent": "---"}, "absent must be a list of texts"),
        ({"absent": [5]}, "absent must be a list of texts"),
    ],
)
def test_a_channel_that_cannot_be_says_why(keys: dict[str, object], cause: str) -> None:
    with pytest.raises(ModelError, match=cause):
        told(**keys)
