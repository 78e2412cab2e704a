"""When a counter is looked through again. With the database: test_api.py."""

from decimal import Decimal

import pytest

from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.watch import EVERY_MS, is_due


@pytest.mark.parametrize(
    ("t", "value", "due"),
    [
        (1000, "10.00", False),
        (999, "9.00", False),
        (1001, "10.01", False),
        (1001, "9.99", True),
        (1000 + EVERY_MS, "10.00", True),
    ],
)
def test_a_fall_is_looked_at_at_once_and_a_rise_every_few_hours(t: int, value: str, due: bool) -> None:
    looked = Reading(1000, Decimal("10.00"), -2)
    assert is_due(Reading(t, Decimal(value), -2), looked) is due
    assert is_due(Reading(t, Decimal(value), -2), None)
