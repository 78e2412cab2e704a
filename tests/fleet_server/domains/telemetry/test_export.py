"""Readings as text: exact decimals, times to the millisecond, and whatever a unit may be called."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry.export import as_csv, as_json_lines, quality_name, rows
from fleet_server.ingest.samples import NOT_DECIMAL, Samples

ENERGY = {"name": "energy", "unit": "kWh", "type": "decimal"}
POWER = {"name": "power", "unit": "W", "type": "f32"}


def samples(*readings: tuple[int, int, float, int, int, int]) -> Samples:
    """(channel, t, value, mantissa, scale, quality)."""
    channel, t, value, mantissa, scale, quality = zip(*readings, strict=True)
    whole = [np.array(column, np.int64) for column in (channel, t, mantissa, scale, quality)]
    return Samples(np.ones(len(t), np.int64), whole[0], whole[1], np.array(value), *whole[2:])


def decimal(t: int, mantissa: int, scale: int, quality: int = 0) -> tuple[int, int, float, int, int, int]:
    return (0, t, float(mantissa), mantissa, scale, quality)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-18, 18))
def test_a_decimal_is_written_as_it_is_without_an_exponent(mantissa: int, scale: int) -> None:
    ((_, _, text, _, _),) = rows([ENERGY], samples(decimal(0, mantissa, scale)))
    assert "E" not in text
    assert Decimal(text).compare_total(Decimal(f"{Decimal(mantissa).scaleb(scale):f}")) == 0


def test_rows_are_in_order_of_time_and_name_their_quality() -> None:
    found = samples(
        decimal(1_772_368_200_001, 99_999_999, -2),
        decimal(1_772_368_201_000, 0, -2, 0x800A),
        (1, 1_772_368_200_500, float(np.float32(0.1)), 0, NOT_DECIMAL, 0x4091),
        (1, 1_772_368_200_501, float("nan"), 0, NOT_DECIMAL, 0x8ABC),
    )
    assert as_csv(rows([ENERGY, POWER], found)).splitlines() == [
        "2026-03-01T12:30:00.001Z,energy,999999.99,kWh,Good",
        "2026-03-01T12:30:00.500Z,power,0.1,W,UncertainSubstitute",
        "2026-03-01T12:30:00.501Z,power,,W,0x8ABC",
        "2026-03-01T12:30:01.000Z,energy,0.00,kWh,BadTimeout",
    ]


def test_json_keeps_the_value_as_text_and_says_null_for_none() -> None:
    found = samples(decimal(0, 99_999_999, -2), (1, 1, float("nan"), 0, NOT_DECIMAL, 0x8000))
    told: list[Any] = [json.loads(line) for line in as_json_lines(rows([ENERGY, POWER], found)).splitlines()]
    assert [(one["channel"], one["value"], one["quality"]) for one in told] == [
        ("energy", "999999.99", "Good"),
        ("power", None, "Bad"),
    ]


@given(st.text(max_size=20), st.text(max_size=20))
def test_names_and_units_come_back_from_csv_as_they_were(name: str, unit: str) -> None:
    text = as_csv(rows([{"name": name, "unit": unit, "type": "decimal"}], samples(decimal(0, 1, 0))), header=True)
    assert list(csv.reader(io.StringIO(text, newline="")))[1][1:4] == [name, "1", unit]


def test_a_quality_is_named_as_opc_ua_names_it() -> None:
    assert [quality_name(code) for code in (0, 0x0096, 0x4090, 0x8089, 7)] == [
        "Good", "GoodLocalOverride", "UncertainLastUsable", "BadConfigurationError", "0x0007",
    ]  # fmt: skip
