import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel

from fleet_server.app import create_app
from fleet_server.config import DatabaseSettings, SecretsSettings, Settings
from fleet_server.domains import ALL
from fleet_server.kernel.context import InContext, require
from fleet_server.kernel.domain import Domain
from fleet_server.kernel.errors import Conflict, NotFound, TooMany
from fleet_server.kernel.principal import Principal
from tests.fleet_server.wire import Wire

router = APIRouter()


class Thing(BaseModel):
    size: int


@router.get("/test/{what}")
async def fail(what: str) -> None:
    match what:
        case "unknown":
            raise NotFound("There is no such thing.")
        case "taken":
            raise Conflict("The name is taken.", fields={"name": "taken"})
        case "slow":
            raise TooMany("Wait.", retry_after_s=7)
        case _:
            raise ZeroDivisionError("secret detail")


@router.post("/test")
async def take(thing: Annotated[Thing, Body()]) -> Thing:
    return thing


@router.get("/test-guarded")
async def guarded(principal: Annotated[Principal, Depends(require("ledger:read"))]) -> None: ...


@router.get("/test-database")
async def ask(context: InContext) -> int:
    async with context.database.system() as connection:
        return int(await connection.fetchval("SELECT 7"))


TEST = Domain("test", router=router, pages=router)
DOMAINS = (*ALL, TEST)


@pytest.fixture
def settings(module_database_urls: Any, tmp_path: Path) -> Settings:
    return Settings(
        database=DatabaseSettings(web=module_database_urls.web), secrets=SecretsSettings(dir=tmp_path / "secrets")
    )


@pytest.fixture
async def client(settings: Settings, clock: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, domains=DOMAINS, clock=clock, run_jobs=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=settings.web.public_url) as opened:
            yield opened


@pytest.mark.parametrize(
    ("what", "status", "code"), [("unknown", 404, "not-found"), ("taken", 409, "conflict"), ("slow", 429, "too-many")]
)
async def test_an_error_of_the_api_is_a_problem_document(
    client: httpx.AsyncClient, what: str, status: int, code: str
) -> None:
    answer = await client.get(f"/api/v1/test/{what}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"], body["code"]) == (f"urn:hutong:problem:{code}", status, code)
    assert body["detail"].endswith(".")


async def test_an_error_of_a_page_is_a_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/unknown", headers={"accept-language": "en"})
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "There is no such thing." in answer.text


async def test_a_problem_names_the_fields_and_when_to_try_again(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/test/taken")).json()["fields"] == {"name": "taken"}
    assert (await client.get("/api/v1/test/slow")).headers["retry-after"] == "7"


async def test_an_error_nobody_expected_shows_an_id_that_is_in_the_log_and_nothing_else(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/api/v1/test/bug")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal")
    assert "secret detail" not in answer.text
    assert body["id"] in body["detail"]
    assert any(body["id"] in record.getMessage() and record.exc_info for record in caplog.records)
    page = await client.get("/test/bug", headers={"accept-language": "en"})
    assert page.status_code == 500
    assert "noted in the server" in page.text


async def test_a_wrong_body_is_invalid_by_field_and_its_value_is_not_echoed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/test", json={"size": "hunter2"})
    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == ["size"]
    assert "hunter2" not in answer.text
    assert (await client.post("/api/v1/test", content=b"{")).status_code == 422


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/nothing-here")).json()["code"] == "not-found"
    assert (await client.delete("/api/v1/test")).json()["code"] == "method-not-allowed"
    assert (await client.get("/nothing-here")).headers["content-type"].startswith("text/html")


async def test_who_is_not_signed_in_gets_401_from_the_api_and_the_door_from_a_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/test-guarded")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    page = await client.get("/test-guarded?a=1&b=2")
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Ftest-guarded%3Fa%3D1%26b%3D2")
    part = await client.get("/test-guarded", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused(client: httpx.AsyncClient, announced: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    body: Any = b" " * 2_000_000 if announced else pieces()
    answer = await client.post("/api/v1/test", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # not a browser: no ambient authority to abuse
        ({"cookie": "hutong_session=x"}, 403),
        ({"cookie": "hutong_session=x", "sec-fetch-site": "same-origin"}, 200),
        ({"cookie": "hutong_session=x", "origin": "http://127.0.0.1:8080"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://"}, 403),
        ({"origin": "https://127.0.0.1:8080"}, 403),
        ({"origin": "http://127.0.0.1:8081"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"}, 403),
        ({"authorization": "Bearer hut_x", "origin": "https://evil.example"}, 200),
    ],
)
async def test_an_unsafe_request_comes_from_our_own_pages_or_from_no_browser(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/api/v1/test", json={"size": 1}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("path", ["/api/v1/test/bug", "/test/bug", "/healthz", "/api/openapi.json", "/nothing"])
async def test_every_answer_forbids_foreign_scripts_and_frames(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


async def test_the_api_describes_itself_and_no_page_loads_from_elsewhere(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/openapi.json")).json()
    assert "/api/v1/devices" in described["paths"]
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    for path in ("/docs", "/redoc"):
        assert (await client.get(path)).status_code == 404


async def test_with_the_database_away_every_request_is_503_and_all_is_well_when_it_is_back(
    postgres: Any, module_database_urls: Any, tmp_path: Path, clock: Any
) -> None:
    wire = Wire(f"{postgres.socket_dir}/.s.PGSQL.5432")
    await wire.lay()
    url = wire.url(module_database_urls.web)
    settings = Settings(database=DatabaseSettings(web=url), secrets=SecretsSettings(dir=tmp_path / "secrets"))
    server = uvicorn.Server(uvicorn.Config(create_app(settings, domains=DOMAINS, clock=clock), port=0, log_config=None))
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/healthz")).json()["database"] is True
            assert (await client.get("/api/v1/test-database")).json() == 7
            await wire.cut()
            answer = await client.get("/api/v1/test-database")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            page = await client.get("/test-database")
            assert (page.status_code, page.headers["retry-after"]) == (503, answer.headers["retry-after"])
            assert (await client.get("/healthz")).json() == {"ok": False, "database": False, "last_batch_at": None}
            await wire.lay()
            assert (await client.get("/api/v1/test-database")).json() == 7
            assert (await client.get("/healthz")).json()["ok"] is True
        server.should_exit = True
    await wire.cut()


async def test_the_openapi_document_is_the_same_for_the_command_line(settings: Settings, client: Any) -> None:
    assert (
        json.loads(json.dumps(create_app(settings, domains=DOMAINS).openapi()))
        == (await client.get("/api/openapi.json")).json()
    )
