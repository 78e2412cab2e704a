"""Writing to a device, from its page: the list of recent commands, and one more on it."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from fleet_server.kernel.context import Context, InContext, require
from fleet_server.kernel.errors import Invalid
from fleet_server.kernel.principal import Principal

pages = APIRouter(include_in_schema=False)
Sender = Annotated[Principal, Depends(require("commands:send"))]
_SHOWN = 10


@pages.get("/devices/{code}/commands")
async def recent(request: Request, context: InContext, principal: Sender, code: str) -> Response:
    return await _recent(request, context, principal, code)


@pages.post("/devices/{code}/commands")
async def send(
    request: Request,
    context: InContext,
    principal: Sender,
    code: str,
    channel: Annotated[str, Form(max_length=100)],
    value: Annotated[str, Form(max_length=40)],
    expires_s: Annotated[int, Form(ge=1, le=3600)] = 30,
) -> Response:
    """The list, the new command on top; what the gateway did of it appears there by itself."""
    await context.ports.commands.send(principal, code, channel, _decimal(value), expires_s)
    return await _recent(request, context, principal, code)


async def _recent(request: Request, context: Context, principal: Principal, code: str) -> Response:
    commands = await context.ports.commands.recent(principal, code, _SHOWN)
    now = context.clock.now()
    return context.templates.page(request, principal, "commands/recent.html", now=now, commands=commands)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text.strip().replace("\u2212", "-"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise Invalid("The value is not a number.", fields={"value": "not a number"})
    return value
