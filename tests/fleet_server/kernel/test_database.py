import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.principal import Principal, system
from tests.fleet_server.wire import Wire

# ErrorResponse (PostgreSQL's documentation, 55.7) as a server sends it whose postmaster was killed, before it hangs up.
FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mthe postmaster has exited\0\0"
LAST_WORDS = b"E" + (4 + len(FIELDS)).to_bytes(4, "big") + FIELDS

GATEWAYS = {"D1101149001000077A": "bj.110114.110114011", "D11010190010000011": "bj.110101"}


def someone(*scope: str) -> Principal:
    return Principal("user:1", "someone", "user", frozenset(), scope)


@pytest.fixture
async def filled(database_urls: Any, connect: Any) -> Any:
    add = "INSERT INTO gateway (code, name, division, enrolled_at) VALUES ($1, 'g', $2::text::ltree, now())"
    async with connect(database_urls.owner) as connection:
        await connection.executemany(add, GATEWAYS.items())
    return database_urls


async def codes(connection: Any) -> set[str]:
    return {row["code"] for row in await connection.fetch("SELECT code FROM gateway")}


async def test_a_transaction_sees_what_lies_under_its_scope_and_nothing_else(filled: Any) -> None:
    first, second = GATEWAYS
    async with Database(filled.web, size=1) as database:
        for scope, expected in [
            (("bj",), set(GATEWAYS)),
            (("bj.110114",), {first}),
            (("bj.110114.110114011",), {first}),
            (("bj.110114.110114011.1",), set()),  # below the gateway's division: it is not in there
            (("bj.110101", "bj.110114"), {first, second}),
            (("bj.11011",), set()),  # a prefix of the text is not an ancestor
            ((), set()),
        ]:
            async with database.scoped(someone(*scope)) as connection:
                assert await codes(connection) == expected, scope


async def test_a_connection_without_a_scope_sees_no_rows_even_after_one_that_had_it(filled: Any, connect: Any) -> None:
    async with Database(filled.web, size=1) as database:
        async with database.system() as connection:
            assert await codes(connection) == set(GATEWAYS)
        async with database._acquired() as connection:
            assert await codes(connection) == set()
            assert await connection.fetchval("SELECT count(*) FROM device") == 0
    async with connect(filled.web) as connection:
        assert await codes(connection) == set()


async def test_a_row_cannot_be_moved_out_of_ones_own_scope(filled: Any) -> None:
    async with Database(filled.web, size=1) as database:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with database.scoped(someone("bj.110114")) as connection:
                await connection.execute("UPDATE gateway SET division = 'bj.110101'")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("web", "SELECT sealed FROM gateway_key"),
        ("web", "UPDATE audit SET action = 'x'"),
        ("web", "DELETE FROM audit"),
        ("web", "UPDATE audit_seal SET hash = ''"),
        ("web", "INSERT INTO audit_unsealed VALUES (1)"),
        ("web", "INSERT INTO set_up_link VALUES ('', now(), now())"),
        ("web", "INSERT INTO gateway (code, name, division, enrolled_at) VALUES ('D', 'g', 'bj', now())"),
        ("web", "ALTER TABLE gateway DISABLE ROW LEVEL SECURITY"),
        ("web", "CREATE TABLE mine (n int)"),
        ("ingest", "SELECT * FROM user_account"),
        ("ingest", "SELECT * FROM user_session"),
        ("ingest", "SELECT * FROM device"),
        ("ingest", "UPDATE gateway SET name = 'x'"),
        ("ingest", "SELECT * FROM audit"),
        ("auditor", "SELECT * FROM gateway"),
        ("auditor", "SELECT * FROM user_account"),
        ("auditor", "INSERT INTO audit (principal, principal_name, action, object) VALUES ('', '', '', '')"),
    ],
)
async def test_a_role_cannot_do_what_is_not_its_work(
    module_database_urls: Any, connect: Any, role: str, statement: str
) -> None:
    async with connect(getattr(module_database_urls, role)) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_the_owner_itself_is_bound_by_the_policies(module_database_urls: Any, connect: Any) -> None:
    forced = "SELECT relname FROM pg_class WHERE relforcerowsecurity"
    async with connect(module_database_urls.owner) as connection:
        assert {row["relname"] for row in await connection.fetch(forced)} >= {"gateway", "gateway_key", "device"}


