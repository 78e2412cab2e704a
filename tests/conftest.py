"""What tests of the server share: one PostgreSQL and one broker a session, a fresh migrated database a test."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import hypothesis
import pytest

from sim_devices.city import broker as city_broker
from sim_devices.city import postgres as city_postgres
from tests import interop

# How fast examples come tells of the machine's load, not of the code: benchmarks measure time, the suite does not.
hypothesis.settings.register_profile("steady", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("steady"), max_examples=40)  # make test
hypothesis.settings.load_profile("steady")

EVERY_TEST = pytest.StashKey[list[pytest.Item]]()

T = TypeVar("T")
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 1 << 30
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-interop", action="store_true", help="write docs/interop.md from the tests' marks, and end"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before -m leaves any out: docs/interop.md tells of all."""
    config.stash[EVERY_TEST] = list(items)
    if config.getoption("--write-interop"):
        interop.PATH.write_text(interop.render(items), "utf-8")
        items.clear()


@pytest.fixture
def every_test(request: pytest.FixtureRequest) -> list[pytest.Item] | None:
    """All tests of the suite, whether they run or not; None where only a part of it was named."""
    whole = request.config.args == request.config.getini("testpaths")
    return request.config.stash[EVERY_TEST] if whole else None


def run_aside(work: Coroutine[Any, Any, T]) -> T:
    """Fixtures of a session have no event loop; a thread of their own leaves the tests' loops alone."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def run_sql(url: str, *statements: str) -> None:
    async with connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)


@dataclass(frozen=True)
class DatabaseUrls:
    """The ways into one database, by role."""

    name: str
    owner: str
    web: str
    ingest: str
    auditor: str


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta | None = None, **parts: float) -> None:
        self._now += by if by is not None else timedelta(**parts)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[city_postgres.Postgres]:
    """In memory where there is room: cloning a database makes a thousand files, 30 ms there, 400 ms on a busy disk."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
    parent = MEMORY if roomy else tmp_path_factory.getbasetemp()
    with (
        tempfile.TemporaryDirectory(prefix="hutong-test-", dir=parent) as folder,
        city_postgres.start(Path(folder) / "postgres", durable=False) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: city_postgres.Postgres) -> str:
    """A database with all migrations that nobody connects to, so that it can be cloned."""
    from fleet_server.kernel.migrate import migrate

    name = "hutong_template"
    run_aside(run_sql(postgres.owner_url, f"CREATE DATABASE {name}"))
    run_aside(migrate(_in_database(postgres.owner_url, name)))
    return name


@pytest.fixture
def database_urls(postgres: city_postgres.Postgres, migrated_template: str) -> Iterator[DatabaseUrls]:
    yield from _cloned(postgres, migrated_template)


@pytest.fixture(scope="module")
def module_database_urls(postgres: city_postgres.Postgres, migrated_template: str) -> Iterator[DatabaseUrls]:
    """One database for all tests of a file: for tests that only read, or that keep out of one another's way."""
    yield from _cloned(postgres, migrated_template)


@pytest.fixture
def empty_database_url(postgres: city_postgres.Postgres) -> Iterator[str]:
    """The owner's way into a database without a single migration."""
    yield from (urls.owner for urls in _cloned(postgres, "template1"))


@pytest.fixture(scope="session")
def aside() -> Any:
    """Runs a coroutine to its end, for fixtures that outlive a test's event loop."""
    return run_aside


@pytest.fixture(scope="session")
def clock_start() -> datetime:
    return START


class Connect(Protocol):
    """`async with connect(url) as connection`: plain asyncpg, as nobody in particular."""

    def __call__(self, url: str) -> AbstractAsyncContextManager[Any]: ...


@pytest.fixture(scope="session")
def connect() -> Connect:
    return connected


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[city_broker.Broker]:
    """Lets in `hutong-ingest` with the password "ingest"; `set_users` lets in others."""
    with city_broker.start(tmp_path_factory.mktemp("broker"), {"hutong-ingest": "ingest"}) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fleet_settings(database_urls: DatabaseUrls, tmp_path: Path) -> Any:
    return _settings(database_urls, tmp_path)


@pytest.fixture(scope="module")
def module_fleet_settings(module_database_urls: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return _settings(module_database_urls, tmp_path_factory.mktemp("fleet"))


class Fleet(Protocol):
    """`async with fleet() as client`: the whole web application; `client.context` is its Context."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[Any]: ...


@pytest.fixture
def fleet(fleet_settings: Any, clock: ManualClock) -> Fleet:
    """Options are those of `create_app`; jobs run only if asked for (run_jobs=True)."""
    return _fleet(fleet_settings, clock)


@pytest.fixture(scope="module")
def module_fleet(module_fleet_settings: Any) -> Fleet:
    """The same, on the file's one database and at one moment."""
    return _fleet(module_fleet_settings, ManualClock())


def _settings(urls: DatabaseUrls, folder: Path) -> Any:
    from fleet_server.config import DatabaseSettings, SecretsSettings, Settings

    return Settings(
        database=DatabaseSettings(owner=urls.owner, web=urls.web, ingest=urls.ingest, auditor=urls.auditor),
        secrets=SecretsSettings(dir=folder / "secrets"),
    )


def _fleet(settings: Any, clock: ManualClock) -> Fleet:
    from fleet_server.app import create_app

    @asynccontextmanager
    async def open_fleet(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings, clock=clock, **({"run_jobs": False} | options))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
            async with httpx.AsyncClient(transport=transport, base_url=settings.web.public_url) as client:
                client.context = app.state.context  # type: ignore[attr-defined]
                yield client

    return open_fleet


async def _drop(owner_url: str, name: str) -> None:
    try:
        await run_sql(owner_url, f"DROP DATABASE {name} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        # PostgreSQL vacuums it just now, as its superuser, whom we may not end; without FORCE it ends that itself.
        await run_sql(owner_url, f"DROP DATABASE {name}")


def _cloned(postgres: city_postgres.Postgres, template: str) -> Iterator[DatabaseUrls]:
    name = f"t_{secrets.token_hex(6)}"
    run_aside(run_sql(postgres.owner_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    roles = (postgres.owner_url, postgres.web_url, postgres.ingest_url, postgres.auditor_url)
    yield DatabaseUrls(name, *(_in_database(url, name) for url in roles))
    run_aside(_drop(postgres.owner_url, name))


def _in_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
