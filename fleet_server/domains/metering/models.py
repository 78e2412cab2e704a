"""Replacements of meters, and what is told of a counter's consumption. Pure.

Consumption is counted between readings. What lies between the last reading before an interval and the first one in it
belongs to neither side alone: it is told beside the amount as `carried`, so that the parts add up to the whole.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from fleet_server.domains.metering.readings import Reading, Way
from fleet_server.ingest.rollups import to_ms
from fleet_server.kernel.errors import Invalid

BEIJING = timezone(timedelta(hours=8))  # days and months are the city's; no summer time since 1991
EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_STEPS = 3000
LONGEST = timedelta(days=400)  # ingest takes no older readings


class StepSize(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True)
class Replacement:
    """One version of what was recorded; `end` is the last reading of the meter that went, `start` the first of the one
    that came, both in the channel's unit. A reading at `at` is the new meter's."""

    id: UUID
    version: int
    device: str
    channel: str
    at: datetime
    end: Decimal
    start: Decimal
    note: str
    removed_serial: str
    fitted_serial: str
    withdrawn: bool
    principal: str
    principal_name: str
    recorded_at: datetime

    @property
    def t(self) -> int:
        return to_ms(self.at)


@dataclass(frozen=True)
class Crossing:
    """A roll-over that was counted."""

    before: Reading
    after: Reading
    amount: Decimal


@dataclass(frozen=True)
class Suspicion:
    """Where a meter seems to have been replaced, or (`replacement` set) where readings contradict what was recorded.
    What was consumed between the two readings is not counted."""

    way: Way
    before: Reading
    after: Reading
    replacement: UUID | None = None


@dataclass(frozen=True)
class Found:
    """A suspicion as the list of meters to look at has it."""

    id: int
    device: str
    channel: str
    suspicion: Suspicion
    found_at: datetime


@dataclass
class Step:
    """[start, end) in ms. `amount` is what was counted between readings of which the later one lies in it; `since` and
    `until` are the times of the outermost two; `missing_ms` is how long nothing was heard."""

    start: int
    end: int
    amount: Decimal = Decimal(0)
    since: int | None = None
    until: int | None = None
    missing_ms: int = 0


@dataclass(frozen=True)
class Consumption:
    """`amount` lies between `first` and `last`, the outermost readings in [start, end); it is whole when nothing is
    `open`. `carried` lies between `before`, the last reading before the interval, and `first`; None: not known.

    `missing_ms` of the `span_ms` that are over nothing was heard; `gaps` are the first of them.
    """

    start: int
    end: int
    amount: Decimal
    first: Reading | None
    last: Reading | None
    before: Reading | None
    carried: Decimal | None
    readings: int
    steps: tuple[Step, ...]
    rollovers: tuple[Crossing, ...]
    replacements: tuple[Replacement, ...]
    open: tuple[Suspicion, ...]
    gaps: tuple[tuple[int, int], ...]
    missing_ms: int
    span_ms: int

    @property
    def coverage(self) -> float:
        return 1.0 if self.span_ms <= 0 else 1 - self.missing_ms / self.span_ms


def check_span(start: datetime, end: datetime) -> None:
    wrong = {name: "with its zone" for name, at in (("from", start), ("to", end)) if at.tzinfo is None}
    if not wrong and not (start < end and end - start <= LONGEST and EARLIEST <= start < LATEST):
        wrong["to"] = f"behind `from`, by no more than {LONGEST.days} days"
    if wrong:
        raise Invalid("`from` lies before `to`, both with their zones: 2026-03-01T00:00:00+08:00.", fields=wrong)


def step_edges(start: datetime, end: datetime, size: StepSize | None) -> list[int]:
    """`start`, the beginnings of Beijing's hours, days or months between, and `end`, in ms; Invalid: too many."""
    edges = [start]
    at = start.astimezone(BEIJING).replace(minute=0, second=0, microsecond=0)
    if size in (StepSize.DAY, StepSize.MONTH):
        at = at.replace(hour=0)
    if size is StepSize.MONTH:
        at = at.replace(day=1)
    while size is not None:
        if size is StepSize.MONTH:
            at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        else:
            at += timedelta(hours=1) if size is StepSize.HOUR else timedelta(days=1)
        if at >= end:
            break
        if len(edges) >= MOST_STEPS:
            raise Invalid(f"These are more than {MOST_STEPS} steps.", fields={"step": "longer, or less time"})
        edges.append(at)
    return [to_ms(edge) for edge in [*edges, end]]
