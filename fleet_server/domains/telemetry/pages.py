"""The quarantine: every message that was refused, with the reason and its first octets."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.principal import CITY, Principal

pages = APIRouter(include_in_schema=False)
Inspector = Annotated[Principal, Depends(require("quarantine:read"))]
_PAGE = 50


@pages.get("/quarantine")
async def quarantine(
    request: Request, context: InContext, principal: Inspector, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Newest first; `before` is the id of the last item of the page before."""
    items = await context.ports.telemetry.quarantine(limit=_PAGE, before=before)
    older = items[-1].id if len(items) == _PAGE else None
    # A foreign message belongs to no division: who sees the whole city sees it.
    names = {gateway.code: gateway.name for gateway in await context.ports.ledger.gateways(principal)}
    shown = [item for item in items if item.gateway in names or principal.covers(CITY)]
    now = context.clock.now()
    return context.templates.page(
        request, principal, "telemetry/quarantine.html", now=now, items=shown, older=older, names=names, before=before
    )
