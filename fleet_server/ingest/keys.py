"""Gateways' keys, remembered for some seconds so that a message costs no query."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass

import asyncpg

from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.ports import KEYS_CHANGED, GatewayKeys

log = logging.getLogger(__name__)

TTL_S = 10.0  # how long a key that has ended may open messages when its notification was lost
RECHECK_S = 1.0  # how soon a seal that does not open may ask again whether the key was replaced
MOST = 20_000  # gateways, those that do not exist included: anybody may invent names
PAUSE_S = 1.0


@dataclass(frozen=True)
class _Entry:
    keys: dict[bytes, bytes]
    read_at: float


class KeyCache:
    """`now` is monotonic seconds."""

    def __init__(self, source: GatewayKeys) -> None:
        self._source = source
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._changes = 0

    async def keys(self, gateway: str, now: float, *, doubtful: bool = False) -> dict[bytes, bytes]:
        """The keys by id, newest first; {} if the gateway is not enrolled. `doubtful`: those known opened nothing."""
        entry = self._entries.get(gateway)
        if entry is None or now - entry.read_at > (RECHECK_S if doubtful else TTL_S):
            changes = self._changes
            entry = _Entry(await self._source.keys(gateway), now)
            if changes != self._changes:
                return entry.keys  # right now, and perhaps already wrong: not to be remembered
            self._entries[gateway] = entry
            self._entries.move_to_end(gateway)
            if len(self._entries) > MOST:
                self._entries.popitem(last=False)
        return entry.keys

    def is_fresh(self, gateway: str, now: float) -> bool:
        """Whether asking again, even doubtful, would give the same entry."""
        entry = self._entries.get(gateway)
        return entry is not None and now - entry.read_at <= RECHECK_S

    def forget(self, gateway: str = "") -> None:
        """What is known of a gateway, or of all."""
        self._changes += 1
        if gateway:
            self._entries.pop(gateway, None)
        else:
            self._entries.clear()

    async def follow(self, database: Database) -> None:
        """Forget what changes, until cancelled. Without a connection that listens, TTL_S is all there is."""
        while True:
            try:
                await self._listen(database)
            except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("changes of keys are seen after %g s: %s: %s", TTL_S, type(error).__name__, error)
            await asyncio.sleep(PAUSE_S)

    async def _listen(self, database: Database) -> None:
        """Until the connection is lost."""
        lost = asyncio.Event()
        async with database.session() as connection:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(KEYS_CHANGED, lambda *told: self.forget(str(told[-1])))
            self.forget()  # whatever changed while nobody listened
            await lost.wait()
