from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fleet_server.domains.metering.figures import Figure
from fleet_server.domains.metering.models import BEIJING
from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.registers import Kind
from fleet_server.domains.metering.rows import Row, Standing, in_order, matches, natural, row_of, standing_of, window_of
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.ports import ChannelNow, DeviceSummary
from protocols.quality import Quality

NOW = datetime(2026, 3, 2, 16, 30, tzinfo=UTC)  # 00:30 of the 3rd in Beijing
COUNTER = ChannelNow("energy", {}, "3331", "kWh", "counter", -2, False, None, {}, 1000, 1.0, "1.00", 0, NOW)
SUMMARY = DeviceSummary(
    "D1101149001000101X", "Pole 1 meter", "meter_1p", "D9", "bj", "", None, None, None, None, None, "in-service", NOW
)


def row(name: str = "Pole 1 meter", kind: Kind = Kind.ELECTRICITY, amount: str | None = None) -> Row:
    made = row_of(replace(SUMMARY, name=name), kind, COUNTER, "Lamp pole 1", "East", is_suspect=False, now=NOW)
    reading = Reading(0, Decimal(0), -2)
    return replace(made, days=Figure(Decimal(amount), False, False, reading, reading) if amount else None)


def test_the_window_is_of_beijing_s_days() -> None:
    window = window_of(NOW)
    days, today, end = (from_ms(t).astimezone(BEIJING) for t in (window.days, window.today, window.end))
    assert (today.isoformat(), end.hour) == ("2026-03-03T00:00:00+08:00", 1)
    assert today - days == timedelta(days=29)
    assert (len(window.hours), window.hours[-1]) == (25, window.end)


@pytest.mark.parametrize(
    ("changes", "is_suspect", "standing"),
    [
        ({}, False, Standing.OK),
        ({}, True, Standing.LOOK),
        ({"at": NOW - timedelta(seconds=6)}, False, Standing.SILENT),
        ({"at": NOW - timedelta(seconds=6), "period_ms": 60_000}, False, Standing.OK),
        ({"at": None}, False, Standing.SILENT),
        ({"quality": int(Quality.BAD_TIMEOUT)}, False, Standing.SILENT),
    ],
)
def test_a_meter_is_silent_when_it_lacks_three_readings_or_only_fails(
    changes: dict[str, object], is_suspect: bool, standing: Standing
) -> None:
    assert standing_of(replace(COUNTER, **changes), is_suspect, NOW) is standing  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "kind", "found"),
    [
        ("", "", True),
        ("pole 1", "electricity", True),
        ("LAMP east", "", True),
        ("meter_1p", "", True),
        ("pole 2", "", False),
        ("", "water", False),
    ],
)
def test_every_word_has_to_stand_in_what_the_row_shows(query: str, kind: str, found: bool) -> None:
    assert matches(row(), query, kind) is found


def test_pole_2_comes_before_pole_10() -> None:
    names = ["1 first", "Pole 2 meter", "pole 10 meter", "Pump"]
    assert sorted(["pole 10 meter", "Pump", "Pole 2 meter", "1 first"], key=natural) == names
    assert [one.device.name for one in in_order([row(name) for name in names], "-name")] == names[::-1]


def test_figures_are_ordered_within_their_kind_and_what_has_none_is_last_either_way() -> None:
    rows = [row("w", Kind.WATER, "99"), row("a", amount="2"), row("b", amount="10"), row("c")]
    assert [one.device.name for one in in_order(rows, "days")] == ["a", "b", "c", "w"]
    assert [one.device.name for one in in_order(rows, "-days")] == ["b", "a", "c", "w"]
