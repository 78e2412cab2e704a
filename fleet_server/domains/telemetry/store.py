"""The SQL of telemetry's questions. Codes were read through the ledger before they come here."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleet_server.domains.telemetry.models import CursorView, Last, Stream, from_ms
from fleet_server.domains.telemetry.series import Chunk
from fleet_server.ingest.rollups import to_ms
from fleet_server.ingest.sequences import Ranges
from fleet_server.ingest.store import read_ranges
from fleet_server.kernel.database import Connection
from fleet_server.kernel.ports import ConfigurationNow, DeviceHealthNow, GatewayNow, QuarantineItem, Rates, Resolution

SAMPLE = 256  # bytes of a quarantined message that are shown
RATE_WINDOW = timedelta(seconds=10)
HOUR = timedelta(hours=1)


class TelemetryStore:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def streams(self, codes: Sequence[str]) -> list[Stream]:
        rows = await self._connection.fetch("SELECT id, code, channels FROM stream_device WHERE code = ANY($1)", codes)
        return [Stream(row["id"], row["code"], row["channels"]) for row in rows]

    async def last(self, ids: Sequence[int]) -> dict[int, Last]:
        rows = await self._connection.fetch("SELECT * FROM last_value WHERE device_id = ANY($1)", ids)
        return {
            row["device_id"]: Last(row["at"], row["value"], row["mantissa"], row["scale"], row["quality"])
            for row in rows
        }

    async def count_readings(self, device_id: int, start: datetime, end: datetime) -> int:
        count: int = await self._connection.fetchval(
            "SELECT coalesce(sum(readings), 0) FROM chunk WHERE device_id = $1 AND t0 >= $2 AND t0 < $3",
            device_id,
            hour_of(start),
            end,
        )
        return count

    async def chunks(self, device_id: int, start: datetime, end: datetime) -> list[Chunk]:
        """All that overlaps [start, end); a chunk lies within one hour, so none begins more than an hour before."""
        rows = await self._connection.fetch(
            "SELECT t0, body FROM chunk WHERE device_id = $1 AND t0 >= $2 AND t0 < $3 AND t1 >= $4 ORDER BY t0",
            device_id,
            hour_of(start),
            end,
            start,
        )
        return [(to_ms(row["t0"]), row["body"]) for row in rows]

    async def next_chunk(self, device_id: int, start: datetime, end: datetime) -> datetime | None:
        found: datetime | None = await self._connection.fetchval(
            "SELECT t0 FROM chunk WHERE device_id = $1 AND t0 >= $2 AND t0 < $3 ORDER BY t0 LIMIT 1",
            device_id,
            start,
            end,
        )
        return found

    async def chunk_before(self, device_id: int, end: datetime) -> datetime | None:
        found: datetime | None = await self._connection.fetchval(
            "SELECT t0 FROM chunk WHERE device_id = $1 AND t0 < $2 ORDER BY t0 DESC LIMIT 1", device_id, end
        )
        return found

    async def rollups(
        self, resolution: Resolution, device_id: int, start: datetime, end: datetime
    ) -> list[Mapping[str, Any]]:
        """In order of bucket, each with its beginning as `t` in ms."""
        table = {"minute": "rollup_minute", "hour": "rollup_hour"}[resolution]
        rows = await self._connection.fetch(
            "SELECT (extract(epoch FROM bucket) * 1000)::bigint AS t, n, sum, low, high, last, mantissa, scale, bad "  # noqa: S608
            f"FROM {table} WHERE device_id = $1 AND bucket >= date_trunc($4, $2::timestamptz, 'UTC') AND bucket < $3 "
            "ORDER BY bucket",
            device_id,
            start,
            end,
            resolution,
        )
        return list(rows)

    async def counter_ends(
        self, resolution: Resolution, places: Sequence[tuple[int, int, datetime, datetime]]
    ) -> list[Mapping[str, Any]]:
        """Of (device id, index, start, end): columns over the buckets that had a decimal, by `place` in `places`."""
        table = {"minute": "rollup_minute", "hour": "rollup_hour"}[resolution]
        ids, indexes, starts, ends = zip(*places, strict=True)
        # A list's place n is the array's place n + 1. Aggregated here: a row a bucket would cost several times as much.
        rows = await self._connection.fetch(
            f"""SELECT w.place - 1 AS place, array_agg(r.last_at[w.i] ORDER BY r.bucket) AS t,
                    array_agg(r.mantissa[w.i] ORDER BY r.bucket) AS mantissa,
                    array_agg(r.scale[w.i] ORDER BY r.bucket) AS scale,
                    array_agg(r.last[w.i] ORDER BY r.bucket) AS last,
                    array_agg(r.low[w.i] ORDER BY r.bucket) AS low, array_agg(r.high[w.i] ORDER BY r.bucket) AS high
                FROM unnest($1::bigint[], $2::integer[], $3::timestamptz[], $4::timestamptz[])
                    WITH ORDINALITY AS w(device_id, i, since, until, place)
                JOIN {table} r ON r.device_id = w.device_id AND r.bucket >= w.since AND r.bucket < w.until
                WHERE r.mantissa[w.i] IS NOT NULL GROUP BY w.place""",  # noqa: S608
            ids, [index + 1 for index in indexes], starts, ends,
        )  # fmt: skip
        return list(rows)

    async def gateways(self, codes: Sequence[str]) -> dict[str, GatewayNow]:
        rows = await self._connection.fetch(_GATEWAYS, codes)
        return {row["gateway"]: _gateway_now(row) for row in rows}

    async def cursors(self, gateway: str) -> list[CursorView]:
        """The newest incarnation first."""
        rows = await self._connection.fetch(
            "SELECT * FROM gateway_incarnation WHERE gateway = $1 ORDER BY id DESC LIMIT 100", gateway
        )
        return [
            CursorView(
                incarnation=int(row["incarnation"]),
                first_seen=row["first_seen"],
                received=read_ranges(row["received"]),
                dropped={cause: Ranges(map(tuple, ranges)) for cause, ranges in row["dropped"].items()},
                first_kept=row["first_kept"],
                next_seq=row["next_seq"],
                stored=row["stored"],
                repeats=row["repeats"],
                forks=row["forks"],
                quarantined=row["quarantined"],
            )
            for row in rows
        ]

    async def stored_twice(self, gateway: str, since: datetime) -> int:
        """Chunks that stand twice, counted where they lie: those since then that are not yet merged into an hour."""
        count: int = await self._connection.fetchval(_STORED_TWICE, gateway, since)
        return count

    async def rates(self, now: datetime) -> Rates:
        row = await self._connection.fetchrow(_RATES, now - RATE_WINDOW)
        assert row is not None  # noqa: S101  # an aggregate without GROUP BY
        window = RATE_WINDOW.total_seconds()
        return Rates(row["batches"] / window, row["readings"] / window, row["last_batch_at"])

    async def counts(self) -> dict[str, int]:
        rows = await self._connection.fetch("SELECT name, count FROM ingest_count ORDER BY name")
        return {row["name"]: row["count"] for row in rows}

    async def quarantine(
        self, limit: int, before: int | None, gateways: Collection[str] | None
    ) -> list[QuarantineItem]:
        rows = await self._connection.fetch(
            "SELECT id, received_at, gateway, topic, reason, detail, size, substring(body FOR $3) AS sample "
            "FROM quarantine WHERE id < $2 AND ($4::text[] IS NULL OR gateway = ANY($4)) ORDER BY id DESC LIMIT $1",
            limit,
            before if before is not None else 2**63 - 1,
            SAMPLE,
            None if gateways is None else list(gateways),
        )
        return [QuarantineItem(**row) for row in rows]

    async def description(self, digest: bytes) -> bytes | None:
        found: bytes | None = await self._connection.fetchval("SELECT description FROM birth WHERE hash = $1", digest)
        return found


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _gateway_now(row: Mapping[str, Any]) -> GatewayNow:
    state = row["state"] or {}
    return GatewayNow(
        code=row["gateway"],
        online=bool(row["online"]),
        since=row["since"],
        connection=row["connection"] or 0,
        clock_state=state.get("clock", "unset"),
        clock_bound_ms=state.get("clock_bound_ms"),
        version=state.get("version", ""),
        spool_bytes=state.get("spool_bytes", 0),
        spool_quota=state.get("spool_quota", 0),
        last_seen=row["last_seen"],
        devices=tuple(
            DeviceHealthNow(code, reachable, from_ms(since), detail)
            for code, reachable, since, detail in state.get("devices", ())
        ),
        incarnation=None if row["incarnation"] is None else int(row["incarnation"]),
        configuration=ConfigurationNow(*told) if (told := state.get("configuration")) else None,
    )


_GATEWAYS = """
SELECT c.gateway, s.online, s.since, s.connection, s.state, c.last_seen, i.incarnation
FROM (SELECT gateway, max(last_seen) AS last_seen FROM gateway_incarnation WHERE gateway = ANY($1) GROUP BY gateway) c
LEFT JOIN gateway_state s USING (gateway) LEFT JOIN gateway_incarnation i ON i.id = s.incarnation_id"""

_STORED_TWICE = """
SELECT coalesce(sum(copies - 1), 0)::bigint FROM (
    SELECT count(*) AS copies FROM chunk
    WHERE device_id IN (SELECT id FROM stream_device WHERE gateway = $1) AND t0 >= $2 AND seq IS NOT NULL
    GROUP BY device_id, incarnation_id, seq, t0 HAVING count(*) > 1) AS repeated"""

_RATES = """
SELECT coalesce(sum(batches) FILTER (WHERE at > $1), 0)::bigint AS batches,
    coalesce(sum(readings) FILTER (WHERE at > $1), 0)::bigint AS readings,
    max(at) FILTER (WHERE batches > 0) AS last_batch_at
FROM ingest_rate"""
