"""Puts the server together: context, domains, guards, errors. Importing it does nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fleet_server import domains as builtin
from fleet_server.config import Settings
from fleet_server.domains import ALL
from fleet_server.kernel import audit, guards, jobs, problems
from fleet_server.kernel.clock import Clock, SystemClock
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Database
from fleet_server.kernel.domain import Domain, Job
from fleet_server.kernel.errors import Invalid, PlatformError, Unavailable
from fleet_server.kernel.ports import Ports
from fleet_server.kernel.relay import Relay
from fleet_server.web import preferences
from fleet_server.web.i18n import Catalogue
from fleet_server.web.render import Renderer
from fleet_server.web.security import content_security_policy
from fleet_server.web.static_files import StaticAssets

log = logging.getLogger(__name__)

API = "/api/v1"
POOL_SIZE = 16


@asynccontextmanager
async def open_context(
    settings: Settings,
    role: str = "web",
    *,
    domains: tuple[Domain, ...] = ALL,
    clock: Clock | None = None,
    assets: StaticAssets | None = None,
) -> AsyncIterator[Context]:
    """A process's context, with the doors of `domains` open, on the database role `role` ("web", "ingest")."""
    clock = clock or SystemClock()
    catalogue = Catalogue.load()
    renderer = Renderer(
        catalogue, assets or StaticAssets(), template_folders(domains), clock.now, tiles=settings.map.tiles
    )
    async with Database(settings.database.url(role), size=POOL_SIZE) as database:
        context = Context(settings, database, clock, Ports(), catalogue, renderer)
        for domain in domains:
            for name, implementation in (domain.ports(context) if domain.ports else {}).items():
                context.ports.open(name, implementation)
        yield context


def create_app(
    settings: Settings, *, domains: tuple[Domain, ...] = ALL, clock: Clock | None = None, run_jobs: bool = True
) -> FastAPI:
    """The web server. Its context lives from start-up to shutdown at `app.state.context`."""
    assets = StaticAssets()
    todo = all_jobs(domains) if run_jobs else ()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_context(settings, domains=domains, clock=clock, assets=assets) as context:
            app.state.context = context
            async with asyncio.TaskGroup() as group:
                running = group.create_task(jobs.run(context, todo), name="jobs") if todo else None
                yield
                if running is not None:
                    running.cancel()

    app = FastAPI(
        title="hutong fleet server",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's documentation pages load scripts from a CDN
        redoc_url=None,
        lifespan=lifespan,
    )
    for domain in domains:
        if domain.router is not None:
            app.include_router(domain.router, prefix=API)
        if domain.pages is not None:
            app.include_router(domain.pages, include_in_schema=False)
    app.include_router(preferences.router)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.mount("/static", assets, name="static")
    _answer_errors(app)
    _guard(app, settings)
    return app


def all_jobs(domains: tuple[Domain, ...]) -> tuple[Job, ...]:
    return (audit.SEALER, *Relay(domains).jobs, *(job for domain in domains for job in domain.jobs))


def template_folders(domains: tuple[Domain, ...]) -> dict[str, Path]:
    """The folders that exist: a domain without pages has none."""
    root = Path(builtin.__file__).parent
    folders = {domain.name: root / domain.name / "templates" for domain in domains}
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


async def healthz(request: Request) -> JSONResponse:
    """503 while the database is away; the process is up in any case."""
    context: Context = request.app.state.context
    last = None
    try:
        async with context.database.system() as connection:
            await connection.execute("SELECT 1")
        if context.ports.is_open("telemetry"):
            last = (await context.ports.telemetry.rates()).last_batch_at
    except Unavailable:
        return JSONResponse({"ok": False, "database": False, "last_batch_at": None}, 503)
    return JSONResponse({"ok": True, "database": True, "last_batch_at": last.isoformat() if last else None})


def _answer_errors(app: FastAPI) -> None:
    async def platform_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PlatformError)  # noqa: S101 - registered for it below
        return await problems.respond(request, problems.of_platform_error(error))

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return await problems.respond(request, problems.of_validation(error))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return await problems.respond(request, problems.of_http(error))

    async def data_error(request: Request, error: Exception) -> Response:
        """A value that PostgreSQL cannot hold: a NUL in a text, an integer beyond 64 bits, half a surrogate pair."""
        log.info("%s %r: %s", request.method, request.url.path, error)
        return await problems.respond(
            request, problems.of_platform_error(Invalid("A value in the request is not valid."))
        )

    app.add_exception_handler(asyncpg.DataError, data_error)
    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)


def _guard(app: FastAPI, settings: Settings) -> None:
    """The innermost first: what is added last sees a request first."""

    async def render(request: Request, error: PlatformError | str) -> Response:
        if isinstance(error, PlatformError):
            return await problems.respond(request, problems.of_platform_error(error))
        return await problems.respond(request, problems.of_unknown(error))

    headers = {
        "Content-Security-Policy": content_security_policy(settings.map.tiles),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if settings.web.is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    middleware: list[tuple[Any, dict[str, Any]]] = [
        (guards.SameOrigin, {"public_url": settings.web.public_url}),
        (guards.SizeLimit, {"limit": settings.web.max_request_kb * 1024}),
        (guards.LastAnswer, {"render": render}),
        (guards.SecurityHeaders, {"headers": headers}),
    ]
    for kind, options in middleware:
        app.add_middleware(kind, **options)
