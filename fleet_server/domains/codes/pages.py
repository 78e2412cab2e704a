"""Resolving a city code, also from a label's QR symbol, and minting one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from fleet_server.domains.codes.divisions import is_district
from fleet_server.domains.codes.models import MINTABLE, Resolved
from fleet_server.domains.codes.wiring import InCodes
from fleet_server.kernel.context import Context, CurrentPrincipal, InContext, require
from fleet_server.kernel.divisions import by_code
from fleet_server.kernel.errors import Conflict, Invalid, PlatformError
from fleet_server.kernel.principal import Principal

pages = APIRouter(include_in_schema=False)
Minter = Annotated[Principal, Depends(require("codes:mint"))]
Text = Annotated[str, Form(max_length=200)]


@pages.get("/codes")
async def resolve(
    request: Request,
    context: InContext,
    codes: InCodes,
    principal: CurrentPrincipal,
    code: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    values: dict[str, Any] = {"asked": code}
    try:
        values["found"] = await codes.resolve(principal, code) if code.strip() else None
    except Invalid as error:
        values["not_valid"] = error
    return _page(request, context, principal, **values)


@pages.get("/C/{text}")
@pages.get("/c/{text}")
async def label(text: str) -> Response:
    """What the QR symbol of a label holds (`CityCode.link`); upper case keeps the symbol small."""
    return RedirectResponse(f"/codes?code={text}" if text.isalnum() and text.isascii() else "/codes", 303)


@pages.post("/codes")
async def mint(
    request: Request,
    context: InContext,
    codes: InCodes,
    principal: Minter,
    kind: Annotated[str, Form(max_length=1)],
    division: Annotated[str, Form(max_length=6)],
    class_: Annotated[str, Form(alias="class", max_length=4)],
    purpose: Text,
) -> Response:
    try:
        minted = await codes.mint(principal, kind, division, class_, purpose)
    except (Invalid, Conflict) as error:
        kept = {"kind": kind, "division": division, "class": class_, "purpose": purpose}
        return _page(request, context, principal, error=error, kept=kept)
    return _page(request, context, principal, found=minted, asked=minted.code.text)


def _page(
    request: Request,
    context: Context,
    principal: Principal,
    *,
    asked: str = "",
    found: Resolved | None = None,
    not_valid: PlatformError | None = None,
    error: PlatformError | None = None,
    kept: dict[str, str] | None = None,
) -> Response:
    values: dict[str, Any] = {"asked": asked, "found": found, "not_valid": not_valid, "error": error}
    values |= {"kept": kept or {}, "kinds": MINTABLE, "districts": _districts(), "segments": _parts(found)}
    fault = error or not_valid
    status = fault.status if fault else 200
    return context.templates.page(
        request, principal, "codes/codes.html", status=status, now=context.clock.now(), **values
    )


def _districts() -> dict[str, str]:
    return {code: name for code, name in by_code().items() if is_district(code)}


def _parts(found: Resolved | None) -> list[str]:
    """The code cut where its meaning changes: kind, division, class, the rest, check."""
    if found is None:
        return []
    code = found.code
    middle = [code.division, code.component_class, code.body[len(code.division) + len(code.component_class) :]]
    return [code.kind.value, *filter(None, middle), code.check]
