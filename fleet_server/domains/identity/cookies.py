"""The session cookie, the same whether a page or the API signs in."""

from starlette.requests import Request
from starlette.responses import Response

from fleet_server.domains.identity.models import SESSION_LONGEST, SignedIn
from fleet_server.kernel.context import SESSION_COOKIE, Context


def set_session(response: Response, context: Context, signed_in: SignedIn) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        signed_in.secret,
        max_age=int(SESSION_LONGEST.total_seconds()),  # not a date: the browser's clock may be wrong
        path="/",
        secure=context.settings.web.is_https,
        httponly=True,
        samesite="lax",
    )


def clear_session(response: Response, context: Context) -> None:
    response.delete_cookie(
        SESSION_COOKIE, path="/", secure=context.settings.web.is_https, httponly=True, samesite="lax"
    )


def session_secret(request: Request) -> str:
    return request.cookies.get(SESSION_COOKIE, "")


def address_of(request: Request) -> str:
    """The peer's, or what a trusted proxy on this machine says it is (uvicorn's proxy_headers)."""
    return request.client.host if request.client else "unknown"


def agent_of(request: Request) -> str:
    return request.headers.get("user-agent", "").replace("\0", "")[:200]
