"""The page of all meters, those to look at above them, and the same table as CSV."""

import csv
import io
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from fleet_server.domains.metering.figures import Figure
from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.registers import Kind
from fleet_server.domains.metering.rows import SORTS, Row
from fleet_server.domains.metering.table import PAGE, Asked, Meters
from fleet_server.domains.metering.wiring import InMetering
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.context import Context, InContext, require
from fleet_server.kernel.principal import Principal
from fleet_server.web.i18n import Translate
from fleet_server.web.render import language_of

pages = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require("telemetry:read"))]
Word = Annotated[str, Query(max_length=80)]
_SHOWN = 8  # meters to look at, so that the table stays in sight; the older ones are a page on
# A spreadsheet takes a field that begins so for a formula, and names come from the field.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "device", "name", "model", "kind", "channel", "mount", "place", "gateway", "state", "unit", "reading", "read_at",
    "today", "today_is", "today_from", "today_to", "days_30", "days_30_is", "days_30_from", "days_30_to",
)  # fmt: skip


@pages.get("/meters")
async def meters(
    request: Request,
    context: InContext,
    metering: InMetering,
    principal: Viewer,
    q: Word = "",
    kind: Word = "",
    sort: Word = "name",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    before: Annotated[int, Query(ge=1, le=2**63 - 1)] = 2**63 - 1,
) -> Response:
    """`before` is the id of the last meter to look at of the page before."""
    asked, now = _asked(q, kind, sort, page), context.clock.now()
    table = await Meters(context.ports, metering, principal, now).table(asked, _translator(request, context))
    values: dict[str, Any] = {"table": table, "asked": asked, "kinds": tuple(Kind), "from_ms": from_ms, "now": now}
    if "hx-request" in request.headers:
        return context.templates.page(request, principal, "metering/meters_table.html", **values)
    found = await metering.suspicions(principal, None, _SHOWN + 1, before)
    names = {one.device: (await context.ports.ledger.device(principal, one.device)).name for one in found[:_SHOWN]}
    values |= {"found": found[:_SHOWN], "names": names}
    values["older"] = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    return context.templates.page(request, principal, "metering/meters.html", **values)


@pages.get("/meters.csv")
async def meters_csv(
    request: Request,
    context: InContext,
    metering: InMetering,
    principal: Viewer,
    q: Word = "",
    kind: Word = "",
    sort: Word = "name",
) -> StreamingResponse:
    """Every row that was asked for; figures exact, times RFC 3339 in UTC. `..._is` says whole, at-least or open."""
    asked, now = _asked(q, kind, sort, 1), context.clock.now()
    of = Meters(context.ports, metering, principal, now)
    rows = await of.found(asked, _translator(request, context))
    await metering.note_export(principal, {"meters": len(rows), "query": asked.query, "kind": asked.kind})

    async def lines() -> AsyncIterator[str]:
        yield _csv([COLUMNS])
        for at in range(0, len(rows), PAGE):
            yield _csv([_record(row) for row in await of.counted(rows[at : at + PAGE])])

    name = f"meters_{now:%Y%m%dT%H%M%S}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8; header=present", headers=headers)


def _asked(q: str, kind: str, sort: str, page: int) -> Asked:
    """What is no kind or order is none."""
    known = sort if sort.removeprefix("-") in SORTS else "name"
    return Asked(q.strip(), kind if kind in tuple(Kind) else "", known, page)


def _translator(request: Request, context: Context) -> Translate:
    return partial(context.i18n.text, language_of(request))


def _record(row: Row) -> tuple[str, ...]:
    device, reading = row.device, row.reading
    read = ("", "") if reading is None else (f"{reading.value:f}", _time(reading))
    words = [device.code, device.name, device.model, row.kind.value, row.counter.name, device.mount or ""]
    words += [row.place, row.gateway or device.gateway, row.standing.value, row.counter.unit]
    return (*(_plain(word) for word in words), *read, *_figure(row.today), *_figure(row.days))


def _figure(figure: Figure | None) -> tuple[str, str, str, str]:
    if figure is None:
        return ("", "", "", "")
    how = "open" if figure.open else "at-least" if figure.at_least else "whole"
    return (f"{figure.amount:f}", how, _time(figure.since), _time(figure.until))


def _time(reading: Reading) -> str:
    return from_ms(reading.t).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(word: str) -> str:
    return f"'{word}" if word.startswith(_FORMULA) else word


def _csv(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
