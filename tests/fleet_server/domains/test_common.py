"""The common questions, put to every domain in ALL and to those that will come: nobody has to remember them."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
import pytest_asyncio
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import StreamingResponse

from fleet_server import domains
from fleet_server.domains import ALL
from fleet_server.kernel.paging import Page
from fleet_server.kernel.principal import PERMISSIONS

OPEN_API = {("POST", "/session"), ("DELETE", "/session")}  # to sign in one is not signed in
OPEN_PAGES = {"/sign-in", "/set-up", "/sign-out"}
KERNEL_TABLES = {
    "schema_migration", "outbox", "outbox_delivery", "outbox_parked", "audit", "audit_unsealed", "audit_seal"
}  # fmt: skip
SECRET_NAME = "Geheimnis"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}

Test = TypeVar("Test", bound=Callable[..., Any])


class Asked(NamedTuple):
    domain: str
    method: str
    path: str
    route: APIRoute

    def url(self, **values: str) -> str:
        return re.sub(r"{(\w+)}", lambda match: values.get(match[1], "0"), self.path)

    @property
    def takes_code(self) -> bool:
        return "{code}" in self.path

    @property
    def streams(self) -> bool:
        kind = self.route.response_class
        return isinstance(kind, type) and issubclass(kind, StreamingResponse)


def asked(router: APIRouter | None, domain: str, prefix: str) -> Iterator[Asked]:
    for route in router.routes if router else ():
        assert isinstance(route, APIRoute)
        for method in sorted(route.methods or ()):
            yield Asked(domain, method, prefix + route.path, route)


API = [item for domain in ALL for item in asked(domain.router, domain.name, "/api/v1")]
PAGES = [item for domain in ALL for item in asked(domain.pages, domain.name, "")]
GUARDED_API = [item for item in API if (item.method, item.path.removeprefix("/api/v1")) not in OPEN_API]
GUARDED_PAGES = [item for item in PAGES if item.path not in OPEN_PAGES]
READ_API = [item for item in GUARDED_API if item.method == "GET" and not item.streams]
LISTS = [
    item for item in READ_API
    if isinstance(item.route.response_model, type) and issubclass(item.route.response_model, Page)
]  # fmt: skip


def put_to(items: list[Asked]) -> Callable[[Test], Test]:
    """The test, once for each item; all are put to one running application, on the event loop of the file."""
    each = pytest.mark.parametrize("item", items, ids=[f"{i.domain} {i.method} {i.path}" for i in items])
    return lambda test: each(pytest.mark.asyncio(loop_scope="module")(test))


@dataclass
class Fleet:
    client: httpx.AsyncClient
    gateway: str
    device: str
    administrator: dict[str, str]
    stranger: dict[str, str]

    async def open(self, url: str, headers: dict[str, str]) -> httpx.Response:
        """As a browser: redirects are followed with the cookie, which httpx would drop."""
        answer = await self.client.get(url, headers=headers)
        while answer.is_redirect:
            answer = await self.client.get(answer.headers["location"], headers=headers)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(module_fleet: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with module_fleet() as client:
        yield client


@pytest.fixture
def client(running: httpx.AsyncClient) -> httpx.AsyncClient:
    """Nobody's: whatever cookie an earlier answer set is gone."""
    running.cookies.clear()
    return running


@pytest.fixture
def filled(seed: Any, client: httpx.AsyncClient) -> Fleet:
    return Fleet(client, seed.gateway, seed.device, seed.administrator, seed.stranger)


@put_to(GUARDED_API)
async def test_the_api_asks_who_it_is(client: httpx.AsyncClient, item: Asked) -> None:
    answer = await client.request(item.method, item.url(code="D0"), headers=SAME_ORIGIN)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"


@put_to(GUARDED_PAGES)
async def test_a_page_sends_strangers_to_the_door(client: httpx.AsyncClient, item: Asked) -> None:
    answer = await client.request(item.method, item.url(code="D0"), headers=SAME_ORIGIN)
    if not answer.headers.get("location", "").startswith("/sign-in"):  # a short link to a page, as on a label
        answer = await client.get(answer.headers["location"], headers=SAME_ORIGIN)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@put_to([item for item in READ_API if item.takes_code])
async def test_what_is_not_there_is_a_problem_document(filled: Fleet, item: Asked) -> None:
    answer = await filled.client.get(item.url(code="D1101149001999999X"), headers=filled.administrator)
    assert answer.status_code in (404, 422), answer.text
    body = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert body["status"] == answer.status_code


@put_to([item for item in READ_API if item.takes_code])
async def test_outside_the_scope_is_answered_as_not_there(filled: Fleet, item: Asked) -> None:
    code = filled.gateway if "/gateways/" in item.path else filled.device
    elsewhere = await filled.client.get(item.url(code=code), headers=filled.stranger)
    assert (elsewhere.status_code, elsewhere.json()["code"]) in [(404, "not-found"), (422, "invalid")], elsewhere.text


