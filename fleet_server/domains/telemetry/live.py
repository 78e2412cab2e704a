"""What wakes live streams: one connection of the process that listens, for all of them together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from fleet_server.ingest.store import WAKE
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unavailable

log = logging.getLogger(__name__)

SHORTEST_S = 0.25  # between two looks of one stream
LONGEST_S = 3.0  # a look without a wake: a notification may be lost with its connection


class Listener:
    """Listens while anybody waits. It has no task of its own: the waiting streams open its connection again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opening = asyncio.Lock()
        self._held: AsyncExitStack | None = None
        self._lost = False
        self._streams: set[asyncio.Event] = set()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]:
        wake = asyncio.Event()
        self._streams.add(wake)
        looked = asyncio.get_running_loop().time()

        async def wait() -> None:
            nonlocal looked
            loop = asyncio.get_running_loop()
            await self._listen()
            await asyncio.sleep(max(0.0, looked + SHORTEST_S - loop.time()))
            try:
                async with asyncio.timeout(LONGEST_S):
                    await wake.wait()
            except TimeoutError:
                pass
            wake.clear()
            looked = loop.time()

        try:
            await self._listen()
            yield wait
        finally:
            self._streams.discard(wake)
            if not self._streams:
                await self._close()

    async def _listen(self) -> None:
        if self._lost:
            await self._close()
        async with self._opening:
            if self._held is not None:
                return
            async with AsyncExitStack() as stack:
                try:
                    connection: Any = await stack.enter_async_context(self._database.session())
                    await connection.add_listener(WAKE, self._wake)
                    connection.add_termination_listener(self._lose)
                except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.warning("live streams look every %g s: %s", LONGEST_S, error)
                    return
                stack.push_async_callback(self._deafen, connection)
                self._lost = False
                self._held = stack.pop_all()

    async def _close(self) -> None:
        async with self._opening:
            held, self._held, self._lost = self._held, None, False
            if held is not None:
                try:
                    await held.aclose()
                except (OSError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.debug("closing the listening connection: %s", error)

    async def _deafen(self, connection: Any) -> None:
        if not connection.is_closed():
            connection.remove_termination_listener(self._lose)
            await connection.remove_listener(WAKE, self._wake)

    def _wake(self, *_: object) -> None:
        for stream in self._streams:
            stream.set()

    def _lose(self, *_: object) -> None:
        self._lost = True
        self._wake()
