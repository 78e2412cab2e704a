"""The jobs behind ingest on a real database: what they mend is what ingest would have written."""

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet_server.domains.telemetry import jobs
from fleet_server.domains.telemetry.wiring import create_telemetry
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Database
from fleet_server.kernel.ports import Ports
from protocols.edge.messages import AckStatus, Clock, ClockState

NOW_MS = 1_772_368_200_000
HOUR_MS = 3_600_000
HOUR = NOW_MS // HOUR_MS * HOUR_MS
NUMBERS = count(1)
ROLLUPS = ("rollup_minute", "rollup_hour")


@pytest.fixture
def context(web_database: Database, hand: Any) -> Context:
    class Now:
        def now(self) -> Any:
            return hand.now

    return Context(cast("Any", None), web_database, Now(), Ports(), cast("Any", None), cast("Any", None))


async def rollups(hand: Any, device: str) -> list[dict[str, Any]]:
    """All rows of the device; sums as far as the order of addition does not show in them."""
    rows = []
    for table in ROLLUPS:
        query = f"SELECT r.* FROM {table} r JOIN stream_device d ON d.id = device_id WHERE code = $1 ORDER BY bucket"  # noqa: S608
        rows += await hand.rows(query, device)
    for row in rows:
        row.pop("loose", None)
        row["sum"] = [pytest.approx(total, rel=1e-12, abs=1e-6) for total in row["sum"]]
    return rows


async def spoil_and_mark_dirty(web_database: Database) -> None:
    async with web_database.system() as connection:
        await connection.execute("INSERT INTO dirty_bucket SELECT device_id, bucket FROM rollup_hour")
        await connection.execute("UPDATE rollup_minute SET n = '{}', last_at = '{}'")
        await connection.execute("UPDATE rollup_hour SET n = '{77}', high = '{1e9}'")


BATCH = st.tuples(
    st.integers(-120, 20),  # minutes from the hour
    st.lists(st.integers(-1000, 1000).map(lambda n: n / 8), min_size=1, max_size=5),
    st.integers(0, 10**12),
    st.sampled_from([1000, 40_000]),
    st.dictionaries(st.integers(0, 0), st.sampled_from([0x4090, 0x800A]), max_size=1),
)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_rebuilt_roll_ups_are_the_stored_ones_whatever_came_late_reordered_or_twice(
    data: Any, database_urls: Any, other_gateway: Any, hand: Any
) -> None:
    number = next(NUMBERS)  # one database for all examples, a gateway and a device for each
    device = f"DEVICE{number}"
    gateway = other_gateway(code=f"GATEWAY{number}", devices={device: ("power", "energy")})
    birth = gateway.birth()
    batches = [
        gateway.batch(
            t0=HOUR + minute * 60_000, power=power, energy=[energy + n for n in range(len(power))], step=step,
            quality=quality,
        )
        for minute, power, energy, step, quality in data.draw(st.lists(BATCH, min_size=1, max_size=8))
    ]  # fmt: skip
    sent = data.draw(st.permutations(batches + data.draw(st.lists(st.sampled_from(batches), max_size=4))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=3)))
    groups = [sent[low:high] for low, high in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    async def play() -> None:
        async with Database(database_urls.ingest) as ingest, Database(database_urls.web) as web:
            writer = type(hand)(ingest)
            await writer.commit(gateway, birth)
            for group in groups:
                await writer.commit(gateway, *group)
            stored = await rollups(writer, device)
            await spoil_and_mark_dirty(web)
            while await jobs.rebuild_one(web):
                pass
            assert await rollups(writer, device) == stored
            assert sum(row["n"][0] + row["bad"][0] for row in stored) == 2 * sum(
                len(b.groups[0].times) for b in batches
            )

    asyncio.run(play())


async def test_a_commit_into_an_hour_that_is_being_rebuilt_is_not_lost(
    hand: Any, gateway: Any, web_database: Database
) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0], t0=HOUR))
    batches = [gateway.batch(power=[float(n)], t0=HOUR + n * 1000) for n in range(1, 30)]

    async def commit_all() -> None:
        for batch in batches:
            await hand.commit(gateway, batch)

    async def rebuild_over_and_over() -> None:
        for _ in range(15):
            async with web_database.system() as connection:
                await jobs.rebuild_hour(connection, 1, from_ms(HOUR))

    await asyncio.gather(commit_all(), rebuild_over_and_over())
    (hour,) = await hand.rows("SELECT n, sum FROM rollup_hour")
    assert (hour["n"][0], hour["sum"][0]) == (30, 1.0 + sum(range(1, 30)))


