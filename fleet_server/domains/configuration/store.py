"""The SQL of configurations, on one connection in a transaction."""

# ruff: noqa: S608 - only this file's own lists of columns are put into statements

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from fleet_server.domains.configuration.models import KEPT, OPEN, Version
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.principal import Principal

CHANNEL = "configuration"  # NOTIFY on it wakes the dispatchers of ingest
BATCH = 50
_NAMES = tuple(field.name for field in fields(Version))
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join(f"${place}" for place in range(1, len(_NAMES) + 1))


class PostgresStore:
    """What the web server and the relay do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def next_number(self, gateway: str) -> int:
        """Also locks the gateway's versions against others that are being made."""
        number: int = await self._connection.fetchval(
            """INSERT INTO configuration_number AS n (gateway, last) VALUES ($1, 1)
               ON CONFLICT (gateway) DO UPDATE SET last = n.last + 1 RETURNING last""",
            gateway,
        )
        return number

    async def add(self, version: Version) -> None:
        """Checks stay until the next one, versions until there are too many."""
        if version.kind == "check":
            await self._connection.execute(
                "DELETE FROM configuration_version WHERE gateway = $1 AND kind = 'check'", version.gateway
            )
        await self._connection.execute(
            f"INSERT INTO configuration_version ({_COLUMNS}) VALUES ({_PLACES})",
            *(getattr(version, name) for name in _NAMES),
        )
        await self._connection.execute(
            "DELETE FROM configuration_version WHERE gateway = $1 AND number <= $2", version.gateway,
            version.number - KEPT,
        )  # fmt: skip
        await self._connection.execute(f"NOTIFY {CHANNEL}")

    async def supersede(self, gateway: str, now: datetime) -> None:
        await self._connection.execute(
            """UPDATE configuration_version SET status = 'superseded', next_at = NULL, finished_at = $2
               WHERE gateway = $1 AND kind = 'desired' AND status = ANY($3)""",
            gateway, now, list(OPEN),
        )  # fmt: skip

    async def get(self, gateway: str, number: int) -> Version | None:
        """Locked: a dispatcher that sends it waits, or is waited for."""
        return await self._one("number = $2 FOR UPDATE", gateway, number)

    async def version(self, gateway: str, number: int) -> Version | None:
        return await self._one("kind <> 'check' AND number = $2", gateway, number)

    async def before(self, gateway: str, number: int) -> Version | None:
        """The one that a version is compared with: what was there when it was made."""
        return await self._one("kind <> 'check' AND number < $2 ORDER BY number DESC LIMIT 1", gateway, number)

    async def last(self, gateway: str) -> Version | None:
        return await self._one("kind <> 'check' ORDER BY number DESC LIMIT 1", gateway)

    async def last_desired(self, gateway: str) -> Version | None:
        return await self._one("kind = 'desired' ORDER BY number DESC LIMIT 1", gateway)

    async def last_check(self, gateway: str) -> Version | None:
        return await self._one("kind = 'check' ORDER BY number DESC LIMIT 1", gateway)

    async def running(self, gateway: str, running: str) -> Version | None:
        """The last whose text is what the gateway runs under that hash."""
        return await self._one("kind <> 'check' AND running = $2 ORDER BY number DESC LIMIT 1", gateway, running)

    async def history(self, gateway: str, limit: int, below: int | None) -> list[Version]:
        rows = await self._connection.fetch(
            f"""SELECT {_COLUMNS} FROM configuration_version WHERE gateway = $1 AND kind <> 'check'
                AND ($3::bigint IS NULL OR number < $3) ORDER BY number DESC LIMIT $2""",
            gateway, limit, below,
        )  # fmt: skip
        return [_version(row) for row in rows]

    async def settle(self, version: Version) -> None:
        await self._connection.execute(
            """UPDATE configuration_version SET status = $3, detail = $4, lines = $5, running = $6, next_at = NULL,
                   finished_at = $7, sent_at = $8 WHERE gateway = $1 AND number = $2""",
            version.gateway, version.number, version.status, version.detail, version.lines, version.running,
            version.finished_at, version.sent_at,
        )  # fmt: skip

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)

    async def _one(self, condition: str, *values: object) -> Version | None:
        row = await self._connection.fetchrow(
            f"SELECT {_COLUMNS} FROM configuration_version WHERE gateway = $1 AND {condition}", *values
        )
        return _version(row) if row else None


class DispatchStore:
    """What ingest does, with its own role, which may change a version's progress and nothing else of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def due(self, now: datetime) -> list[Version]:
        """Locked; those that another dispatcher holds are its own."""
        rows = await self._connection.fetch(
            f"""SELECT {_COLUMNS} FROM configuration_version WHERE next_at <= $1
                ORDER BY next_at LIMIT {BATCH} FOR UPDATE SKIP LOCKED""",
            now,
        )
        return [_version(row) for row in rows]

    async def progress(self, version: Version) -> None:
        await self._connection.execute(
            """UPDATE configuration_version SET status = $3, detail = $4, sends = $5, sent_on = $6, sent_at = $7,
                   next_at = $8, finished_at = $9 WHERE gateway = $1 AND number = $2""",
            version.gateway, version.number, version.status, version.detail, version.sends, version.sent_on,
            version.sent_at, version.next_at, version.finished_at,
        )  # fmt: skip

    async def take_back(self, version: Version, detail: str, now: datetime) -> None:
        """The last sending did not happen. A result that came in between stands."""
        await self._connection.execute(
            """UPDATE configuration_version SET sends = sends - 1, sent_at = NULL, detail = $3, next_at = $4,
                   status = 'waiting'
               WHERE gateway = $1 AND number = $2 AND status = 'sent'""",
            version.gateway, version.number, detail, now,
        )  # fmt: skip


def _version(row: Any) -> Version:
    return Version(**row)
