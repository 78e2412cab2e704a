"""A gateway's configuration, from its page: what runs, an editor, what came of a check or a trial, the history."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from fleet_server.domains.configuration.comparison import compare
from fleet_server.domains.configuration.models import TRIAL_S
from fleet_server.domains.configuration.service import PERMISSION, ConfigurationService
from fleet_server.domains.configuration.wiring import InConfiguration
from fleet_server.kernel.context import Context, InContext, require
from fleet_server.kernel.errors import Conflict, Invalid, PlatformError
from fleet_server.kernel.principal import Principal
from protocols.edge.desired import MAX_TEXT

pages = APIRouter(include_in_schema=False)
Author = Annotated[Principal, Depends(require(PERMISSION))]
Text = Annotated[str, Form(max_length=2 * MAX_TEXT)]
Seen = Annotated[str, Form(max_length=80)]
_SHOWN = 20


@pages.get("/gateways/{code}/configuration")
async def configuration(
    request: Request, context: InContext, service: InConfiguration, principal: Author, code: str
) -> Response:
    """Also the fragment that refreshes how it stands: htmx asks the same address."""
    return await _page(request, context, service, principal, code)


@pages.post("/gateways/{code}/configuration")
async def change(
    request: Request,
    context: InContext,
    service: InConfiguration,
    principal: Author,
    code: str,
    text: Text,
    seen: Seen,
    act: Annotated[str, Form(max_length=10)] = "check",
    trial_s: Annotated[int, Form()] = TRIAL_S,
    force: Annotated[bool, Form()] = False,
) -> Response:
    """`act` is "apply", or a check. The page keeps what was typed."""
    text = text.replace("\r\n", "\n")
    try:
        if act == "apply":
            await service.desire(principal, code, text, seen, trial_s=trial_s, force=force)
        else:
            await service.check(principal, code, text, seen)
    except (Conflict, Invalid) as error:
        return await _page(request, context, service, principal, code, typed=text, error=error)
    return await _page(request, context, service, principal, code, typed=text)


@pages.get("/gateways/{code}/configuration/version")
async def version(
    request: Request,
    context: InContext,
    service: InConfiguration,
    principal: Author,
    code: str,
    number: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
) -> Response:
    if number is None:
        return RedirectResponse(f"/gateways/{code}/configuration", 303)
    found, before = await service.with_before(principal, code, number)
    view = await service.overview(principal, code)
    changes = await asyncio.to_thread(compare, before.text, found.text) if before else None
    values: dict[str, Any] = {"view": view, "version": found, "changes": changes}
    return context.templates.page(request, principal, "configuration/version.html", now=context.clock.now(), **values)


@pages.post("/gateways/{code}/configuration/revert")
async def revert(
    request: Request,
    context: InContext,
    service: InConfiguration,
    principal: Author,
    code: str,
    number: Annotated[int, Form(ge=0, lt=2**63)],
    seen: Seen,
) -> Response:
    try:
        await service.revert(principal, code, number, seen)
    except (Conflict, Invalid) as error:
        return await _page(request, context, service, principal, code, error=error)
    return RedirectResponse(f"/gateways/{code}/configuration", 303)


async def _page(
    request: Request,
    context: Context,
    service: ConfigurationService,
    principal: Principal,
    code: str,
    *,
    typed: str | None = None,
    error: PlatformError | None = None,
) -> Response:
    view = await service.overview(principal, code)
    history = await service.history(principal, code, _SHOWN)
    # On trial it runs what is desired, of which it tells nothing until it keeps it.
    runs = view.desired if view.standing == "on-trial" else view.reported
    text = typed if typed is not None else (runs.text if runs else "")
    values: dict[str, Any] = {"view": view, "history": history, "text": text, "error": error}
    template = "configuration/live.html" if "hx-request" in request.headers else "configuration/page.html"
    return context.templates.page(request, principal, template, now=context.clock.now(), **values)
