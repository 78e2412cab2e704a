"""The SQL of commands, on one connection in a transaction."""

# ruff: noqa: S608 - only this file's own lists of columns are put into statements

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fleet_server.domains.commands.models import UNSENT_WAIT, Command
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.principal import Principal
from protocols.edge.requirement import Requirement

CHANNEL = "command"  # NOTIFY on it wakes the dispatchers of ingest
BATCH = 100
_COLUMNS = """id, gateway, incarnation, number, device, channel, value, principal, principal_name, issued_at,
              expires_at, status, detail, readback, sends, next_at, finished_at, requires"""


class PostgresStore:
    """What the web server and the relay do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def next_number(self, gateway: str) -> int:
        number: int = await self._connection.fetchval(
            """INSERT INTO command_number AS n (gateway, last) VALUES ($1, 1)
               ON CONFLICT (gateway) DO UPDATE SET last = n.last + 1 RETURNING last""",
            gateway,
        )
        return number

    async def count_open(self, gateway: str, now: datetime) -> int:
        count: int = await self._connection.fetchval(
            "SELECT count(*) FROM command WHERE gateway = $1 AND next_at IS NOT NULL AND expires_at > $2", gateway, now
        )
        return count

    async def add(self, command: Command) -> None:
        await self._connection.execute(
            f"""INSERT INTO command ({_COLUMNS})
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)""",
            command.id, command.gateway, command.incarnation, command.number, command.device, command.channel,
            command.value, command.principal, command.principal_name, command.issued_at, command.expires_at,
            command.status, command.detail, command.readback, command.sends, command.next_at, command.finished_at,
            [[need.device, need.channel, str(need.low), str(need.high)] for need in command.requires],
        )  # fmt: skip
        await self._connection.execute(f"NOTIFY {CHANNEL}")

    async def get(self, id_: UUID) -> Command | None:
        """Locked: a dispatcher that sends it again waits, or is waited for."""
        row = await self._connection.fetchrow(f"SELECT {_COLUMNS} FROM command WHERE id = $1 FOR UPDATE", id_)
        return _command(row) if row else None

    async def settle(self, command: Command) -> None:
        await self._connection.execute(
            """UPDATE command SET status = $2, detail = $3, readback = $4, next_at = NULL, finished_at = $5
               WHERE id = $1""",
            command.id, command.status, command.detail, command.readback, command.finished_at,
        )  # fmt: skip

    async def recent(self, device: str, limit: int, before: Command | None) -> list[Command]:
        # By number within a moment: a device that moved has the numbers of two gateways.
        rows = await self._connection.fetch(
            f"""SELECT {_COLUMNS} FROM command
                WHERE device = $1 AND ($3::timestamptz IS NULL OR (issued_at, number) < ($3, $4::bigint))
                ORDER BY issued_at DESC, number DESC LIMIT $2""",
            device, limit, before and before.issued_at, before and before.number,
        )  # fmt: skip
        return [_command(row) for row in rows]

    async def of_device(self, device: str, id_: UUID) -> Command | None:
        row = await self._connection.fetchrow(
            f"SELECT {_COLUMNS} FROM command WHERE device = $1 AND id = $2", device, id_
        )
        return _command(row) if row else None

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)


class DispatchStore:
    """What ingest does, with its own role, which may change a command's progress and nothing else of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def due(self, now: datetime) -> list[Command]:
        """Locked, in the order of their numbers; those that another dispatcher holds are its own."""
        rows = await self._connection.fetch(
            f"""SELECT {_COLUMNS} FROM command WHERE next_at <= $1
                ORDER BY gateway, number LIMIT {BATCH} FOR UPDATE SKIP LOCKED""",
            now,
        )
        return [_command(row) for row in rows]

    async def next_at(self) -> datetime | None:
        found: datetime | None = await self._connection.fetchval("SELECT min(next_at) FROM command")
        return found

    async def progress(self, command: Command) -> None:
        await self._connection.execute(
            """UPDATE command SET status = $2, detail = $3, sends = $4, next_at = $5, finished_at = $6 WHERE id = $1""",
            command.id, command.status, command.detail, command.sends, command.next_at, command.finished_at,
        )  # fmt: skip

    async def take_back(self, id_: UUID, detail: str, now: datetime) -> None:
        """The last sending did not happen. A result that came in between stands."""
        await self._connection.execute(
            """UPDATE command SET sends = sends - 1, next_at = least(next_at, $3), detail = $2,
                   status = CASE WHEN sends = 1 THEN 'queued' ELSE status END
               WHERE id = $1 AND status = 'sent'""",
            id_, detail, now + UNSENT_WAIT,
        )  # fmt: skip


def _command(row: Any) -> Command:
    requires = tuple(
        Requirement(device, channel, Decimal(low), Decimal(high)) for device, channel, low, high in row["requires"]
    )
    return Command(**{**row, "incarnation": int(row["incarnation"]), "requires": requires})
