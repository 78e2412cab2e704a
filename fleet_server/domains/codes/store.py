"""The SQL of codes, on one connection in a transaction."""

from collections.abc import Mapping
from typing import Any

from fleet_server.domains.codes.models import Minted
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.principal import Principal


class PostgresStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def last_serial(self, kind: str, division: str, class_: str) -> int:
        last: int | None = await self._connection.fetchval(
            "SELECT last FROM code_serial WHERE kind = $1 AND division = $2 AND class = $3", kind, division, class_
        )
        return last or 0

    async def take_serial(self, kind: str, division: str, class_: str, serial: int) -> bool:
        taken = await self._connection.fetchval(
            """INSERT INTO code_serial AS s (kind, division, class, last) VALUES ($1, $2, $3, $4)
               ON CONFLICT (kind, division, class) DO UPDATE SET last = $4 WHERE s.last < $4 RETURNING last""",
            kind, division, class_, serial,
        )  # fmt: skip
        return taken is not None

    async def add(self, code: str, principal: str, minted: Minted) -> None:
        await self._connection.execute(
            "INSERT INTO minted_code (code, principal, purpose, minted_at) VALUES ($1, $2, $3, $4)",
            code, principal, minted.purpose, minted.minted_at,
        )  # fmt: skip

    async def minted(self, code: str) -> Minted | None:
        row = await self._connection.fetchrow("SELECT code, purpose, minted_at FROM minted_code WHERE code = $1", code)
        return Minted(**row) if row else None

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)
