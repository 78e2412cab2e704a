"""The ledger's SQL, on one connection in a transaction. No WHERE names a scope: row-level security does."""

# ruff: noqa: S608 - only this file's own lists of columns are put into statements

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from fleet_server.domains.ledger.models import Device, Gateway, SealedKey
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.ports import KEYS_CHANGED, LifeCycle
from fleet_server.kernel.principal import Principal

_GATEWAY = "code, name, division::text AS division, status, enrolled_at"
_DEVICE = """code, gateway, name, model, division::text AS division, mount, cell_level, cell, lat, lon, status, pinned,
             created_at"""


class PostgresStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def gateways(self, limit: int, after: str) -> list[Gateway]:
        rows = await self._connection.fetch(
            f"SELECT {_GATEWAY} FROM gateway WHERE code > $2 ORDER BY code LIMIT $1", limit, after
        )
        return [Gateway(**row) for row in rows]

    async def gateway(self, code: str, *, lock: bool = False) -> Gateway | None:
        row = await self._connection.fetchrow(
            f"SELECT {_GATEWAY} FROM gateway WHERE code = $1 {'FOR UPDATE' if lock else ''}", code
        )
        return Gateway(**row) if row else None

    async def status(self, code: str) -> LifeCycle | None:
        """Of a gateway; None if it is not enrolled. Ingest's role may ask this."""
        found: LifeCycle | None = await self._connection.fetchval("SELECT status FROM gateway WHERE code = $1", code)
        return found

    async def add_gateway(self, gateway: Gateway) -> None:
        await self._connection.execute(
            """INSERT INTO gateway (code, name, division, status, enrolled_at)
               VALUES ($1, $2, $3::text::ltree, $4, $5)""",
            gateway.code, gateway.name, gateway.division, gateway.status, gateway.enrolled_at,
        )  # fmt: skip

    async def set_gateway(self, gateway: Gateway) -> None:
        await self._connection.execute(
            "UPDATE gateway SET name = $2, division = $3::text::ltree, status = $4 WHERE code = $1",
            gateway.code, gateway.name, gateway.division, gateway.status,
        )  # fmt: skip
        await self._tell(gateway.code)

    async def keys(self, gateway: str) -> list[SealedKey]:
        """The newest first; none of a retired gateway."""
        rows = await self._connection.fetch(
            """SELECT k.key_id, k.sealed, k.created_at, k.retires_at
               FROM gateway_key k JOIN gateway g ON g.code = k.gateway
               WHERE k.gateway = $1 AND g.status <> 'retired' ORDER BY k.created_at DESC""",
            gateway,
        )
        return [SealedKey(**row) for row in rows]

    async def add_key(self, gateway: str, key: SealedKey) -> None:
        await self._connection.execute(
            "INSERT INTO gateway_key (gateway, key_id, sealed, created_at, retires_at) VALUES ($1, $2, $3, $4, $5)",
            gateway, key.key_id, key.sealed, key.created_at, key.retires_at,
        )  # fmt: skip
        await self._tell(gateway)

    async def retire_keys(self, gateway: str, at: datetime) -> None:
        await self._connection.execute(
            "UPDATE gateway_key SET retires_at = least(retires_at, $2) WHERE gateway = $1", gateway, at
        )
        await self._tell(gateway)

    async def devices(self, gateway: str | None, query: str, limit: int, after: str) -> list[Device]:
        like = "%" + re.sub(r"([\\%_])", r"\\\1", query) + "%"
        rows = await self._connection.fetch(
            f"""SELECT {_DEVICE} FROM device
                WHERE code > $2 AND ($3::text IS NULL OR gateway = $3)
                  AND ($4 = '%%' OR concat_ws(' ', code, name, model, mount) ILIKE $4)
                ORDER BY code LIMIT $1""",
            limit, after, gateway, like,
        )  # fmt: skip
        return [_device(row) for row in rows]

    async def device(self, code: str, *, lock: bool = False) -> Device | None:
        row = await self._connection.fetchrow(
            f"SELECT {_DEVICE} FROM device WHERE code = $1 {'FOR UPDATE' if lock else ''}", code
        )
        return _device(row) if row else None

    async def known(self, codes: Collection[str]) -> set[str]:
        """Those that are devices."""
        rows = await self._connection.fetch("SELECT code FROM device WHERE code = ANY($1)", list(codes))
        return {row["code"] for row in rows}

    async def devices_of(self, codes: Collection[str]) -> dict[str, Device]:
        """Locked, in order of code."""
        rows = await self._connection.fetch(
            f"SELECT {_DEVICE} FROM device WHERE code = ANY($1) ORDER BY code FOR UPDATE", list(codes)
        )
        return {row["code"]: _device(row) for row in rows}

    async def put_device(self, device: Device, now: datetime) -> None:
        await self._connection.execute(
            """INSERT INTO device (code, gateway, name, model, division, mount, cell_level, cell, lat, lon, status,
                   pinned, created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5::text::ltree, $6, $7, $8, $9, $10, $11, $12, $13, $14)
               ON CONFLICT (code) DO UPDATE SET gateway = $2, name = $3, model = $4, division = $5::text::ltree,
                   mount = $6, cell_level = $7, cell = $8, lat = $9, lon = $10, status = $11, pinned = $12,
                   updated_at = $14""",
            device.code, device.gateway, device.name, device.model, device.division, device.mount, device.cell_level,
            device.cell, device.lat, device.lon, device.status, sorted(device.pinned), device.created_at, now,
        )  # fmt: skip

    async def _tell(self, gateway: str) -> None:
        await self._connection.execute("SELECT pg_notify($1, $2)", KEYS_CHANGED, gateway)

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)


def _device(row: Any) -> Device:
    values = dict(row)
    values["cell"] = None if row["cell"] is None else int(row["cell"])
    values["pinned"] = frozenset(row["pinned"])
    return Device(**values)
