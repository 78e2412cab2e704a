"""The SQL of ingest, one set-based statement a table; all of it runs in the transaction of one group of messages."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from asyncpg import Range

from fleet_server.ingest.births import Channel, Plan, channels_of, make_plan, merge_channels
from fleet_server.ingest.cursor import Cursor
from fleet_server.ingest.rollups import LastRow, RollupRow
from fleet_server.ingest.sequences import KEPT_PAGES, Ranges, page_of
from fleet_server.kernel.database import Connection
from protocols.edge.birth import Description, decode_description

Key = tuple[str, int]  # gateway, incarnation
BirthKey = tuple[str, bytes]  # gateway, hash
WAKE = "telemetry"  # NOTIFY on it says that last values or states changed, and no more


class ForeignDevice(Exception):
    """A birth describes a device whose stream belongs to another gateway, `owner`."""

    def __init__(self, device: str, owner: str) -> None:
        super().__init__(f"device {device} belongs to gateway {owner}, which is not retired")
        self.owner = owner


@dataclass
class Rows:
    """What a group adds, in the order of the columns of the statements below."""

    chunks: list[tuple[Any, ...]] = field(default_factory=list)
    undated: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    fixes: list[tuple[Any, ...]] = field(default_factory=list)
    captures: list[tuple[Any, ...]] = field(default_factory=list)
    capture_parts: list[tuple[Any, ...]] = field(default_factory=list)
    states: list[tuple[Any, ...]] = field(default_factory=list)
    quarantine: list[tuple[Any, ...]] = field(default_factory=list)


async def lock_cursors(connection: Connection, keys: Sequence[Key], now: datetime) -> dict[Key, Cursor]:
    """The cursors of `keys`, made where absent and locked in order of (gateway, incarnation)."""
    keys = sorted(keys)
    gateways, incarnations = [gateway for gateway, _ in keys], [incarnation for _, incarnation in keys]
    rows = await connection.fetch(_LOCK_CURSORS, gateways, incarnations)
    if len(rows) < len(keys):
        await connection.execute(_MAKE_CURSORS, gateways, incarnations, now)
        rows = await connection.fetch(_LOCK_CURSORS, gateways, incarnations)
    return {(row["gateway"], int(row["incarnation"])): _cursor(row) for row in rows}


async def load_digests(connection: Connection, cursors: Iterable[Cursor], wanted: Iterable[tuple[int, int]]) -> None:
    """`wanted` are (cursor id, page)."""
    by_id = {cursor.id: cursor for cursor in cursors}
    ids, pages = _columns(sorted(set(wanted)), 2)
    for row in await connection.fetch(_LOAD_DIGESTS, ids, pages):
        by_id[row["incarnation_id"]].digests.load(row["page"], row["digests"])


async def load_plans(connection: Connection, wanted: Sequence[BirthKey]) -> dict[BirthKey, Plan]:
    """The plans of those births that are stored for their gateway and whose devices are still all its own."""
    plans = {}
    for row in await connection.fetch(_LOAD_BIRTHS, *_columns(wanted, 2)):
        description = decode_description(row["description"])
        codes = [device.code for device in description.devices]
        devices = await connection.fetch(_LOAD_DEVICES, codes, row["gateway"])
        if len(devices) == len(codes):
            known = {device["code"]: (device["id"], device["channels"]) for device in devices}
            plans[row["gateway"], row["hash"]] = make_plan(description, known)
    return plans


async def apply_birth(
    connection: Connection,
    gateway: str,
    name: bytes,
    encoded: bytes,
    description: Description,
    now: datetime,
    heirless: Container[str],
) -> Plan:
    """Give the birth's devices and channels their places; those of a gateway in `heirless` are taken over.

    Raises ForeignDevice for a device of any other gateway, and has then changed nothing.
    """
    codes = sorted(device.code for device in description.devices)
    born = channels_of(description)
    async with connection.transaction():
        await connection.execute(_MAKE_DEVICES, codes, gateway)
        devices: dict[str, tuple[int, list[Channel]]] = {}
        for row in await connection.fetch(_LOCK_DEVICES, codes):
            if row["gateway"] != gateway and row["gateway"] not in heirless:
                raise ForeignDevice(row["code"], row["gateway"])
            channels = merge_channels(row["channels"], born[row["code"]])
            if channels != row["channels"] or row["gateway"] != gateway:
                await connection.execute(_SET_DEVICE, row["id"], gateway, channels)
            devices[row["code"]] = (row["id"], channels)
        await connection.execute("INSERT INTO birth VALUES ($1, $2) ON CONFLICT DO NOTHING", name, encoded)
        await connection.execute(
            "INSERT INTO gateway_birth VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", gateway, name, now
        )
    return make_plan(description, devices)


async def make_partitions(connection: Connection, days: Iterable[date]) -> None:
    for day in sorted(days):
        await connection.execute("SELECT chunk_partition($1)", day)


async def add_rows(connection: Connection, rows: Rows) -> None:
    """All but states, which have a rule of their own."""
    for statement, added, width in (
        (_ADD_CHUNKS, rows.chunks, 8),
        (_ADD_UNDATED, rows.undated, 9),
        (_ADD_EVENTS, rows.events, 10),
        (_ADD_FIXES, rows.fixes, 5),
        (_ADD_CAPTURES, rows.captures, 12),
        (_ADD_CAPTURE_PARTS, rows.capture_parts, 8),
        (_ADD_QUARANTINE, rows.quarantine, 10),
    ):
        if added:
            await connection.execute(statement, *_columns(added, width))


async def merge_rollups(connection: Connection, hours: list[RollupRow], minutes: list[RollupRow]) -> None:
    """Hours first: their rows are the lock that a rebuild of the hour takes before it reads the chunks."""
    if hours:
        await connection.execute(MERGE_HOURS, hours)
        await connection.execute(MERGE_MINUTES, minutes)


async def merge_last(connection: Connection, rows: list[LastRow]) -> None:
    if rows:
        await connection.execute(MERGE_LAST, rows)


async def merge_states(connection: Connection, rows: list[tuple[Any, ...]]) -> int:
    """Newest wins: of a later incarnation, else of a later connection, else of a higher number. Gives how many did."""
    if not rows:
        return 0
    return len(await connection.fetch(_MERGE_STATES, *_columns(rows, 8)))


async def save_cursors(connection: Connection, cursors: Iterable[Cursor], now: datetime) -> None:
    rows, pages, stale = [], [], []
    for cursor in cursors:
        received = [Range(low, high + 1) for low, high in cursor.received]
        dropped = {cause: list(ranges) for cause, ranges in cursor.dropped.items()}
        rows.append((cursor.id, now, received, dropped, cursor.first_kept, cursor.next_seq,
                     cursor.stored, cursor.repeats, cursor.forks, cursor.quarantined))  # fmt: skip
        pages += [(cursor.id, page, cursor.digests.page(page)) for page in sorted(cursor.digests.changed)]
        oldest = page_of(cursor.received.highest) - KEPT_PAGES
        if oldest >= 0 and page_of(cursor.received.highest) in cursor.digests.fresh:
            stale.append((cursor.id, oldest))
    await connection.executemany(_SAVE_CURSOR, rows)
    if pages:
        await connection.execute(_SAVE_DIGESTS, *_columns(pages, 3))
    if stale:
        await connection.execute(_DROP_DIGESTS, *_columns(stale, 2))


async def kept_bytes(connection: Connection, gateway: str) -> int:
    """How much of the quarantine's room for authentic messages the gateway fills."""
    size: int = await connection.fetchval(
        "SELECT coalesce(sum(size), 0)::bigint FROM quarantine WHERE gateway = $1 AND authentic", gateway
    )
    return size


