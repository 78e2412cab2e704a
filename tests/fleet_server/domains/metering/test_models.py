"""Intervals and their steps."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet_server.domains.metering.models import BEIJING, StepSize, check_span, step_edges
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.errors import Invalid


def edges(start: datetime, end: datetime, size: StepSize | None) -> list[str]:
    return [from_ms(t).astimezone(BEIJING).isoformat(timespec="minutes")[:16] for t in step_edges(start, end, size)]


def test_months_begin_at_beijings_midnight_whatever_the_zone_of_the_question() -> None:
    start, end = datetime(2025, 11, 30, 15, 59, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)
    assert edges(start, end, StepSize.MONTH) == [
        "2025-11-30T23:59", "2025-12-01T00:00", "2026-01-01T00:00", "2026-02-01T00:00", "2026-02-10T08:00",
    ]  # fmt: skip


def test_an_edge_of_the_interval_is_no_step_of_its_own() -> None:
    start = datetime(2026, 3, 1, tzinfo=BEIJING)
    assert edges(start, start + timedelta(days=2), StepSize.DAY) == [
        "2026-03-01T00:00", "2026-03-02T00:00", "2026-03-03T00:00",
    ]  # fmt: skip
    assert edges(start, start + timedelta(minutes=90), StepSize.HOUR)[1:] == ["2026-03-01T01:00", "2026-03-01T01:30"]
    assert len(edges(start, start + timedelta(days=400), None)) == 2


def test_a_year_of_hours_is_too_many_steps() -> None:
    start = datetime(2026, 3, 1, tzinfo=BEIJING)
    with pytest.raises(Invalid, match="steps"):
        step_edges(start, start + timedelta(days=365), StepSize.HOUR)


def test_an_interval_has_zones_an_order_and_an_end() -> None:
    start = datetime(2026, 3, 1, tzinfo=BEIJING)
    for low, high in ((start, start), (start, start + timedelta(days=401)), (start.replace(tzinfo=None), start)):
        with pytest.raises(Invalid):
            check_span(low, high)
    check_span(start, start + timedelta(days=400))
