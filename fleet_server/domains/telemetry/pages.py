"""The quarantine: every message that was refused, with the reason and its first octets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from fleet_server.domains.telemetry import capture_pages
from fleet_server.domains.telemetry.models import in_view
from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.principal import Principal

pages = APIRouter(include_in_schema=False)
pages.routes.extend(capture_pages.pages.routes)
Inspector = Annotated[Principal, Depends(require("quarantine:read"))]
_PAGE = 50


@pages.get("/quarantine")
async def quarantine(
    request: Request, context: InContext, principal: Inspector, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Newest first; `before` is the id of the last item of the page before."""
    names = {gateway.code: gateway.name for gateway in await context.ports.ledger.gateways(principal)}
    items = await context.ports.telemetry.quarantine(limit=_PAGE, before=before, gateways=in_view(principal, names))
    older = items[-1].id if len(items) == _PAGE else None
    now = context.clock.now()
    return context.templates.page(
        request, principal, "telemetry/quarantine.html", now=now, items=items, older=older, names=names, before=before
    )