@put_to(READ_API)
async def test_no_answer_of_the_api_leaks_what_is_outside_the_scope(filled: Fleet, item: Asked) -> None:
    for code in (filled.gateway, filled.device):
        answer = await filled.client.get(item.url(code=code, text=code), headers=filled.stranger)
        assert SECRET_NAME not in answer.text


@put_to([item for item in GUARDED_PAGES if item.method == "GET"])
async def test_no_page_leaks_what_is_outside_the_scope(filled: Fleet, item: Asked) -> None:
    for code in (filled.gateway, filled.device):
        for url in (item.url(code=code), item.url(code=code) + f"?q={SECRET_NAME[:-1]}"):
            answer = await filled.client.get(url, headers=filled.stranger)
            assert SECRET_NAME not in answer.text


@put_to(LISTS)
async def test_a_list_comes_page_by_page_whole_and_without_repeats(filled: Fleet, item: Asked) -> None:
    url = item.url(code=filled.gateway if "/gateways/" in item.path else filled.device)
    whole = (await filled.client.get(f"{url}?limit=1000", headers=filled.administrator)).json()
    assert whole["next"] is None
    pieces, after = [], ""
    while True:
        more = f"&after={after}" if after else ""
        page = (await filled.client.get(f"{url}?limit=1{more}", headers=filled.administrator)).json()
        pieces += page["items"]
        after = page["next"]
        if after is None:
            break
        assert len(page["items"]) == 1
    assert pieces == whole["items"]


@put_to(LISTS)
async def test_a_page_size_that_makes_no_sense_is_refused(filled: Fleet, item: Asked) -> None:
    for limit in (0, -1, 10**9, "many"):
        answer = await filled.client.get(f"{item.url(code=filled.device)}?limit={limit}", headers=filled.administrator)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["limit"])


@put_to([item for item in API if item.method == "GET" and not item.streams])
async def test_no_query_makes_the_api_fail(filled: Fleet, item: Asked) -> None:
    for value in ("%00", "%ff", "'; DROP TABLE audit", "9" * 400, "{}", "a" * 5000):
        names_ = [field.alias for field in item.route.dependant.query_params] or ["query"]
        url = item.url(code=filled.device, text=filled.device) + "?" + "&".join(f"{n}={value}" for n in names_)
        answer = await filled.client.get(url, headers=filled.administrator)
        assert answer.status_code < 500, (url, answer.text)
    if "{" in item.path:
        for value in ("%00", "%F0%9F%92%A1", "-" * 3000):
            answer = await filled.client.get(re.sub(r"{\w+}", value, item.path), headers=filled.administrator)
            assert answer.status_code < 500, (value, answer.text)


@pytest.mark.parametrize("language", ["en", "zh"])
@put_to([item for item in PAGES if item.method == "GET" and item.path != "/set-up"])
async def test_a_page_renders_in_both_languages_without_inline_scripts(
    filled: Fleet, item: Asked, language: str
) -> None:
    code = filled.gateway if "/gateways/" in item.path else filled.device
    headers = filled.administrator | {"accept-language": language}
    answer = await filled.open(item.url(code=code, text=code), headers)
    assert answer.status_code == 200, answer.text
    if answer.text.startswith("<!doctype"):  # and not a part of a page
        assert f'lang="{language}' in answer.text
    assert not re.search(r"<script(?![^>]*\b(src|type=\"application/json\"))", answer.text)
    assert not re.search(r"<[^>]+\s(on\w+|style)=", answer.text)


def test_every_domain_declares_permissions_that_exist_and_names_that_differ() -> None:
    assert len({domain.name for domain in ALL}) == len(ALL)
    declared = [permission for domain in ALL for permission in domain.permissions]
    assert sorted(declared) == sorted(PERMISSIONS)


def test_every_folder_of_domains_is_in_all() -> None:
    root = Path(domains.__file__).parent
    assert {path.parent.name for path in root.glob("*/__init__.py")} == {domain.name for domain in ALL}


async def test_every_table_belongs_to_one_domain_or_to_the_kernel(database_urls: Any, connect: Any) -> None:
    async with connect(database_urls.owner) as connection:
        found = await connection.fetch(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'p') AND NOT relispartition"""
        )
    declared = [table for domain in ALL for table in domain.tables]
    assert len(declared) == len(set(declared))
    assert {row["relname"] for row in found} == set(declared) | KERNEL_TABLES


@pytest.mark.parametrize("domain", ALL, ids=[domain.name for domain in ALL])
def test_no_sql_of_a_domain_names_a_table_of_another(domain: Any) -> None:
    foreign = [table for other in ALL if other is not domain for table in other.tables]
    named = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+({'|'.join(foreign)})\b")
    root = Path(domains.__file__).parent / domain.name
    found = {path.name: named.findall(path.read_text(encoding="utf-8")) for path in root.rglob("*.py")}
    assert {name: tables for name, tables in found.items() if tables} == {}
