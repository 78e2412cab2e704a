"""Consumption, replacements and suspicions as JSON. Every figure of a meter is decimal text, exact."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.metering.checks import Recorded
from fleet_server.domains.metering.models import StepSize
from fleet_server.domains.metering.views import ConsumptionOut, FoundOut, ReplacementOut, consumption_out, found_out
from fleet_server.domains.metering.wiring import InMetering
from fleet_server.kernel.context import require
from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.paging import After, Limit, Page, page_of
from fleet_server.kernel.principal import Principal

router = APIRouter(tags=["metering"])
Reader = Annotated[Principal, Depends(require("telemetry:read"))]
Recorder = Annotated[Principal, Depends(require("metering:write"))]


class NewReplacement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: str = Field(max_length=64, pattern=r"^[^\x00]*$")
    at: datetime = Field(description="With its zone; readings from this moment on are the new meter's")
    end: Decimal = Field(description="Last reading of the meter that was removed, in the channel's unit")
    start: Decimal = Field(description="First reading of the meter that was fitted")
    note: str = ""
    removed_serial: str = ""
    fitted_serial: str = ""

    def recorded(self) -> Recorded:
        return Recorded(**self.model_dump())


@router.get("/devices/{code}/consumption")
async def get_consumption(
    code: str,
    metering: InMetering,
    reader: Reader,
    channel: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")],
    start: Annotated[datetime, Query(alias="from", description="Inclusive, with its zone")],
    end: Annotated[datetime, Query(alias="to", description="Exclusive, with its zone")],
    step: StepSize | None = None,
) -> ConsumptionOut:
    """Counted between Good readings, across roll-overs and recorded replacements; nothing is interpolated."""
    return consumption_out(await metering.consumption(reader, code, channel, start, end, step), step)


@router.post("/devices/{code}/replacements", status_code=201)
async def record_replacement(
    code: str, new: NewReplacement, metering: InMetering, recorder: Recorder
) -> ReplacementOut:
    return ReplacementOut.model_validate(await metering.record(recorder, code, new.recorded()))


@router.get("/devices/{code}/replacements")
async def list_replacements(
    code: str, metering: InMetering, reader: Reader, limit: Limit = 50, after: After = ""
) -> Page[ReplacementOut]:
    """The newest first, withdrawn ones too."""
    found = await metering.replacements(reader, code, limit + 1, _uuid(after))
    return page_of([ReplacementOut.model_validate(one) for one in found], limit, lambda one: str(one.id))


@router.get("/devices/{code}/replacements/{id}/versions")
async def list_versions(code: str, id: UUID, metering: InMetering, reader: Reader) -> list[ReplacementOut]:  # noqa: A002
    """All that was ever recorded under this id, the oldest first."""
    return [ReplacementOut.model_validate(one) for one in await metering.versions(reader, code, id)]


@router.put("/devices/{code}/replacements/{id}")
async def correct_replacement(
    code: str,
    id: UUID,  # noqa: A002
    new: NewReplacement,
    metering: InMetering,
    recorder: Recorder,
) -> ReplacementOut:
    return ReplacementOut.model_validate(await metering.correct(recorder, code, id, new.recorded()))


@router.delete("/devices/{code}/replacements/{id}", status_code=204)
async def withdraw_replacement(code: str, id: UUID, metering: InMetering, recorder: Recorder) -> Response:  # noqa: A002
    """It counts no more; what was recorded stays."""
    await metering.withdraw(recorder, code, id)
    return Response(status_code=204)


@router.get("/devices/{code}/suspicions")
async def list_suspicions_of_device(
    code: str, metering: InMetering, reader: Reader, limit: Limit = 50, after: After = ""
) -> Page[FoundOut]:
    return await _suspicions(metering, reader, code, limit, after)


@router.get("/suspicions")
async def list_suspicions(metering: InMetering, reader: Reader, limit: Limit = 50, after: After = "") -> Page[FoundOut]:
    """Meters to look at, those found last first."""
    return await _suspicions(metering, reader, None, limit, after)


async def _suspicions(
    metering: InMetering, reader: Principal, device: str | None, limit: int, after: str
) -> Page[FoundOut]:
    if after and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise Invalid("`after` is the `next` of the page before.", fields={"after": "a number"})
    found = await metering.suspicions(reader, device, limit + 1, int(after) if after else 2**63 - 1)
    return page_of([found_out(one) for one in found], limit, lambda one: str(one.id))


def _uuid(after: str) -> UUID | None:
    try:
        return UUID(after) if after else None
    except ValueError:
        raise Invalid("`after` is the `next` of the page before.", fields={"after": "an id"}) from None
