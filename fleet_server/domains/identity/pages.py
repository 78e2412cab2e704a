"""The pages of identity: set-up, sign-in and out, one's password and tokens, users."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from fleet_server.domains.identity.access import auditor
from fleet_server.domains.identity.cookies import address_of, agent_of, clear_session, session_secret, set_session
from fleet_server.domains.identity.models import (
    PASSWORD_SHORTEST,
    ROLES,
    SET_UP_PATH,
    Role,
    SignedIn,
    UserStatus,
)
from fleet_server.domains.identity.wiring import InIdentity
from fleet_server.kernel import audit
from fleet_server.kernel.context import (
    Context,
    CurrentPrincipal,
    InContext,
    optional_principal,
    require,
)
from fleet_server.kernel.errors import Conflict, Invalid, PlatformError, TooMany, Unauthenticated
from fleet_server.kernel.principal import PERMISSIONS, Principal
from fleet_server.web.preferences import local_path

pages = APIRouter(include_in_schema=False)
Manager = Annotated[Principal, Depends(require("identity:manage"))]
Auditor = Annotated[Principal, Depends(auditor)]
Visitor = Annotated[Principal | None, Depends(optional_principal)]
Text = Annotated[str, Form(max_length=300)]
Secret = Annotated[str, Form(max_length=1000)]
_AUDIT_PAGE = 100
_CORRECTABLE = (Invalid, Conflict, Unauthenticated, TooMany)  # shown beside the form, which keeps what was typed


# ---- at the door


@pages.get(SET_UP_PATH)
async def set_up_form(
    request: Request, context: InContext, identity: InIdentity, key: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    await identity.check_set_up(key)
    return _set_up(request, context, key, None, "")


@pages.post(SET_UP_PATH)
async def set_up(
    request: Request, context: InContext, identity: InIdentity, key: Text, name: Text, password: Secret, again: Secret
) -> Response:
    try:
        if password != again:
            raise Invalid("The two passwords differ.", fields={"again": "differs"})
        signed_in = await identity.set_up(key, name, password, address=address_of(request), agent=agent_of(request))
    except _CORRECTABLE as error:
        return _set_up(request, context, key, error, name)
    return _enter(context, signed_in, "/")


@pages.get("/sign-in")
async def sign_in_form(
    request: Request,
    context: InContext,
    visitor: Visitor,
    next: Annotated[str, Query(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    if visitor is not None:
        return RedirectResponse(local_path(next), 303)
    return _sign_in(request, context, local_path(next), None, "")


@pages.post("/sign-in")
async def sign_in(
    request: Request,
    context: InContext,
    identity: InIdentity,
    name: Text,
    password: Secret,
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    replaces = session_secret(request)
    try:
        signed_in = await identity.sign_in(
            name, password, address=address_of(request), agent=agent_of(request), replaces=replaces
        )
    except _CORRECTABLE as error:
        return _sign_in(request, context, local_path(next), error, name)
    return _enter(context, signed_in, local_path(next))


@pages.post("/sign-out")
async def sign_out(request: Request, context: InContext, identity: InIdentity) -> Response:
    await identity.sign_out(session_secret(request))
    response = RedirectResponse("/sign-in", 303)
    clear_session(response, context)
    return response


# ---- users


@pages.get("/users")
async def users(request: Request, context: InContext, identity: InIdentity, principal: Manager) -> Response:
    return await _users(request, context, identity, principal, None, {})


@pages.post("/users")
async def create_user(
    request: Request,
    context: InContext,
    identity: InIdentity,
    principal: Manager,
    name: Text,
    password: Secret,
    role: Role = Form(),  # noqa: B008
    scope: Text = "",
) -> Response:
    try:
        await identity.create_user(principal, name, password, role, scope.split() or principal.scope)
    except _CORRECTABLE as error:
        kept = {"name": name, "role": role.value, "scope": scope}
        return await _users(request, context, identity, principal, error, kept)
    return RedirectResponse("/users", 303)


@pages.post("/users/{user_id}")
async def change_user(
    identity: InIdentity,
    principal: Manager,
    user_id: UUID,
    role: Role | None = Form(None),  # noqa: B008
    status: UserStatus | None = Form(None),  # noqa: B008
    password: Annotated[str | None, Form(max_length=1000)] = None,
) -> Response:
    await identity.change_user(principal, user_id, role=role, status=status, password=password or None)
    return RedirectResponse("/users", 303)


@pages.get("/audit")
async def audit_trail(
    request: Request,
    context: InContext,
    principal: Auditor,
    before: Annotated[int | None, Query(ge=1)] = None,
    object: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")] = "",  # noqa: A002 - the query's word
) -> Response:
    async with context.database.scoped(principal) as connection:
        rows = await audit.latest(connection, limit=_AUDIT_PAGE + 1, before=before, object_=object)
    older = rows[_AUDIT_PAGE - 1]["id"] if len(rows) > _AUDIT_PAGE else None
    values: dict[str, Any] = {"rows": rows[:_AUDIT_PAGE], "older": older, "object": object}
    return context.templates.page(request, principal, "identity/audit.html", now=context.clock.now(), **values)


# ---- one's own tokens and password


@pages.get("/tokens")
async def tokens(request: Request, context: InContext, identity: InIdentity, principal: CurrentPrincipal) -> Response:
    return await _tokens(request, context, identity, principal)


@pages.post("/tokens")
async def create_token(
    request: Request,
    context: InContext,
    identity: InIdentity,
    principal: CurrentPrincipal,
    name: Text,
    permissions: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006 - FastAPI copies it
    days: Annotated[int, Form()] = 90,
) -> Response:
    try:
        made = await identity.create_token(principal, name, permissions, days)
    except _CORRECTABLE as error:
        kept = {"name": name, "permissions": permissions, "days": days}
        return await _tokens(request, context, identity, principal, error=error, kept=kept)
    # Answered here and not after a redirect: the secret exists in this one answer.
    return await _tokens(request, context, identity, principal, secret=made.secret)


@pages.post("/tokens/{token_id}/revoke")
async def revoke_token(identity: InIdentity, principal: CurrentPrincipal, token_id: UUID) -> Response:
    await identity.revoke_token(principal, token_id)
    return RedirectResponse("/tokens", 303)


@pages.post("/password")
async def change_password(
    request: Request,
    context: InContext,
    identity: InIdentity,
    principal: CurrentPrincipal,
    old: Secret,
    new: Secret,
    again: Secret,
) -> Response:
    """All sessions end, so one signs in again with the new password."""
    try:
        if new != again:
            raise Invalid("The two passwords differ.", fields={"again": "differs"})
        await identity.change_password(principal, old, new)
    except _CORRECTABLE as error:
        return await _tokens(request, context, identity, principal, password_error=error)
    return RedirectResponse("/sign-in", 303)


# ---- rendering


def _set_up(request: Request, context: Context, key: str, error: PlatformError | None, name: str) -> Response:
    values = {"key": key, "error": error, "name": name, "shortest": PASSWORD_SHORTEST}
    values["back"] = f"{SET_UP_PATH}?{urlencode({'key': key})}"  # a change of language must not lose the link
    return context.templates.page(request, None, "identity/set_up.html", status=_status(error), **values)


def _sign_in(request: Request, context: Context, target: str, error: PlatformError | None, name: str) -> Response:
    wait = error.retry_after_s if isinstance(error, TooMany) else 0
    values = {"next": target, "error": error, "wait": wait, "name": name}
    return context.templates.page(request, None, "identity/sign_in.html", status=_status(error), **values)


async def _users(
    request: Request,
    context: Context,
    identity: InIdentity,
    principal: Principal,
    error: PlatformError | None,
    kept: dict[str, Any],
) -> Response:
    grantable = [role for role in Role if ROLES[role] <= principal.permissions]
    values: dict[str, Any] = {"users": await identity.users(principal, limit=500), "roles": grantable, "error": error}
    values |= {"kept": kept, "shortest": PASSWORD_SHORTEST, "own": principal.id.removeprefix("user:")}
    now = context.clock.now()
    return context.templates.page(request, principal, "identity/users.html", status=_status(error), now=now, **values)


async def _tokens(
    request: Request,
    context: Context,
    identity: InIdentity,
    principal: Principal,
    *,
    error: PlatformError | None = None,
    password_error: PlatformError | None = None,
    kept: dict[str, Any] | None = None,
    secret: str = "",
) -> Response:
    values: dict[str, Any] = {
        "tokens": await identity.tokens(principal, limit=200),
        "grantable": [name for name in PERMISSIONS if name in principal.permissions],
        "error": error,
        "password_error": password_error,
        "kept": kept or {"name": "", "permissions": [], "days": 90},
        "secret": secret,
        "shortest": PASSWORD_SHORTEST,
    }
    status = _status(error or password_error)
    now = context.clock.now()
    return context.templates.page(request, principal, "identity/tokens.html", status=status, now=now, **values)


def _enter(context: Context, signed_in: SignedIn, target: str) -> Response:
    response = RedirectResponse(target, 303)
    set_session(response, context, signed_in)
    return response


def _status(error: PlatformError | None) -> int:
    return error.status if error else 200