async def is_kept(connection: Connection, cursor: Cursor, seq: int, reason: str) -> bool:
    kept: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM quarantine WHERE gateway = $1 AND authentic AND incarnation_id = $2 "
        "AND seq = $3 AND reason = $4)",
        cursor.gateway,
        cursor.id,
        seq,
        reason,
    )
    return kept


async def save_counts(
    connection: Connection, process: object, now: datetime, seconds: float, counts: Mapping[str, int]
) -> None:
    names = sorted(counts)
    await connection.execute(_ADD_COUNTS, names, [counts[name] for name in names])
    batches, readings = counts.get("stored:data", 0), counts.get("readings", 0)
    await connection.execute(_ADD_RATE, process, now, seconds, batches, readings)
    await connection.execute("DELETE FROM ingest_rate WHERE at < $1::timestamptz - interval '1 hour'", now)


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


def _cursor(row: Mapping[str, Any]) -> Cursor:
    return Cursor(
        id=row["id"],
        gateway=row["gateway"],
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


def read_ranges(multirange: Iterable["Range[int]"]) -> Ranges:
    """PostgreSQL gives discrete ranges as [lower, upper)."""
    return Ranges((part.lower, part.upper - 1) for part in multirange)


_LOCK_CURSORS = """
SELECT c.* FROM gateway_incarnation c JOIN unnest($1::text[], $2::numeric[]) AS k (gateway, incarnation)
    USING (gateway, incarnation)
ORDER BY c.gateway, c.incarnation FOR UPDATE OF c"""

_MAKE_CURSORS = """
INSERT INTO gateway_incarnation (gateway, incarnation, first_seen, last_seen)
SELECT gateway, incarnation, $3, $3 FROM unnest($1::text[], $2::numeric[]) AS k (gateway, incarnation)
ORDER BY gateway, incarnation
ON CONFLICT DO NOTHING"""

_LOAD_DIGESTS = """
SELECT d.* FROM seq_digest d JOIN unnest($1::bigint[], $2::bigint[]) AS k (incarnation_id, page)
    USING (incarnation_id, page)"""

_LOAD_BIRTHS = """
SELECT gateway, hash, description FROM gateway_birth JOIN birth USING (hash)
    JOIN unnest($1::text[], $2::bytea[]) AS k (gateway, hash) USING (gateway, hash)"""

_LOAD_DEVICES = "SELECT id, code, channels FROM stream_device WHERE code = ANY($1) AND gateway = $2"

_MAKE_DEVICES = """
INSERT INTO stream_device (code, gateway) SELECT code, $2 FROM unnest($1::text[]) AS k (code) ORDER BY code
ON CONFLICT DO NOTHING"""

_LOCK_DEVICES = "SELECT * FROM stream_device WHERE code = ANY($1) ORDER BY code FOR UPDATE"

_SET_DEVICE = "UPDATE stream_device SET gateway = $2, channels = $3 WHERE id = $1"

_ADD_CHUNKS = """
INSERT INTO chunk (device_id, t0, t1, incarnation_id, seq, clock, readings, body)
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::smallint[],
                     $7::integer[], $8::bytea[])"""

_ADD_UNDATED = """
INSERT INTO undated_chunk (device_id, gateway, boot, boottime_ms, t0, incarnation_id, seq, readings, body)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::integer[], $9::bytea[])"""

_ADD_EVENTS = """
INSERT INTO gateway_event (gateway, incarnation_id, seq, kind, source, t, clock, severity, data, received_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::smallint[],
                     $8::smallint[], $9::jsonb[], $10::timestamptz[])"""

# Of two fixes of one boot the one with the smaller bound is the better.
_ADD_FIXES = """
INSERT INTO clock_fix AS f (gateway, boot, boottime_ms, utc_ms, bound_ms)
SELECT DISTINCT ON (gateway, boot) * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS k (gateway, boot, boottime_ms, utc_ms, bound_ms)
ORDER BY gateway, boot, bound_ms NULLS LAST
ON CONFLICT (gateway, boot) DO UPDATE
    SET boottime_ms = excluded.boottime_ms, utc_ms = excluded.utc_ms, bound_ms = excluded.bound_ms
    WHERE excluded.bound_ms < coalesce(f.bound_ms, 9223372036854775807)"""

# The first part to come says what they share. Its gateway's cursor is locked, so nobody else adds the same one.
_ADD_CAPTURES = """
INSERT INTO capture (device_id, name, gateway, boot, boottime_ms, clock, t0, rule, fired, period, parts, received_at)
SELECT DISTINCT ON (device_id, name) *
FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[], $5::bigint[], $6::smallint[], $7::bigint[], $8::text[],
            $9::bigint[], $10::bigint[], $11::smallint[], $12::timestamptz[])
    AS k (device_id, name, gateway, boot, boottime_ms, clock, t0, rule, fired, period, parts, received_at)
ORDER BY device_id, name
ON CONFLICT (device_id, name) DO NOTHING"""

_ADD_CAPTURE_PARTS = """
INSERT INTO capture_part (capture_id, part, ending, incarnation_id, seq, readings, body)
SELECT c.id, k.part, k.ending, k.incarnation_id, k.seq, k.readings, k.body
FROM unnest($1::bigint[], $2::bytea[], $3::smallint[], $4::smallint[], $5::bigint[], $6::bigint[], $7::integer[],
            $8::bytea[]) AS k (device_id, name, part, ending, incarnation_id, seq, readings, body)
JOIN capture c USING (device_id, name)"""

_ADD_QUARANTINE = """
INSERT INTO quarantine (received_at, gateway, topic, reason, detail, size, authentic, incarnation_id, seq, body)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::boolean[],
                     $8::bigint[], $9::bigint[], $10::bytea[])"""

_MERGE_STATES = """
INSERT INTO gateway_state AS s (gateway, incarnation_id, connection, number, online, since, received_at, state)
SELECT DISTINCT ON (k.gateway) k.*
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::timestamptz[],
                $7::timestamptz[], $8::jsonb[])
        AS k (gateway, incarnation_id, connection, number, online, since, received_at, state)
    ORDER BY k.gateway, k.incarnation_id DESC, k.connection DESC, k.number DESC
ON CONFLICT (gateway) DO UPDATE SET
    incarnation_id = excluded.incarnation_id, connection = excluded.connection, number = excluded.number,
    online = excluded.online, received_at = excluded.received_at,
    -- A will was written when its connection began: the configuration may have changed since.
    state = CASE WHEN excluded.online THEN excluded.state
                 ELSE excluded.state || jsonb_build_object('configuration', s.state->'configuration') END,
    since = CASE WHEN s.online = excluded.online AND s.connection = excluded.connection THEN s.since
                 ELSE excluded.since END
WHERE (excluded.incarnation_id, excluded.connection, excluded.number) > (s.incarnation_id, s.connection, s.number)
RETURNING gateway"""

_SAVE_CURSOR = """
UPDATE gateway_incarnation SET last_seen = $2, received = $3, dropped = $4, first_kept = $5, next_seq = $6,
    stored = $7, repeats = $8, forks = $9, quarantined = $10
WHERE id = $1"""

_SAVE_DIGESTS = """
INSERT INTO seq_digest SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (incarnation_id, page) DO UPDATE SET digests = excluded.digests"""

_DROP_DIGESTS = """
DELETE FROM seq_digest d USING unnest($1::bigint[], $2::bigint[]) AS k (incarnation_id, oldest)
WHERE d.incarnation_id = k.incarnation_id AND d.page < k.oldest"""

_ADD_COUNTS = """
INSERT INTO ingest_count AS c SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (name) DO UPDATE SET count = c.count + excluded.count"""

# A clock that was set back may tell the same time twice.
_ADD_RATE = """
INSERT INTO ingest_rate AS r VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (at, process) DO UPDATE SET seconds = r.seconds + excluded.seconds,
    batches = r.batches + excluded.batches, readings = r.readings + excluded.readings"""

# Arrays are merged place by place. unnest gives the places in order and fills the shorter arrays with NULL, so a device
# that got channels since the row was made needs no case of its own.
_MERGE_PLACES = """
SELECT array_agg(coalesce(n, 0) + coalesce(n2, 0)),
    array_agg(coalesce(sum, 0) + coalesce(sum2, 0)),
    array_agg(least(low, low2)),
    array_agg(greatest(high, high2)),
    array_agg(CASE WHEN newer THEN last_at2 ELSE last_at END),
    array_agg(CASE WHEN newer THEN last2 ELSE last END),
    array_agg(CASE WHEN newer THEN mantissa2 ELSE mantissa END),
    array_agg(CASE WHEN newer THEN scale2 ELSE scale END),
    array_agg(coalesce(bad, 0) + coalesce(bad2, 0))
FROM (
    SELECT *, last_at2 IS NOT NULL AND (last_at IS NULL OR (last_at2, last2) > (last_at, last)) AS newer
    FROM unnest(r.n, r.sum, r.low, r.high, r.last_at, r.last, r.mantissa, r.scale, r.bad,
                excluded.n, excluded.sum, excluded.low, excluded.high, excluded.last_at, excluded.last,
                excluded.mantissa, excluded.scale, excluded.bad)
        AS p (n, sum, low, high, last_at, last, mantissa, scale, bad,
              n2, sum2, low2, high2, last_at2, last2, mantissa2, scale2, bad2)
) AS places"""

_COLUMNS = "n, sum, low, high, last_at, last, mantissa, scale, bad"

MERGE_MINUTES = f"""
INSERT INTO rollup_minute AS r (device_id, bucket, {_COLUMNS})
SELECT device_id, bucket, {_COLUMNS} FROM unnest($1::rollup_minute[])
ON CONFLICT (device_id, bucket) DO UPDATE SET ({_COLUMNS}) = ({_MERGE_PLACES})"""  # noqa: S608

MERGE_HOURS = f"""
INSERT INTO rollup_hour AS r (device_id, bucket, {_COLUMNS}, loose)
SELECT device_id, bucket, {_COLUMNS}, true FROM unnest($1::rollup_minute[])
ON CONFLICT (device_id, bucket) DO UPDATE SET loose = true, ({_COLUMNS}) = ({_MERGE_PLACES})"""  # noqa: S608

MERGE_LAST = """
INSERT INTO last_value AS r (device_id, at, value, mantissa, scale, quality)
SELECT * FROM unnest($1::last_value[])
ON CONFLICT (device_id) DO UPDATE SET (at, value, mantissa, scale, quality) = (
    SELECT array_agg(CASE WHEN newer THEN at2 ELSE at END),
        array_agg(CASE WHEN newer THEN value2 ELSE value END),
        array_agg(CASE WHEN newer THEN mantissa2 ELSE mantissa END),
        array_agg(CASE WHEN newer THEN scale2 ELSE scale END),
        array_agg(CASE WHEN newer THEN quality2 ELSE quality END)
    FROM (
        SELECT *, at2 IS NOT NULL AND (at IS NULL OR
            (at2, coalesce(value2, '-Infinity'), quality2) > (at, coalesce(value, '-Infinity'), quality)) AS newer
        FROM unnest(r.at, r.value, r.mantissa, r.scale, r.quality,
                    excluded.at, excluded.value, excluded.mantissa, excluded.scale, excluded.quality)
            AS p (at, value, mantissa, scale, quality, at2, value2, mantissa2, scale2, quality2)
    ) AS places)"""