async def test_a_closed_hour_becomes_one_row_and_history_says_the_same(
    hand: Any, gateway: Any, context: Context
) -> None:
    await hand.commit(gateway, gateway.birth())
    for n in range(20):
        await hand.commit(
            gateway, gateway.batch(power=[n / 4, n / 2], energy=[n, n + 1], t0=HOUR + n * 2000, quality={1: 0x4090})
        )
    telemetry = create_telemetry(context.database, context.clock)
    code = next(iter(gateway.devices))
    span = (from_ms(HOUR), from_ms(HOUR + HOUR_MS))
    before = await telemetry.history(code, (), *span, 1000)
    await jobs.compact(context)
    assert len(await hand.rows("SELECT FROM chunk")) == 20, "the hour is not closed yet"
    hand.now += timedelta(hours=2)
    await jobs.compact(context)
    (chunk,) = await hand.rows("SELECT readings, seq FROM chunk")
    assert chunk == {"readings": 80, "seq": None}
    after = await telemetry.history(code, (), *span, 1000)
    assert [(s.t, s.value, s.quality, s.text) for s in after.series] == [
        (s.t, s.value, s.quality, s.text) for s in before.series
    ]
    assert await hand.rows("SELECT FROM rollup_hour WHERE loose") == []

    late = gateway.batch(power=[9.0], energy=[9], t0=HOUR + 1_800_000)
    await hand.commit(gateway, late)
    await jobs.compact(context)
    (chunk,) = await hand.rows("SELECT readings FROM chunk")
    assert chunk["readings"] == 82


async def test_a_clock_fix_dates_what_was_taken_before_it_and_its_roll_ups_are_made(
    hand: Any, gateway: Any, context: Context
) -> None:
    gateway.clock = Clock(ClockState.UNSET)
    early = gateway.batch(power=[1.0, 2.0, 3.0], energy=[5, 6, 7], t0=40_000, boottime_ms=40_000, step=1000)
    birth = gateway.birth()
    assert await hand.commit(gateway, birth) == {2: AckStatus.STORED}
    assert await hand.commit(gateway, early) == {1: AckStatus.STORED}
    await jobs.date_chunks(context)
    assert await hand.rows("SELECT FROM chunk") == []
    gateway.clock = Clock(ClockState.SYNCHRONISED, 10)
    fixed_at, boottime = HOUR + 20_000, 60_000  # so the batch began 20 s before the fix: on the hour
    data = {"boot": bytes(range(16)), "boottime_ms": boottime, "utc_ms": fixed_at, "bound_ms": 10}
    await hand.commit(gateway, gateway.event("clock-fix", data, t=fixed_at))
    await jobs.date_chunks(context)
    assert await hand.rows("SELECT FROM undated_chunk") == []
    (chunk,) = await hand.rows("SELECT t0, t1, seq FROM chunk")
    assert chunk == {"t0": from_ms(HOUR), "t1": from_ms(HOUR + 2000), "seq": 1}
    (last,) = await hand.rows("SELECT at, mantissa FROM last_value")
    assert (last["at"][0], last["mantissa"][1]) == (HOUR + 2000, 7)
    await jobs.rebuild(context)
    (minute,) = await hand.rows("SELECT bucket, n, last FROM rollup_minute")
    assert (minute["bucket"], minute["n"], minute["last"][0]) == (from_ms(HOUR), [3, 3], 3.0)


