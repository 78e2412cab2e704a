"""A meter's page, reached from its device and from the table of meters."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from fleet_server.domains.metering.chart import chart_of
from fleet_server.domains.metering.checks import Recorded
from fleet_server.domains.metering.models import BEIJING, Found, Replacement, StepSize
from fleet_server.domains.metering.service import MeteringService
from fleet_server.domains.metering.wiring import InMetering
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.context import Context, InContext, require
from fleet_server.kernel.errors import Conflict, Invalid, PlatformError
from fleet_server.kernel.ports import ChannelNow
from fleet_server.kernel.principal import Principal

pages = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require("telemetry:read"))]
Recorder = Annotated[Principal, Depends(require("metering:write"))]
Text = Annotated[str, Form(max_length=600)]
Asked = Annotated[str, Query(max_length=64)]
RANGES = {"h48": StepSize.HOUR, "d30": StepSize.DAY, "m12": StepSize.MONTH}
_SHOWN = 50
_CORRECTABLE = (Invalid, Conflict)


@dataclass
class Entry:
    """What stands in the form: as it was typed, as a suspicion suggests, or as it was recorded."""

    at: str = ""
    end: str = ""
    start: str = ""
    removed_serial: str = ""
    fitted_serial: str = ""
    note: str = ""
    replaces: str = ""
    error: PlatformError | None = None
    around: tuple[Any, Any] = field(default=(None, None))


@pages.get("/devices/{code}/meter")
async def meter(
    request: Request,
    context: InContext,
    metering: InMetering,
    principal: Viewer,
    code: str,
    channel: Asked = "",
    span: Annotated[str, Query(alias="range", max_length=8)] = "h48",
    correct: UUID | None = None,
) -> Response:
    """`correct` puts what was recorded under this id into the form."""
    form = Entry()
    if correct is not None:
        form = _recorded((await metering.versions(principal, code, correct))[-1])
    return await _meter(request, context, metering, principal, code, channel, span, form)


@pages.post("/devices/{code}/meter/replacements")
async def record(
    request: Request,
    context: InContext,
    metering: InMetering,
    principal: Recorder,
    code: str,
    channel: Text,
    at: Text,
    end: Text,
    start: Text,
    removed_serial: Text = "",
    fitted_serial: Text = "",
    note: Text = "",
    replaces: Text = "",
    span: Annotated[str, Form(alias="range", max_length=8)] = "h48",
) -> Response:
    """`replaces` is the id of the replacement that this corrects, or empty."""
    form = Entry(at, end, start, removed_serial, fitted_serial, note, replaces)
    try:
        said = _said(channel, form)
        if replaces:
            await metering.correct(principal, code, _id(replaces), said)
        else:
            await metering.record(principal, code, said)
    except _CORRECTABLE as error:
        form.error = error
        if moment := _moment(at):
            form.around = await metering.around_of(principal, code, channel, moment)
        return await _meter(request, context, metering, principal, code, channel, span, form)
    return _back(code, channel, span)


@pages.post("/devices/{code}/meter/replacements/{id}/withdraw")
async def withdraw(
    metering: InMetering,
    principal: Recorder,
    code: str,
    id: UUID,  # noqa: A002
    channel: Text,
    span: Annotated[str, Form(alias="range", max_length=8)] = "h48",
) -> Response:
    await metering.withdraw(principal, code, id)
    return _back(code, channel, span)


async def _meter(
    request: Request,
    context: Context,
    metering: MeteringService,
    principal: Principal,
    code: str,
    channel: str,
    span: str,
    form: Entry,
) -> Response:
    device = await context.ports.ledger.device(principal, code)
    now = context.clock.now()
    present = (await context.ports.telemetry.now([device.code]))[device.code]
    counters = [one for one in present.channels if one.kind == "counter"]
    values: dict[str, Any] = {"device": device, "counters": counters, "counter": None, "now": now, "form": form}
    counter = next((one for one in counters if one.name == channel), counters[0] if counters else None)
    if counter is not None:
        span = span if span in RANGES else "h48"
        start, end = interval(now, RANGES[span])
        report = await metering.consumption(principal, device.code, counter.name, start, end, RANGES[span])
        recorded = await metering.replacements(principal, device.code, _SHOWN)
        found = await metering.suspicions(principal, device.code, _SHOWN)
        values |= {
            "counter": counter,
            "range": span,
            "ranges": RANGES,
            "told": report.consumption,
            "chart": chart_of(report.consumption),
            "recorded": [one for one in recorded if one.channel == counter.name],
            "suspicions": _open(report.consumption.open, found, counter),
            "export": urlencode({"channels": counter.name, "from": start.isoformat(), "to": end.isoformat()}),
            "may_record": principal.may("metering:write"),
            "from_ms": from_ms,
            "local": local_text,
        }
    status = form.error.status if form.error else 200
    return context.templates.page(request, principal, "metering/meter.html", status=status, **values)


def interval(now: datetime, size: StepSize) -> tuple[datetime, datetime]:
    """Two days of hours, thirty days or twelve months, the present one the last of them, in Beijing's time."""
    here = now.astimezone(BEIJING).replace(minute=0, second=0, microsecond=0)
    if size is StepSize.HOUR:
        return here - timedelta(hours=47), here + timedelta(hours=1)
    today = here.replace(hour=0)
    if size is StepSize.DAY:
        return today - timedelta(days=29), today + timedelta(days=1)
    first = today.replace(day=1)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return following.replace(year=following.year - 1), following


def local_text(t: int) -> str:
    """Beijing's time as a form's field has it, to the second."""
    return from_ms(t).astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M:%S")


def _open(now: Any, found: list[Found], counter: ChannelNow) -> list[Any]:
    """What the shown interval has, and what was found elsewhere."""
    every = {(one.before.t, one.after.t): one for one in now}
    for item in found:
        if item.channel == counter.name:
            every.setdefault((item.suspicion.before.t, item.suspicion.after.t), item.suspicion)
    return [every[key] for key in sorted(every, reverse=True)]


def _recorded(known: Replacement) -> Entry:
    at = known.at.astimezone(BEIJING).replace(tzinfo=None).isoformat(timespec="seconds")
    return Entry(
        at,
        f"{known.end:f}",
        f"{known.start:f}",
        known.removed_serial,
        known.fitted_serial,
        known.note,
        str(known.id),
    )


def _said(channel: str, form: Entry) -> Recorded:
    """Invalid, with all that is wrong."""
    at, end, start = _moment(form.at), _decimal(form.end), _decimal(form.start)
    wrong = {name: "cannot be read" for name, value in (("at", at), ("end", end), ("start", start)) if value is None}
    if at is None or end is None or start is None:
        raise Invalid("A time or a reading cannot be read.", fields=wrong)
    return Recorded(channel, at, end, start, form.note.strip(), form.removed_serial.strip(), form.fitted_serial.strip())


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=BEIJING)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().replace("\u2009", "").replace(" ", ""))
    except InvalidOperation:
        return None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("What is to be corrected is not known.", fields={"replaces": "an id"}) from None


def _back(code: str, channel: str, span: str) -> Response:
    return RedirectResponse(f"/devices/{code}/meter?{urlencode({'channel': channel, 'range': span})}", 303)
