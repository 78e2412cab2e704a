"""What rules captured of a device: /devices/{code}/captures, one of them, and that as CSV."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.telemetry import captures, export
from fleet_server.domains.telemetry.capture_store import InCaptures
from fleet_server.kernel import audit
from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.paging import Limit, Page, page_of
from fleet_server.kernel.ports import Words
from fleet_server.kernel.principal import Principal

router = APIRouter(tags=["telemetry"])
Reader = Annotated[Principal, Depends(require("telemetry:read"))]
Name = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="As the rule's event says it, hexadecimal")]


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CaptureHead(_View):
    name: str = Field(description="The `capture` of the rule's event")
    rule: str
    fired_at: datetime = Field(description="Source time; the gateway's wrong one unless `dated`")
    dated: bool
    period: int = Field(description="The device's polling period in us")
    parts: int
    received: int = Field(description="Parts that have come")
    readings: int
    ending: Literal["whole", "configuration", "stopped"] = Field(description="What cut it short, if anything did")
    received_at: datetime


class TraceChannel(_View):
    name: str
    title: Words
    quantity: str
    unit: str
    kind: str
    scale: int
    states: dict[int, Words]
    period_ms: int


class TraceView(_View):
    channel: TraceChannel
    t: list[int] = Field(description="us after the firing; negative before it")
    value: list[float | None]
    text: list[str] = Field(description="Exact decimals; empty where there is no value")
    quality: list[int]
    gaps: list[tuple[int, int]] = Field(description="[from, to) in us in which nothing was told")


class CaptureView(CaptureHead):
    device: str
    traces: list[TraceView]


@router.get("/devices/{code}/captures")
async def list_captures(
    code: str,
    found: InCaptures,
    context: InContext,
    reader: Reader,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=1, description="`next` of the page before")] = None,
) -> Page[CaptureHead]:
    """Those that came last first."""
    await context.ports.ledger.device(reader, code)
    page = page_of(await found.of(code, limit + 1, after), limit, lambda one: str(one.id))
    return Page(items=[CaptureHead.model_validate(one) for one in page.items], next=page.next)


@router.get("/devices/{code}/captures/{name}")
async def get_capture(code: str, name: Name, found: InCaptures, context: InContext, reader: Reader) -> CaptureView:
    """Every sample, as it was read: before any filter."""
    await context.ports.ledger.device(reader, code)
    one = await found.one(code, name)
    shown = CaptureHead.model_validate(one.head).model_dump()
    return CaptureView(**shown, device=code, traces=[TraceView.model_validate(trace) for trace in one.traces])


@router.get("/devices/{code}/captures/{name}/samples.csv")
async def get_capture_csv(code: str, name: Name, found: InCaptures, context: InContext, reader: Reader) -> Response:
    """The same as CSV: time (RFC 3339, UTC, us), channel, exact value, unit, quality; channel by channel."""
    await context.ports.ledger.device(reader, code)
    one = await found.one(code, name)
    async with context.database.scoped(reader) as connection:
        await audit.record(connection, reader, "telemetry.export", code, {"capture": name, "format": "csv"})
    text = await asyncio.to_thread(lambda: export.as_csv(captures.rows(one), header=True))
    headers = {"Content-Disposition": f'attachment; filename="{code}_{name}.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv; charset=utf-8; header=present", headers=headers)
