"""Readings to take away, streamed: /devices/{code}/readings.csv and .jsonl."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import StreamingResponse

from fleet_server.domains.telemetry import export
from fleet_server.domains.telemetry.wiring import InTelemetry
from fleet_server.kernel import audit
from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.principal import Principal

router = APIRouter(tags=["telemetry"])
Reader = Annotated[Principal, Depends(require("telemetry:read"))]
Start = Annotated[datetime, Query(alias="from", description="Inclusive, with its zone")]
End = Annotated[datetime, Query(alias="to", description="Exclusive, with its zone")]
Names = Annotated[str, Query(max_length=4000, description="Names, separated by commas; none: all")]


@router.get("/devices/{code}/readings.csv", response_class=StreamingResponse)
async def get_csv(
    code: str, telemetry: InTelemetry, context: InContext, reader: Reader, start: Start, end: End, channels: Names = ""
) -> StreamingResponse:
    """Every reading, Bad ones too: time (RFC 3339, UTC, ms), channel, exact value, unit, quality. In order of time."""
    return await _export(code, telemetry, context, reader, start, end, channels, "csv")


@router.get("/devices/{code}/readings.jsonl", response_class=StreamingResponse)
async def get_json_lines(
    code: str, telemetry: InTelemetry, context: InContext, reader: Reader, start: Start, end: End, channels: Names = ""
) -> StreamingResponse:
    """The same as one JSON object a line; `value` is text, so that it stays exact."""
    return await _export(code, telemetry, context, reader, start, end, channels, "jsonl")


_MEDIA = {"csv": "text/csv; charset=utf-8; header=present", "jsonl": "application/x-ndjson"}


async def _export(
    code: str,
    telemetry: InTelemetry,
    context: InContext,
    reader: Principal,
    start: datetime,
    end: datetime,
    channels: str,
    kind: str,
) -> StreamingResponse:
    await context.ports.ledger.device(reader, code)
    names = [name for name in channels.split(",") if name]
    chosen = await telemetry.choose(code, names, start, end)
    # Noted before the first line leaves: a download that is broken off has given something away too.
    detail = {"channels": chosen.names, "from": start.isoformat(), "to": end.isoformat(), "format": kind}
    async with context.database.scoped(reader) as connection:
        await audit.record(connection, reader, "telemetry.export", code, detail)

    async def lines() -> AsyncIterator[str]:
        write: Callable[..., str] = export.as_json_lines
        if kind == "csv":
            write = export.as_csv
            yield export.as_csv(iter(()), header=True)
        async with aclosing(telemetry.pieces(chosen)) as pieces:
            async for samples in pieces:
                yield await asyncio.to_thread(write, export.rows(chosen.stream.channels, samples))

    name = re.sub(r"[^\w.-]", "_", f"{code}_{start:%Y%m%dT%H%M%S}_{end:%Y%m%dT%H%M%S}", flags=re.ASCII)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type=_MEDIA[kind], headers=headers)
