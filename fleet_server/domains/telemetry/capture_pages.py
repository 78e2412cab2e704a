"""What rules captured of a device: the newest on its page, all of them, and one as a chart."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from fleet_server.domains.telemetry.capture_store import InCaptures
from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.errors import NotFound
from fleet_server.kernel.principal import Principal

pages = APIRouter(include_in_schema=False)
Viewer = Annotated[Principal, Depends(require("telemetry:read"))]
_PAGE = 50
_NEWEST = 5


@pages.get("/devices/{code}/captures")
async def device_captures(
    request: Request,
    context: InContext,
    found: InCaptures,
    principal: Viewer,
    code: str,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """`before` is the id of the last one of the page before. htmx asks for the newest: the device's page shows them."""
    now = context.clock.now()
    device = await context.ports.ledger.device(principal, code)
    if "hx-request" in request.headers:
        items = await found.of(code, _NEWEST)
        template = "telemetry/captures_newest.html"
        return context.templates.page(request, principal, template, now=now, device=device, items=items)
    items = await found.of(code, _PAGE, before)
    older = items[-1].id if len(items) == _PAGE else None
    template = "telemetry/captures.html"
    shown: dict[str, Any] = {"device": device, "items": items, "older": older, "before": before}
    return context.templates.page(request, principal, template, now=now, **shown)


@pages.get("/devices/{code}/captures/{name}")
async def device_capture(
    request: Request,
    context: InContext,
    found: InCaptures,
    principal: Viewer,
    code: str,
    name: Annotated[str, Path(max_length=32, pattern="^[0-9a-f]+$")],
) -> Response:
    """A page as well where it is not here: the event that names it comes before it does."""
    device = await context.ports.ledger.device(principal, code)
    try:
        one = await found.one(code, name)
    except NotFound:
        template, values = "telemetry/capture_awaited.html", dict[str, Any](device=device, name=name)
        return context.templates.page(request, principal, template, now=context.clock.now(), **values)
    values = {"device": device, "head": one.head, "traces": one.traces}
    return context.templates.page(request, principal, "telemetry/capture.html", now=context.clock.now(), **values)
