"""What a request handler, a job and a subscriber are given, and how a request proves who makes it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request, Response

from fleet_server.config import Settings
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unauthenticated
from fleet_server.kernel.ports import Ports
from fleet_server.kernel.principal import Principal

SESSION_COOKIE = "hutong_session"


class Translator(Protocol):
    """One catalogue for all pages: `fleet_server.web.i18n.Catalogue`."""

    def text(self, language: str, key: str, /, **values: object) -> str: ...


class Pages(Protocol):
    """Renders `<domain>/<file>.html` in the reader's language; `fleet_server.web.render.Renderer` is the one."""

    def page(
        self, request: Request, reader: Principal | None, name: str, /, *, status: int = 200, **values: Any
    ) -> Response: ...


@dataclass(frozen=True)
class Context:
    settings: Settings
    database: Database
    clock: Clock
    ports: Ports
    i18n: Translator
    templates: Pages


def get_context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


InContext = Annotated[Context, Depends(get_context)]


async def optional_principal(request: Request) -> Principal | None:
    """By `Authorization: Bearer hut_...`, else by the session cookie; asked once a request."""
    if not hasattr(request.state, "principal"):
        request.state.principal = await _authenticate(request)
    principal: Principal | None = request.state.principal
    return principal


async def current_principal(principal: Annotated[Principal | None, Depends(optional_principal)]) -> Principal:
    if principal is None:
        raise Unauthenticated("Sign in, or send a valid API token.")
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


def require(permission: str) -> Callable[[Principal], Awaitable[Principal]]:
    """`principal: Annotated[Principal, Depends(require("ledger:read"))]`."""

    async def check(principal: CurrentPrincipal) -> Principal:
        principal.require(permission)
        return principal

    return check


async def _authenticate(request: Request) -> Principal | None:
    authenticator = get_context(request).ports.authenticator
    authorization = request.headers.get("authorization")
    if authorization is not None:
        # A bad token is never made good by a cookie that came with it.
        scheme, _, secret = authorization.partition(" ")
        return await authenticator.by_token(secret.strip()) if scheme.lower() == "bearer" else None
    secret = request.cookies.get(SESSION_COOKIE, "")
    return await authenticator.by_session(secret) if secret else None