async def test_json_goes_in_and_out_as_values(database_urls: Any) -> None:
    async with Database(database_urls.web, size=1) as database, database.system() as connection:
        value = {"名": [1, 2.5, None, True]}
        assert await connection.fetchval("SELECT $1::jsonb", value) == value


async def test_opening_a_database_that_is_not_there_works_and_using_it_is_unavailable() -> None:
    async with Database("postgresql://u:p@127.0.0.1:1/none") as database:
        with pytest.raises(Unavailable):
            async with database.system():
                pass
        with pytest.raises(Unavailable):
            async with database.session():
                pass


async def test_a_connection_that_the_server_cuts_is_unavailable_and_the_next_one_works(
    database_urls: Any, connect: Any
) -> None:
    async def use_a_cut_one(database: Database) -> None:
        async with database.system() as connection:
            await kill(connect, database_urls.web, await connection.fetchval("SELECT pg_backend_pid()"))
            await connection.execute("SELECT 1")

    async with Database(database_urls.web, size=1) as database:
        with pytest.raises(Unavailable):
            await use_a_cut_one(database)
        async with database.system() as connection:
            assert await connection.fetchval("SELECT 1") == 1


@pytest.fixture
async def wire(postgres: Any) -> AsyncIterator[Wire]:
    wire = Wire(f"{postgres.socket_dir}/.s.PGSQL.5432")
    await wire.lay()
    yield wire
    await wire.cut()


async def test_a_server_that_has_said_it_ends_and_not_yet_hung_up_is_unavailable(
    database_urls: Any, wire: Wire
) -> None:
    async with Database(wire.url(database_urls.web), size=1) as database:
        async with database.system() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await say_last_words(wire)
        with pytest.raises(Unavailable):
            async with database.system():
                pytest.fail("there is nobody to begin a transaction with")
        async with database.system() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_work_that_was_done_stands_although_its_connection_breaks_behind_it(
    database_urls: Any, wire: Wire
) -> None:
    async with Database(wire.url(database_urls.web), size=1) as database:
        async with database._acquired() as connection:
            assert await connection.fetchval("SELECT 1") == 1
            await say_last_words(wire)
        async with database._acquired() as connection:
            assert await connection.fetchval("SELECT 2") == 2


async def test_a_transaction_under_way_may_end_while_the_database_is_closed(database_urls: Any) -> None:
    under_way = asyncio.Event()

    async def work(database: Database) -> None:
        async with database.system() as connection:
            under_way.set()
            await connection.execute("SELECT pg_sleep(0.2)")

    async with asyncio.TaskGroup() as tasks, Database(database_urls.web, size=1) as database:
        tasks.create_task(work(database))
        await under_way.wait()


async def say_last_words(wire: Wire) -> None:
    wire.tell(LAST_WORDS)
    await asyncio.sleep(0.1)  # for the client to read them; later, they would be the answer to its next statement


async def test_someone_elses_broken_connection_is_not_called_a_database_away(database_urls: Any) -> None:
    async with Database(database_urls.web, size=1) as database:
        with pytest.raises(ConnectionResetError):
            async with database.system():
                raise ConnectionResetError("of the broker")


async def test_a_wrong_statement_is_not_called_a_database_away(database_urls: Any) -> None:
    async with Database(database_urls.web, size=1) as database:
        with pytest.raises(asyncpg.UndefinedTableError):
            async with database.scoped(system("test")) as connection:
                await connection.execute("SELECT * FROM no_such_table")


async def kill(connect: Any, url: str, pid: int) -> None:
    async with connect(url) as connection:  # a role may end its own connections
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)  # waits until it is gone
