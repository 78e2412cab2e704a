"""What wakes live streams: one connection of the process that listens, for all of them together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg

from fleet_server.domains.telemetry import watch
from fleet_server.ingest.store import WAKE
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unavailable

log = logging.getLogger(__name__)

RETRY_S = 1.0  # after one failed to listen, no stream tries again so long


class Listener:
    """Listens while anybody waits. It has no task of its own: the waiting streams open its connection again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opening = asyncio.Lock()
        self._held: AsyncExitStack | None = None
        self._lost = False
        self._failed_at = self._woken_at = float("-inf")  # the loop's time
        self._streams: set[asyncio.Event] = set()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[Callable[[], Coroutine[Any, Any, float]]]:
        wake = asyncio.Event()
        self._streams.add(wake)

        async def wait() -> float:
            await self._listen()
            try:
                async with asyncio.timeout(watch.LONGEST_S):
                    await wake.wait()
            except TimeoutError:  # a notification may have been lost with its connection
                return asyncio.get_running_loop().time() - watch.SHORTEST_S
            wake.clear()
            return self._woken_at

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
            now = asyncio.get_running_loop().time()
            if self._held is not None or now - self._failed_at < RETRY_S:
                return
            async with AsyncExitStack() as stack:
                try:
                    connection: Any = await stack.enter_async_context(self._database.session())
                    await connection.add_listener(WAKE, self._wake)
                    connection.add_termination_listener(self._lose)
                except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    self._failed_at = asyncio.get_running_loop().time()
                    log.warning("live streams look every %g s: %s", watch.LONGEST_S, error)
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
        self._woken_at = asyncio.get_running_loop().time()
        for stream in self._streams:
            stream.set()

    def _lose(self, *_: object) -> None:
        self._lost = True
        self._wake()
