"""A pool of one database role. Every transaction says whose eyes it sees the ledger with."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.principal import CITY, Principal

log = logging.getLogger(__name__)

Connection: TypeAlias = "PoolConnectionProxy[Any]"
CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 3.0
STATEMENT_TIMEOUT_S = 60.0
# Errors that say "no database", as against "this statement is wrong": class 08, 57P0x, 53300.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    ConnectionError,
)
CANNOT_CONNECT = (OSError, TimeoutError, *AWAY, asyncpg.InvalidAuthorizationSpecificationError)
# What a connection raises that is going. InternalClientError: the server has said that it ends, and not yet hung up.
BROKEN = (*AWAY, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Database:
    """Opening it does not need the database to be there: a request made while it is away raises Unavailable."""

    def __init__(self, url: str, *, size: int = 10) -> None:
        self._url = url
        self._size = size
        self._pool: asyncpg.Pool[Any] | None = None

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,  # connect on demand, so that the server starts without its database
            max_size=self._size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            init=prepare,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)
        except TimeoutError:
            log.warning("a transaction did not end in %g s: its connection is cut", CLOSE_TIMEOUT_S)
            pool.terminate()

    @asynccontextmanager
    async def scoped(self, principal: Principal) -> AsyncIterator[Connection]:
        """One transaction that sees what the principal's scope covers."""
        async with self._transaction(principal.scope) as connection:
            yield connection

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Connection]:
        """One transaction of a job, a subscriber or ingest: sees the whole city."""
        async with self._transaction((CITY,)) as connection:
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """A connection of its own, outside the pool, without transaction and scope: for LISTEN and session locks."""
        try:
            connection = await asyncpg.connect(
                self._url, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S
            )
        except CANNOT_CONNECT as error:
            raise _unavailable("does not answer", error) from error
        try:
            await prepare(connection)
            yield connection
        except BROKEN as error:
            if not _is_away(connection, error):
                raise
            raise _unavailable("went away", error) from error
        finally:
            connection.terminate()

    @asynccontextmanager
    async def _transaction(self, scope: tuple[str, ...]) -> AsyncIterator[Connection]:
        async with self._acquired() as connection, connection.transaction():
            # Local to this transaction: a connection back in the pool sees nothing.
            await connection.execute("SELECT set_config('hutong.scope', $1, true)", "{" + ",".join(scope) + "}")
            yield connection

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        pool = self._pool
        if pool is None:
            raise RuntimeError("the database is not open")
        try:
            connection = await pool.acquire(timeout=CONNECT_TIMEOUT_S)
        except CANNOT_CONNECT as error:
            raise _unavailable("does not answer", error) from error
        try:
            yield connection
        except BROKEN as error:
            if not _is_away(connection, error):
                raise
            raise _unavailable("went away", error) from error
        finally:
            await _give_back(pool, connection)


async def _give_back(pool: "asyncpg.Pool[Any]", connection: Connection) -> None:
    """What was done with it is decided by now. The pool cuts one that cannot be made clean, and opens another."""
    try:
        await pool.release(connection)
    except (OSError, TimeoutError, asyncpg.PostgresError, *BROKEN) as error:
        log.warning("a connection to the database broke when it was done with: %s: %s", type(error).__name__, error)


def _is_away(connection: Any, error: Exception) -> bool:
    """Not so for someone else's broken connection that passes through, or for our own wrong use of this one."""
    try:
        return isinstance(error, asyncpg.PostgresError | asyncpg.InternalClientError) or bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # cut while it was ours: the pool has taken it back already


def _unavailable(what: str, error: Exception) -> Unavailable:
    log.warning("the database %s: %s: %s", what, type(error).__name__, error)
    return Unavailable(f"The database {what}.")


async def prepare(connection: Any) -> None:
    """Codecs of a new connection: json and jsonb as Python values."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=json.loads, format="text")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
