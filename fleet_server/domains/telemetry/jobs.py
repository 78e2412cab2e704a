"""What mends and tidies behind ingest. Each job works in small transactions and may be stopped between any two."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fleet_server.domains.telemetry.compact import compacted
from fleet_server.ingest import rollups, store
from fleet_server.ingest.chunks import Block, BrokenChunk, decode
from fleet_server.ingest.commit import OLDEST, chunk_rows
from fleet_server.ingest.rollups import HOUR_MS, MINUTE_MS, from_ms, to_ms
from fleet_server.ingest.samples import Collector, Samples
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Connection, Database
from protocols.edge.messages import ClockState

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
DAYS_AHEAD = 3
CLOSED_AFTER = timedelta(minutes=15)  # an hour is closed so long after its end; what comes later is merged again
KEPT_SAMPLES = 5000  # of messages that did not authenticate
PIECE = 200  # undated chunks in one transaction
AT_A_TIME = 500  # hours that one run of a job takes


async def make_partitions(context: Context) -> None:
    """Of today and the next days, so that ingest seldom has to."""
    today = context.clock.now().date()
    async with context.database.system() as connection:
        await store.make_partitions(connection, {today + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD)})


async def date_chunks(context: Context) -> None:
    """Give chunks that were taken under an unset clock their time, once a clock-fix of the same boot is there."""
    await _until_done(lambda: _date_some(context.database, context.clock.now()))


async def rebuild(context: Context) -> None:
    """Make the roll-ups of dirty hours again from the chunks."""
    await _until_done(lambda: rebuild_one(context.database))


async def compact(context: Context) -> None:
    """Merge the chunks of a device's closed hour into one row."""
    before = context.clock.now() - HOUR - CLOSED_AFTER
    async with context.database.system() as connection:
        hours = await connection.fetch(
            "SELECT device_id, bucket FROM rollup_hour WHERE loose AND bucket < $1 ORDER BY bucket LIMIT $2",
            before,
            AT_A_TIME,
        )
    for row in hours:
        try:
            await compact_hour(context.database, row["device_id"], row["bucket"])
        except BrokenChunk as error:
            log.error("device %d: the hour from %s stays as it is: %s", row["device_id"], row["bucket"], error)
            async with context.database.system() as connection:
                await _set_tight(connection, row["device_id"], row["bucket"])


async def prune(context: Context) -> None:
    """The sample of messages that did not authenticate does not grow for ever."""
    async with context.database.system() as connection:
        await connection.execute(
            "DELETE FROM quarantine WHERE NOT authentic AND id <= "
            "(SELECT id FROM quarantine WHERE NOT authentic ORDER BY id DESC OFFSET $1 LIMIT 1)",
            KEPT_SAMPLES,
        )


async def rebuild_one(database: Database) -> bool:
    """Whether there was a dirty hour."""
    async with database.system() as connection:
        dirty = await connection.fetchrow(
            "DELETE FROM dirty_bucket WHERE (device_id, bucket) IN (SELECT device_id, bucket FROM dirty_bucket "
            "ORDER BY device_id, bucket LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
        )
        if dirty is None:
            return False
        try:
            async with connection.transaction():
                await rebuild_hour(connection, dirty["device_id"], dirty["bucket"])
        except BrokenChunk as error:  # the others must not wait behind it
            log.error("device %d: the roll-ups from %s stay as they are: %s", *dirty.values(), error)
        return True


async def rebuild_hour(connection: Connection, device_id: int, hour: datetime) -> None:
    await lock_hour(connection, device_id, hour)
    samples = _samples(device_id, await _blocks(connection, device_id, hour))
    width: int = await connection.fetchval(
        "SELECT jsonb_array_length(channels) FROM stream_device WHERE id = $1", device_id
    )
    await connection.execute(
        "DELETE FROM rollup_minute WHERE device_id = $1 AND bucket >= $2 AND bucket < $3", device_id, hour, hour + HOUR
    )
    await connection.execute("DELETE FROM rollup_hour WHERE device_id = $1 AND bucket = $2", device_id, hour)
    await store.merge_rollups(
        connection,
        rollups.reduce(samples, {device_id: width}, HOUR_MS),
        rollups.reduce(samples, {device_id: width}, MINUTE_MS),
    )


async def compact_hour(database: Database, device_id: int, hour: datetime) -> None:
    """Exactly the same readings in one row. Readings that two chunks have in common stay in it twice."""
    async with database.system() as connection:
        await lock_hour(connection, device_id, hour)
        rows = await connection.fetch(
            "SELECT tableoid, ctid, t0, t1, clock, readings, body FROM chunk "
            "WHERE device_id = $1 AND t0 >= $2 AND t0 < $3 ORDER BY t0, incarnation_id, seq",
            device_id,
            hour,
            hour + HOUR,
        )
        if len(rows) > 1:
            t0, body = compacted([(to_ms(row["t0"]), row["body"]) for row in rows])
            # No other transaction touches these rows: ingest only adds, and jobs hold the hour's lock.
            await connection.execute(
                "DELETE FROM chunk WHERE device_id = $1 AND t0 >= $2 AND t0 < $3 AND "
                "(tableoid, ctid) IN (SELECT * FROM unnest($4::oid[], $5::tid[]))",
                device_id,
                hour,
                hour + HOUR,
                [row["tableoid"] for row in rows],
                [row["ctid"] for row in rows],
            )
            await connection.execute(
                "INSERT INTO chunk (device_id, t0, t1, clock, readings, body) VALUES ($1, $2, $3, $4, $5, $6)",
                device_id,
                from_ms(t0),
                max(row["t1"] for row in rows),
                min(row["clock"] for row in rows),
                sum(row["readings"] for row in rows),
                body,
            )
        await _set_tight(connection, device_id, hour)


