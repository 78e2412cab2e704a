"""What the API answers: the shapes, and how they are made. Every figure of a meter is decimal text, exact."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from fleet_server.domains.metering.models import BEIJING, Found, StepSize, Suspicion
from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.service import Report
from fleet_server.ingest.rollups import from_ms

Exact = Annotated[Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str)]


class ReplacementOut(BaseModel):
    """The newest version. What is withdrawn counts no more."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    device: str
    channel: str
    at: datetime
    end: Exact
    start: Exact
    note: str
    removed_serial: str
    fitted_serial: str
    withdrawn: bool
    principal_name: str
    recorded_at: datetime


class ReadingOut(BaseModel):
    at: datetime
    value: Exact


class SuspicionOut(BaseModel):
    """`fall`: lower than before, and no roll-over. `leap`: higher than a meter of this size can have become. With
    `replacement`: the readings contradict what was recorded."""

    way: str
    before: ReadingOut
    after: ReadingOut
    replacement: UUID | None


class FoundOut(SuspicionOut):
    id: int
    device: str
    channel: str
    found_at: datetime


class CrossingOut(BaseModel):
    before: ReadingOut
    after: ReadingOut
    amount: Exact


class StepOut(BaseModel):
    """`amount` lies between the readings at `since` and `until`; the later one of each pair lies in the step."""

    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    amount: Exact
    since: datetime | None
    until: datetime | None
    missing_s: float


class GapOut(BaseModel):
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")


class ConsumptionOut(BaseModel):
    device: str
    channel: str
    unit: str
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    amount: Exact = Field(description="Between `first` and `last`")
    complete: bool = Field(description="False while a suspicion is open: what lies in it is not in `amount`")
    first: ReadingOut | None = Field(description="The first Good reading in the interval")
    last: ReadingOut | None
    before: ReadingOut | None = Field(description="The last Good reading before the interval")
    carried: Exact | None = Field(description="Between `before` and `first`: adjacent parts and these make the whole")
    readings: int
    coverage: float = Field(description="Share of the interval that is over in which the meter was heard")
    gaps: list[GapOut] = Field(description="The first 200")
    rollovers: list[CrossingOut]
    replacements: list[ReplacementOut]
    open: list[SuspicionOut]
    steps: list[StepOut] = Field(description="By Beijing's hours, days or months; their amounts add up to `amount`")


def consumption_out(report: Report, step: StepSize | None) -> ConsumptionOut:
    told = report.consumption
    return ConsumptionOut(
        device=report.device.code,
        channel=report.channel.name,
        unit=report.channel.unit,
        start=from_ms(told.start),
        end=from_ms(told.end),
        amount=told.amount,
        complete=not told.open,
        first=_reading(told.first),
        last=_reading(told.last),
        before=_reading(told.before),
        carried=told.carried,
        readings=told.readings,
        coverage=round(told.coverage, 6),
        gaps=[GapOut(start=from_ms(start), end=from_ms(end)) for start, end in told.gaps],
        rollovers=[
            CrossingOut(before=_at(one.before), after=_at(one.after), amount=one.amount) for one in told.rollovers
        ],
        replacements=[ReplacementOut.model_validate(one) for one in told.replacements],
        open=[SuspicionOut(**_suspicion(one)) for one in told.open],
        steps=[
            StepOut(
                start=from_ms(one.start).astimezone(BEIJING),
                end=from_ms(one.end).astimezone(BEIJING),
                amount=one.amount,
                since=None if one.since is None else from_ms(one.since),
                until=None if one.until is None else from_ms(one.until),
                missing_s=one.missing_ms / 1000,
            )
            for one in (told.steps if step else ())
        ],
    )


def found_out(found: Found) -> FoundOut:
    return FoundOut(
        id=found.id,
        device=found.device,
        channel=found.channel,
        found_at=found.found_at,
        **_suspicion(found.suspicion),
    )


def _suspicion(one: Suspicion) -> dict[str, Any]:
    return {"way": one.way, "before": _at(one.before), "after": _at(one.after), "replacement": one.replacement}


def _reading(reading: Reading | None) -> ReadingOut | None:
    return None if reading is None else _at(reading)


def _at(reading: Reading) -> ReadingOut:
    return ReadingOut(at=from_ms(reading.t), value=reading.value)