async def test_what_a_fix_dates_across_an_hour_is_cut_at_the_hour(hand: Any, gateway: Any, context: Context) -> None:
    gateway.clock = Clock(ClockState.UNSET)
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0, 2.0], t0=0, boottime_ms=1000, step=2000))
    data = {"boot": bytes(range(16)), "boottime_ms": 2000, "utc_ms": HOUR, "bound_ms": None}
    await hand.commit(gateway, gateway.event("clock-fix", data, t=HOUR))
    await jobs.date_chunks(context)
    await jobs.rebuild(context)
    assert [row["t0"] for row in await hand.rows("SELECT t0 FROM chunk ORDER BY t0")] == [
        from_ms(HOUR - 1000), from_ms(HOUR + 1000),
    ]  # fmt: skip
    assert [row["n"] for row in await hand.rows("SELECT n FROM rollup_hour ORDER BY bucket")] == [[1, 0], [1, 0]]


async def test_partitions_of_the_next_days_are_there_before_they_are_needed(hand: Any, context: Context) -> None:
    await jobs.make_partitions(context)
    await jobs.make_partitions(context)
    names = await hand.rows("SELECT relname FROM pg_class WHERE relname ~ '^chunk_2026' AND relkind = 'r' ORDER BY 1")
    assert [row["relname"] for row in names] == ["chunk_20260228", "chunk_20260301", "chunk_20260302", "chunk_20260303"]


async def test_the_sample_of_strangers_messages_is_bounded_and_authentic_ones_stay(
    hand: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEPT_SAMPLES", 10)
    await hand.rows(
        "INSERT INTO quarantine (received_at, gateway, topic, reason, detail, size, authentic, body) "
        "SELECT now(), '', '', 'x', '', 1, n % 2 = 0, '' FROM generate_series(1, 100) n RETURNING id"
    )
    await jobs.prune(context)
    counts = await hand.rows("SELECT authentic, count(*) AS n, max(id) AS newest FROM quarantine GROUP BY 1 ORDER BY 1")
    assert [(row["authentic"], row["n"]) for row in counts] == [(False, 10), (True, 50)]
    assert counts[0]["newest"] == 99


async def test_an_hour_that_does_not_read_back_is_named_and_holds_up_no_other(
    hand: Any, gateway: Any, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    await hand.commit(gateway, gateway.birth())
    for hour in (HOUR - HOUR_MS, HOUR):
        for n in range(2):
            await hand.commit(gateway, gateway.batch(power=[1.0], t0=hour + n * 1000))
    await spoil_and_mark_dirty(context.database)
    async with context.database.system() as connection:
        (broken,) = await connection.fetch("DELETE FROM chunk WHERE seq = 2 RETURNING *")
        await connection.execute(
            "INSERT INTO chunk SELECT $1, $2, $3, $4, $5, 2, 1, '\\x77'", *list(broken.values())[:5]
        )
    await jobs.rebuild(context)
    hand.now += timedelta(hours=2)
    await jobs.compact(context)
    assert await hand.rows("SELECT bucket, n, loose FROM rollup_hour ORDER BY 1") == [
        {"bucket": from_ms(HOUR - HOUR_MS), "n": [77], "loose": False},
        {"bucket": from_ms(HOUR), "n": [2, 0], "loose": False},
    ]
    assert len(await hand.rows("SELECT FROM chunk")) == 3
    assert caplog.text.count("version 77") == 2
    await jobs.rebuild(context)
    await jobs.compact(context)
    assert caplog.text.count("version 77") == 2, "and is not tried again and again"


async def test_a_boot_time_beyond_all_reason_holds_up_the_dating_of_no_other(
    hand: Any, gateway: Any, context: Context
) -> None:
    gateway.clock = Clock(ClockState.UNSET)
    await hand.commit(gateway, gateway.birth())
    await hand.commit(gateway, gateway.batch(power=[1.0], t0=0, boottime_ms=2**63 - 1))
    await hand.commit(gateway, gateway.batch(power=[2.0], t0=0, boottime_ms=1000))
    data = {"boot": bytes(range(16)), "boottime_ms": 2000, "utc_ms": HOUR, "bound_ms": None}
    await hand.commit(gateway, gateway.event("clock-fix", data, t=HOUR))
    for _ in range(2):
        await jobs.date_chunks(context)
    assert await hand.rows("SELECT seq FROM chunk") == [{"seq": 3}]
    assert await hand.rows("SELECT seq, boot FROM undated_chunk") == [{"seq": 2, "boot": b""}]
