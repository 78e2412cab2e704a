"""What a person says of a replacement, judged by itself and beside others. With real readings: test_api.py."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fleet_server.domains.metering.checks import Recorded, check_not_twice, check_recorded, neighbours
from fleet_server.domains.metering.models import Replacement
from fleet_server.domains.metering.readings import Reading
from fleet_server.kernel.errors import Conflict, Invalid

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SAID = Recorded("energy", NOW - timedelta(hours=1), Decimal("10.00"), Decimal("0.00"))


def known(minutes: int, end: str = "10.00", start: str = "0.00") -> Replacement:
    at = NOW - timedelta(minutes=minutes)
    return Replacement(
        UUID(int=minutes + 1000),
        1,
        "D1",
        "energy",
        at,
        Decimal(end),
        Decimal(start),
        "",
        "",
        "",
        False,
        "user:1",
        "Li",
        at,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"at": NOW.replace(tzinfo=None)}, "at"),
        ({"at": NOW + timedelta(seconds=1)}, "at"),
        ({"end": Decimal("NaN")}, "end"),
        ({"end": Decimal("Infinity")}, "end"),
        ({"start": Decimal("-0.01")}, "start"),
        ({"start": Decimal("1E+5")}, "start"),
        ({"start": Decimal("0." + "1" * 19)}, "start"),
        ({"note": "a\x00b"}, "note"),
        ({"removed_serial": "7" * 65}, "removed_serial"),
    ],
)
def test_each_fault_is_named_at_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_recorded(replace(SAID, **changes), NOW)
    assert list(caught.value.fields) == [field]


def test_what_is_right_passes_up_to_this_moment() -> None:
    check_recorded(SAID, NOW)
    check_recorded(replace(SAID, at=NOW, note="line one\nline two"), NOW)


def test_another_replacement_between_is_nearer_than_the_readings() -> None:
    t = round(SAID.at.timestamp() * 1000)
    low, high = Reading(t - 7_200_000, Decimal(9), -2), Reading(t + 7_200_000, Decimal(1), -2)
    before, after = neighbours(t, low, high, [known(90, "9.5", "0.5"), known(30, "1.5", "0.7")])
    assert before == Reading(t - 1_800_000, Decimal("0.5"), None)
    assert after == Reading(t + 1_800_000, Decimal("1.5"), None)
    assert neighbours(t, low, high, [known(600), known(-600)]) == (low, high)


def test_two_swaps_between_the_same_readings_are_two_when_their_figures_differ() -> None:
    t = round(SAID.at.timestamp() * 1000)
    low, high = Reading(t - 7_200_000, Decimal(9), -2), Reading(t + 7_200_000, Decimal(1), -2)
    check_not_twice(SAID, [known(50, "0.10", "0.00")], low, high)
    for other in (known(60, "0.10"), known(50)):
        with pytest.raises(Conflict):
            check_not_twice(SAID, [other], low, high)
    check_not_twice(SAID, [known(50)], low, replace_t(high, t + 60_000))


def replace_t(reading: Reading, t: int) -> Reading:
    return reading._replace(t=t)
