"""What stands between the network and every request: size, origin, headers, and a last answer to what went wrong."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleet_server.kernel.context import SESSION_COOKIE
from fleet_server.kernel.errors import Forbidden, PlatformError, TooLarge

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Render = Callable[[Request, PlatformError | str], Awaitable[Response]]


class LastAnswer:
    """Renders what nobody else did. `render` is given the error, or the id under which an unknown one was logged."""

    def __init__(self, app: ASGIApp, render: Render) -> None:
        self._app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            return
        except Exception as error:
            problem: PlatformError | str
            if isinstance(error, PlatformError):
                problem = error
            else:
                problem = secrets.token_hex(6)
                # %r: a path has whatever characters its sender likes, and must not write lines of its own here.
                log.exception("error %s in %s %r", problem, scope["method"], scope["path"])
            if started:
                raise  # the answer is half sent: the connection must break, or it would look whole
            response = await self._render(Request(scope, receive), problem)
            await response(scope, receive, send)


class SizeLimit:
    """413 for a body that is longer than `limit` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self._limit:
            raise TooLarge(f"A request has at most {self._limit} bytes.")
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # FastAPI turns any other error while it reads a body into "400 could not parse".
                raise HTTPException(413, f"A request has at most {self._limit} bytes.")
            return message

        await self._app(scope, count, send)


class SameOrigin:
    """A browser's unsafe request comes from our own pages, or it is Forbidden.

    Browsers send Sec-Fetch-Site, and Origin with every POST; neither can be set by a page. A request without both is
    not from a browser, and is let through unless it carries the session cookie, which only browsers have reason to.
    """

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        self._public = public_url.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = Headers(scope=scope)
            # A Bearer token is not sent by a browser of its own accord: there is nothing to forge.
            if "authorization" not in headers and not self._is_ours(headers, scope["scheme"]):
                raise Forbidden("The request does not come from a page of this console.")
        await self._app(scope, receive, send)

    def _is_ours(self, headers: Headers, scheme: str) -> bool:
        if (site := headers.get("sec-fetch-site")) is not None:
            return site == "same-origin"
        if (origin := headers.get("origin")) is not None:
            # With its scheme: whoever sits on the path can serve a page under our name, but not over https.
            return origin.lower() in {self._public, f"{scheme}://{headers.get('host', '').lower()}"}
        return f"{SESSION_COOKIE}=" not in headers.get("cookie", "")


class SecurityHeaders:
    """Puts `headers` on every answer that has not set them itself."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    present.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    present.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, add)