async def _set_tight(connection: Connection, device_id: int, hour: datetime) -> None:
    await connection.execute(
        "UPDATE rollup_hour SET loose = false WHERE device_id = $1 AND bucket = $2", device_id, hour
    )


async def lock_hour(connection: Connection, device_id: int, hour: datetime) -> None:
    """Wait for ingest's commits into the hour and hold those to come; what is read behind it is complete.

    Ingest adds its chunks before it merges this row: a commit that waits here adds to the rebuilt row.
    """
    await connection.execute(
        "INSERT INTO rollup_hour VALUES ($1, $2, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', true) "
        "ON CONFLICT DO NOTHING",
        device_id,
        hour,
    )
    await connection.execute("SELECT FROM rollup_hour WHERE device_id = $1 AND bucket = $2 FOR UPDATE", device_id, hour)


async def _date_some(database: Database, now: datetime) -> bool:
    async with database.system() as connection:
        rows = await connection.fetch(_DATEABLE, PIECE)
        added: list[tuple[Any, ...]] = []
        collector = Collector()
        for row in rows:
            try:
                blocks = _dated(row, now)
            except (BrokenChunk, _Unreasonable) as error:
                log.warning("gateway %s: seq %d is not dated: %s", row["gateway"], row["seq"], error)
                await connection.execute("UPDATE undated_chunk SET boot = '' WHERE id = $1", row["id"])
                continue
            for block in blocks:
                collector.add(row["device_id"], block)
            added += chunk_rows(row["device_id"], blocks, row["incarnation_id"], row["seq"], ClockState.FREE_RUNNING)
            await connection.execute("DELETE FROM undated_chunk WHERE id = $1", row["id"])
        if added:
            await store.make_partitions(connection, {row[1].date() for row in added})
            await store.add_rows(connection, store.Rows(chunks=added))
            await _mark_dirty(connection, added)
            samples = rollups.ordered(collector.samples())
            widths = {row["device_id"]: row["width"] for row in rows}
            await store.merge_last(connection, rollups.latest(samples, widths))
        return bool(rows)


class _Unreasonable(Exception):
    """A clock-fix would give readings a time that no batch may have."""


def _dated(row: Mapping[str, Any], now: datetime) -> list[Block]:
    shift = row["utc_ms"] + row["boottime_ms"] - row["fixed_at_ms"] - row["t0"]
    blocks = decode(row["t0"], row["body"])
    for block in blocks:
        # In Python's integers: boot times are whatever a gateway says, up to 2^63.
        first, last = int(block.times[0]) + shift, int(block.times[-1]) + shift
        if first < to_ms(now - OLDEST) or last > to_ms(now + HOUR):
            raise _Unreasonable(f"its clock-fix puts it from {first} to {last} ms")
    return [Block(block.times + shift, block.columns) for block in blocks]


async def _mark_dirty(connection: Connection, chunks: Sequence[tuple[Any, ...]]) -> None:
    hours = sorted({(row[0], row[1].replace(minute=0, second=0, microsecond=0)) for row in chunks})
    await connection.execute(
        "INSERT INTO dirty_bucket SELECT * FROM unnest($1::bigint[], $2::timestamptz[]) ON CONFLICT DO NOTHING",
        [device_id for device_id, _ in hours],
        [hour for _, hour in hours],
    )


async def _blocks(connection: Connection, device_id: int, hour: datetime) -> list[Block]:
    rows = await connection.fetch(
        "SELECT t0, body FROM chunk WHERE device_id = $1 AND t0 >= $2 AND t0 < $3", device_id, hour, hour + HOUR
    )
    return [block for row in rows for block in decode(to_ms(row["t0"]), row["body"])]


def _samples(device_id: int, blocks: Sequence[Block]) -> Samples:
    collector = Collector()
    for block in blocks:
        collector.add(device_id, block)
    return rollups.ordered(collector.samples())


async def _until_done(step: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(AT_A_TIME):
        if not await step():
            return


_DATEABLE = """
SELECT u.*, f.utc_ms, f.boottime_ms AS fixed_at_ms, jsonb_array_length(d.channels) AS width
FROM undated_chunk u JOIN clock_fix f USING (gateway, boot) JOIN stream_device d ON d.id = u.device_id
ORDER BY u.id LIMIT $1 FOR UPDATE OF u SKIP LOCKED"""
