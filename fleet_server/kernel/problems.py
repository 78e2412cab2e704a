"""An error as people and programs see it: RFC 9457 problem details under /api, a page elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from fleet_server.kernel.context import get_context
from fleet_server.kernel.errors import PlatformError, TooMany, Unauthenticated, Unavailable

SIGN_IN_PATH = "/sign-in"
MEDIA_TYPE = "application/problem+json"
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-media-type"}


@dataclass(frozen=True)
class Problem:
    """`id` is the log's mark of an error nobody expected, "" for others."""

    status: int
    code: str
    title: str
    detail: str
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    @property
    def body(self) -> dict[str, Any]:
        members: dict[str, Any] = {
            "type": f"urn:hutong:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return members | ({"fields": dict(self.fields)} if self.fields else {}) | ({"id": self.id} if self.id else {})


def of_platform_error(error: PlatformError) -> Problem:
    headers = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(error.status, error.code, error.title, error.detail, error.fields, headers)


def of_unknown(error_id: str) -> Problem:
    detail = f"Something went wrong that should not have. It is noted in the server's log as {error_id}."
    return Problem(500, "internal", "An error of the platform", detail, id=error_id)


def of_validation(error: RequestValidationError) -> Problem:
    """Field names as the caller wrote them, without "body" and "query"; values are not echoed."""
    fields: dict[str, str] = {}
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
        fields.setdefault(place[:100], str(item["msg"]))
    detail = "; ".join(f"{name}: {message}" for name, message in list(fields.items())[:5])
    return Problem(422, "invalid", "The request is not valid", detail, fields)


def of_http(error: HTTPException) -> Problem:
    code = _HTTP_CODES.get(error.status_code, "refused")
    title = str(error.detail)
    return Problem(error.status_code, code, title, title, headers=error.headers or {})


async def respond(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse(problem.body, problem.status, dict(problem.headers), MEDIA_TYPE)
    if problem.status == Unauthenticated.status:
        return _to_sign_in(request)
    context = get_context(request)
    reader = getattr(request.state, "principal", None)
    shown = {"code": problem.code, "title": problem.title, "detail": problem.detail, "fields": problem.fields}
    page = context.templates.page(request, reader, "error.html", status=problem.status, **shown)
    page.headers.update(problem.headers)
    return page


def _to_sign_in(request: Request) -> Response:
    """Back to the page afterwards; a part of a page that htmx asked for moves the whole page."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN_PATH})
    if request.method != "GET":
        return RedirectResponse(SIGN_IN_PATH, 303)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN_PATH}?next={quote(here, safe='')}", 303)
