"""Session, own account, users and API tokens as JSON, and the audit trail."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fleet_server.domains.identity.access import auditor
from fleet_server.domains.identity.cookies import address_of, agent_of, clear_session, session_secret, set_session
from fleet_server.domains.identity.models import PASSWORD_LONGEST, ROLES, TOKEN_LONGEST_DAYS, Role, UserStatus
from fleet_server.domains.identity.wiring import InIdentity
from fleet_server.kernel import audit
from fleet_server.kernel.context import CurrentPrincipal, InContext, require
from fleet_server.kernel.paging import After, Limit, Page, page_of
from fleet_server.kernel.principal import Kind, Principal

router = APIRouter(tags=["identity"])
Manager = Annotated[Principal, Depends(require("identity:manage"))]
Auditor = Annotated[Principal, Depends(auditor)]
Name = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]
Password = Annotated[str, Field(max_length=PASSWORD_LONGEST)]
Scope = Annotated[
    list[Annotated[str, Field(max_length=100, pattern=r"^bj(\.\d{6}(\.\d{9})?)?$")]], Field(max_length=50)
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Me(_View):
    id: str
    name: str
    kind: Kind
    permissions: list[str]
    scope: list[str]


class SignIn(_Body):
    name: Name
    password: Password


class PasswordChange(_Body):
    old: Password
    new: Password


class UserView(_View):
    id: UUID
    name: str
    role: Role
    scope: list[str]
    status: UserStatus
    created_at: datetime
    last_sign_in_at: datetime | None


class NewUser(_Body):
    name: Name
    password: Password
    role: Role
    scope: Scope = Field(description="Division paths, e.g. bj.110114")


class UserChange(_Body):
    """What is absent stays."""

    role: Role | None = None
    scope: Scope | None = None
    status: UserStatus | None = None
    password: Password | None = None


class TokenView(_View):
    id: UUID
    name: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class TokenWish(_Body):
    name: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]
    permissions: list[Annotated[str, Field(max_length=100)]] = Field(max_length=100)
    expires_in_days: int = Field(default=90, ge=1, le=TOKEN_LONGEST_DAYS)


class TokenMade(TokenView):
    secret: str = Field(description="Shown this once: `Authorization: Bearer <secret>`")


class AuditRow(_View):
    id: int
    at: datetime
    principal: str
    principal_name: str
    action: str
    object: str
    detail: dict[str, Any]


@router.post("/session", status_code=201)
async def sign_in(
    body: SignIn, request: Request, response: Response, identity: InIdentity, context: InContext
) -> UserView:
    """Sets the session cookie."""
    signed_in = await identity.sign_in(
        body.name,
        body.password,
        address=address_of(request),
        agent=agent_of(request),
        replaces=session_secret(request),
    )
    set_session(response, context, signed_in)
    return UserView.model_validate(signed_in.user)


@router.delete("/session", status_code=204)
async def sign_out(request: Request, response: Response, identity: InIdentity, context: InContext) -> None:
    await identity.sign_out(session_secret(request))
    clear_session(response, context)


@router.get("/me")
async def get_me(principal: CurrentPrincipal) -> Me:
    return Me(
        id=principal.id,
        name=principal.name,
        kind=principal.kind,
        permissions=sorted(principal.permissions),
        scope=list(principal.scope),
    )


@router.put("/me/password", status_code=204)
async def put_password(body: PasswordChange, principal: CurrentPrincipal, identity: InIdentity) -> None:
    """Ends all sessions of the user, this one too."""
    await identity.change_password(principal, body.old, body.new)


@router.get("/roles")
async def list_roles(_: CurrentPrincipal) -> dict[Role, list[str]]:
    return {role: sorted(permissions) for role, permissions in ROLES.items()}


@router.get("/users")
async def list_users(manager: Manager, identity: InIdentity, limit: Limit = 100, after: After = "") -> Page[UserView]:
    found = await identity.users(manager, limit=limit + 1, after=after)
    return page_of([UserView.model_validate(user) for user in found], limit, lambda user: user.name)


@router.post("/users", status_code=201)
async def create_user(body: NewUser, manager: Manager, identity: InIdentity) -> UserView:
    return UserView.model_validate(await identity.create_user(manager, body.name, body.password, body.role, body.scope))


@router.get("/users/{user_id}")
async def get_user(user_id: UUID, principal: CurrentPrincipal, identity: InIdentity) -> UserView:
    """One's own, or with identity:manage one that one may manage."""
    return UserView.model_validate(await identity.user(principal, user_id))


@router.patch("/users/{user_id}")
async def patch_user(user_id: UUID, body: UserChange, manager: Manager, identity: InIdentity) -> UserView:
    """Ends all sessions of the user."""
    changed = await identity.change_user(
        manager, user_id, role=body.role, scope=body.scope, status=body.status, password=body.password
    )
    return UserView.model_validate(changed)


@router.delete("/users/{user_id}/sessions", status_code=204)
async def sign_out_everywhere(user_id: UUID, principal: CurrentPrincipal, identity: InIdentity) -> None:
    await identity.sign_out_everywhere(principal, user_id)


@router.get("/tokens")
async def list_tokens(
    principal: CurrentPrincipal, identity: InIdentity, limit: Limit = 100, after: UUID | None = None
) -> Page[TokenView]:
    """One's own, revoked and expired ones too."""
    found = await identity.tokens(principal, limit=limit + 1, after=after)
    return page_of([TokenView.model_validate(token) for token in found], limit, lambda token: str(token.id))


@router.post("/tokens", status_code=201)
async def create_token(body: TokenWish, principal: CurrentPrincipal, identity: InIdentity) -> TokenMade:
    made = await identity.create_token(principal, body.name, body.permissions, body.expires_in_days)
    return TokenMade(secret=made.secret, **TokenView.model_validate(made.token).model_dump())


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(token_id: UUID, principal: CurrentPrincipal, identity: InIdentity) -> None:
    await identity.revoke_token(principal, token_id)


@router.get("/audit")
async def list_audit(
    auditor: Auditor,
    context: InContext,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=0, description="`next` of the page before")] = None,
    object: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")] = "",  # noqa: A002 - the query's word
) -> Page[AuditRow]:
    """The newest first."""
    async with context.database.scoped(auditor) as connection:
        found = await audit.latest(connection, limit=limit + 1, before=after, object_=object)
    return page_of([AuditRow.model_validate(dict(row)) for row in found], limit, lambda row: str(row.id))
