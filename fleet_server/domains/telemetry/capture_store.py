"""The captures of devices whose codes were read through the ledger."""

import asyncio
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.telemetry.captures import Capture, Head, assemble, head
from fleet_server.domains.telemetry.store import TelemetryStore
from fleet_server.kernel.context import InContext
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import NotFound

MAX_ID = 2**63 - 1


class Captures:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, device: str, limit: int, before: int | None = None) -> list[Head]:
        """Those that came last first; `before` is the id of the last one of the page before."""
        async with self._database.system() as connection:
            rows = await connection.fetch(f"{_HEADS} AND c.id < $2 {_LAST}", device, before or MAX_ID, limit)
        return [head(row) for row in rows]

    async def one(self, device: str, name: str) -> Capture:
        """`name` is hexadecimal. Raises NotFound."""
        async with self._database.system() as connection:
            row = await connection.fetchrow(f"{_HEADS} AND c.name = $2", device, _octets(name))
            if row is None:
                raise NotFound(f"The device {device} has no capture {name}.")
            (stream,) = await TelemetryStore(connection).streams([device])
            parts = await connection.fetch(_PARTS, row["id"])
        return await asyncio.to_thread(assemble, head(row), stream, [part["body"] for part in parts])


def _octets(name: str) -> bytes:
    return bytes.fromhex(name) if len(name) % 2 == 0 else b""  # no capture has such a name


def _of_context(context: InContext) -> Captures:
    return Captures(context.database)


InCaptures = Annotated[Captures, Depends(_of_context)]

_HEADS = """
SELECT c.*, p.received, p.readings, p.ending, f.utc_ms AS fix_utc_ms, f.boottime_ms AS fix_boottime_ms
FROM capture c JOIN stream_device d ON d.id = c.device_id
LEFT JOIN clock_fix f ON f.gateway = c.gateway AND f.boot = c.boot
CROSS JOIN LATERAL (
    SELECT count(DISTINCT part)::integer AS received, coalesce(sum(readings), 0)::bigint AS readings,
        coalesce(max(ending), 0)::integer AS ending
    FROM capture_part WHERE capture_id = c.id) p
WHERE d.code = $1"""

_LAST = "ORDER BY c.id DESC LIMIT $3"

_PARTS = "SELECT DISTINCT ON (part) body FROM capture_part WHERE capture_id = $1 ORDER BY part, incarnation_id, seq"
