"""The SQL of metering, on one connection in a transaction. Devices were read through the ledger first."""

# ruff: noqa: S608 - only this file's own lists of columns are put into statements

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fleet_server.domains.metering.models import Found, Replacement, Suspicion
from fleet_server.domains.metering.readings import Reading, Way
from fleet_server.ingest.rollups import from_ms, to_ms
from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.principal import Principal

_COLUMNS = """id, version, device, channel, at, end_reading, start_reading, note, removed_serial, fitted_serial,
              withdrawn, principal, principal_name, recorded_at"""


class PostgresStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, device: str, channel: str) -> None:
        await self._connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"metering/{device}/{channel}"
        )

    async def in_force(self, device: str, channel: str) -> list[Replacement]:
        rows = await self._connection.fetch(
            f"""SELECT * FROM (SELECT DISTINCT ON (id) {_COLUMNS} FROM meter_replacement
                               WHERE device = $1 AND channel = $2 ORDER BY id, version DESC) AS newest
                WHERE NOT withdrawn ORDER BY at""",
            device, channel,
        )  # fmt: skip
        return [_replacement(row) for row in rows]

    async def in_force_of(self, devices: Sequence[str]) -> list[Replacement]:
        rows = await self._connection.fetch(
            f"""SELECT * FROM (SELECT DISTINCT ON (device, id) {_COLUMNS} FROM meter_replacement
                               WHERE device = ANY($1) ORDER BY device, id, version DESC) AS newest
                WHERE NOT withdrawn ORDER BY at""",
            devices,
        )
        return [_replacement(row) for row in rows]

    async def replacements(self, device: str, limit: int, after: UUID | None) -> list[Replacement]:
        rows = await self._connection.fetch(
            f"""SELECT {_COLUMNS} FROM (SELECT DISTINCT ON (id) *, min(row) OVER (PARTITION BY id) AS first
                                        FROM meter_replacement WHERE device = $1 ORDER BY id, version DESC) AS newest
                WHERE $3::uuid IS NULL
                   OR first < (SELECT min(row) FROM meter_replacement WHERE device = $1 AND id = $3)
                ORDER BY first DESC LIMIT $2""",
            device, limit, after,
        )  # fmt: skip
        return [_replacement(row) for row in rows]

    async def versions(self, device: str, id_: UUID) -> list[Replacement]:
        rows = await self._connection.fetch(
            f"SELECT {_COLUMNS} FROM meter_replacement WHERE device = $1 AND id = $2 ORDER BY version", device, id_
        )
        return [_replacement(row) for row in rows]

    async def add(self, replacement: Replacement) -> None:
        await self._connection.execute(
            f"""INSERT INTO meter_replacement ({_COLUMNS})
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)""",
            replacement.id, replacement.version, replacement.device, replacement.channel, replacement.at,
            replacement.end, replacement.start, replacement.note, replacement.removed_serial,
            replacement.fitted_serial, replacement.withdrawn, replacement.principal, replacement.principal_name,
            replacement.recorded_at,
        )  # fmt: skip

    async def suspicions(self, device: str | None, limit: int, before: int) -> list[Found]:
        rows = await self._connection.fetch(
            """SELECT * FROM meter_suspicion WHERE id < $3 AND ($1::text IS NULL OR device = $1)
               ORDER BY id DESC LIMIT $2""",
            device, limit, before,
        )  # fmt: skip
        return [_found(row) for row in rows]

    async def suspicions_of(self, devices: Sequence[str]) -> list[Found]:
        rows = await self._connection.fetch("SELECT * FROM meter_suspicion WHERE device = ANY($1)", devices)
        return [_found(row) for row in rows]

    async def set_suspicions(
        self, device: str, channel: str, start: int, end: int, found: Iterable[Suspicion], now: datetime
    ) -> None:
        rows = [
            (
                device, channel, str(one.way), from_ms(one.before.t), one.before.value, from_ms(one.after.t),
                one.after.value, one.replacement, now,
            )
            for one in found
        ]  # fmt: skip
        # Those found again keep their number, so that a reader of the list does not see them as new.
        await self._connection.execute(
            """DELETE FROM meter_suspicion WHERE device = $1 AND channel = $2 AND after_at >= $3 AND after_at < $4
               AND (before_at, after_at) NOT IN (SELECT * FROM unnest($5::timestamptz[], $6::timestamptz[]))""",
            device, channel, from_ms(start), from_ms(end), [row[3] for row in rows], [row[5] for row in rows],
        )  # fmt: skip
        await self._connection.executemany(
            """INSERT INTO meter_suspicion (device, channel, way, before_at, before_reading, after_at, after_reading,
                                            replacement, found_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
               ON CONFLICT (device, channel, before_at, after_at) DO UPDATE SET
                   way = $3, before_reading = $5, after_reading = $7, replacement = $8""",
            rows,
        )

    async def watched(self, devices: Sequence[str]) -> Mapping[tuple[str, str], Reading]:
        rows = await self._connection.fetch(
            "SELECT device, channel, at, reading FROM meter_watch WHERE device = ANY($1)", devices
        )
        return {(row["device"], row["channel"]): Reading(to_ms(row["at"]), row["reading"], None) for row in rows}

    async def set_watched(self, device: str, channel: str, reading: Reading) -> None:
        await self._connection.execute(
            """INSERT INTO meter_watch (device, channel, at, reading) VALUES ($1, $2, $3, $4)
               ON CONFLICT (device, channel) DO UPDATE SET at = $3, reading = $4""",
            device, channel, from_ms(reading.t), reading.value,
        )  # fmt: skip

    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        await audit.record(self._connection, principal, action, object_, detail)


def _replacement(row: Mapping[str, Any]) -> Replacement:
    values = dict(row)
    return Replacement(end=values.pop("end_reading"), start=values.pop("start_reading"), **values)


def _found(row: Mapping[str, Any]) -> Found:
    suspicion = Suspicion(
        Way(row["way"]),
        Reading(to_ms(row["before_at"]), row["before_reading"], None),
        Reading(to_ms(row["after_at"]), row["after_reading"], None),
        row["replacement"],
    )
    return Found(row["id"], row["device"], row["channel"], suspicion, row["found_at"])
