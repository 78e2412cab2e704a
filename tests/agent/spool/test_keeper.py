"""The spool under what happens to gateways: killed at any moment, a disk that refuses, a file that was damaged."""

import asyncio
import gc
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from agent.spool import DiskRefused, Spool, SpoolInUse, SpoolRefused, keeper
from agent.spool.store import Store
from protocols.edge.columns import F32LE, Column, Group
from protocols.edge.messages import Batch, DropCause, Event, decode
from protocols.errors import LocalProtocolError
from protocols.quality import Quality
from tests.agent.spool.messages import acknowledge, batch, birth, event, origin

QUOTA = 64 << 20
ROOT = Path(__file__).parents[3]


def test_what_was_committed_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    seed = random.Random(20)
    promised: dict[int, int] = {}
    incarnations = set()
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("hammer.py")), str(tmp_path)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(seed.uniform(0, 0.25))  # any moment will do: that is the point
            child.send_signal(signal.SIGKILL)
            said = first + child.stdout.read()
        for line in said.splitlines():
            incarnation, seq, number = line.split()
            incarnations.add(incarnation)
            assert int(seq) not in promised, "a seq was given twice"
            promised[int(seq)] = int(number)
    store = Store(tmp_path / "spool.db", QUOTA)
    kept = {row.seq: row.payload for row in store.read(0, 1 << 30)}
    store.close()
    assert len(incarnations) == 1
    assert len(promised) > 50
    assert promised.keys() <= kept.keys()
    events = {seq: decode(kept[seq]) for seq in promised}
    assert all(one.data["number"] == promised[seq] for seq, one in events.items() if isinstance(one, Event))


async def test_messages_put_at_once_share_a_commit_and_an_urgent_one_does_not_wait(tmp_path: Path) -> None:
    commits = []
    async with Spool(tmp_path / "spool.db", QUOTA, group_s=30.0) as spool:
        spool.on_commit(lambda: commits.append(spool.snapshot.next_seq))
        waiting = [spool.submit(batch(number)) for number in range(20)]
        assert await spool.put(event(0), urgent=True) == 21
        assert [await one for one in waiting] == list(range(1, 21))
    assert commits == [22]


async def test_leaving_commits_what_waits(tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", QUOTA, group_s=30.0) as spool:
        waiting = spool.submit(batch(1))
    assert await waiting == 1
    with pytest.raises(SpoolRefused):
        await spool.put(batch(2))


async def test_one_message_that_cannot_be_sent_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = batch(1)
    bad.groups[0].columns[0].present[:] = False
    async with Spool(tmp_path / "spool.db", QUOTA) as spool:
        waiting = [spool.submit(message) for message in (batch(1), bad, batch(2))]
        assert await waiting[0] == 1
        with pytest.raises(LocalProtocolError):
            await waiting[1]
        assert await waiting[2] == 2


async def test_a_second_process_is_told_that_the_spool_is_in_use(tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", QUOTA) as spool:
        await spool.put(event(1), urgent=True)
        with pytest.raises(SpoolInUse):
            await Spool(tmp_path / "spool.db", QUOTA).__aenter__()


async def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DiskRefused):
        await Spool(tmp_path / "nowhere" / "spool.db", QUOTA).__aenter__()


@contextmanager
def full_disk() -> Iterator[None]:
    """This process writes to no file beyond its first page: the disk takes nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_while_the_disk_refuses_messages_wait_in_memory_and_are_spooled_when_it_takes_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "spool.db"
    async with Spool(path, QUOTA, retry_s=0.05) as spool:
        await spool.put(event(0), urgent=True)
        with full_disk():
            waiting = [spool.submit(batch(number, values=3000)) for number in range(5)]
            await until_refused(spool)
            assert not any(one.done() for one in waiting)
            with pytest.raises(SpoolRefused):
                await spool.begin_command(bytes(16), b"intent", 0)
            assert len(await spool.read(0, 1000)) == 1
        assert [await one for one in waiting] == [2, 3, 4, 5, 6]
        assert spool.refused is None
        assert spool.snapshot.dropped == ()


async def until_refused(spool: Spool) -> None:
    async with asyncio.timeout(10):
        while spool.refused is None:  # noqa: ASYNC110 (the disk's refusal has no event)
            await asyncio.sleep(0.005)


async def test_beyond_the_memory_the_oldest_data_is_dropped_and_declared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "spool.db"
    async with Spool(path, QUOTA, retry_s=0.05, memory=100_000) as spool:
        await spool.put(event(0), urgent=True)
        with full_disk():
            alarm = spool.submit(event(1), urgent=True)
            waiting = [spool.submit(batch(number, values=5000)) for number in range(12)]
            await until_refused(spool)
            waiting += [spool.submit(batch(number, values=5000)) for number in range(12, 20)]
            refused = [one for one in waiting if isinstance(await settled(one), SpoolRefused)]
            assert refused == waiting[: len(refused)]
            assert 12 <= len(refused) < 20
        seqs = [await alarm, *[await one for one in waiting[len(refused) :]]]
        await spool.put(event(2), urgent=True)
        snapshot = spool.snapshot
        assert sum(one.last - one.first + 1 for one in snapshot.dropped) == len(refused)
        assert {one.cause for one in snapshot.dropped} == {DropCause.DISK}
        assert snapshot.counters.dropped_disk == len(refused)
        declared = {seq for one in snapshot.dropped for seq in range(one.first, one.last + 1)}
        assert not declared & set(seqs)
        kept = {row.seq for row in await spool.read(0, 1 << 30)}
        assert set(seqs) <= kept
        assert kept | declared == set(range(1, snapshot.next_seq))


def failed(ticks: int, channels: int = 40) -> Batch:
    """What a gateway tells of dead devices: no value, and at each tick the reason."""
    columns = [
        Column(alias, F32LE, np.zeros(0, np.float32), np.zeros(ticks, bool), 0, quality)
        for alias in range(channels)
        for quality in [{tick: int(Quality.BAD_TIMEOUT) for tick in range(ticks)}]
    ]
    return Batch(origin(), bytes(32), 1_700_000_000_000, (Group(np.arange(ticks, dtype=np.int64), tuple(columns)),))


@pytest.mark.parametrize("ticks", [1, 7, 100])
async def test_while_the_disk_refuses_no_more_memory_is_taken_than_is_allowed(
    ticks: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path, allowed, count = tmp_path / "spool.db", 1 << 20, 300 // ticks + 60
    async with Spool(path, QUOTA, retry_s=0.05, memory=allowed) as spool:
        await spool.put(event(0), urgent=True)
        with full_disk():
            first = spool.submit(event(1), urgent=True)
            await until_refused(spool)
            gc.collect()
            tracemalloc.start()
            try:
                waiting = []
                for _ in range(count):
                    waiting.append(spool.submit(failed(ticks)))
                    await asyncio.sleep(0)
                gc.collect()
                taken = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            assert taken < 1.2 * allowed + 1000 * count  # and the futures held here
            assert spool.waiting == count + 1
        await first
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await spool.put(event(2), urgent=True)
        refused = sum(isinstance(one, SpoolRefused) for one in outcomes)
        assert spool.snapshot.counters.dropped_disk == refused > count // 2


async def test_leaving_while_the_disk_refuses_says_how_much_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "spool.db"
    spool = await Spool(path, QUOTA, retry_s=30, memory=100_000).__aenter__()
    await spool.put(event(0), urgent=True)
    with full_disk():
        waiting = [spool.submit(batch(number, values=5000), urgent=number == 5) for number in range(20)]
        await until_refused(spool)
        with pytest.raises(DiskRefused, match="; 20 messages were not on disk and are lost"):
            await spool.__aexit__(None, None, None)
    assert all(isinstance(one.exception(), SpoolRefused) for one in waiting)


async def test_a_disk_that_never_answers_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "STOP_S", 0.2)
    spool = await Spool(tmp_path / "spool.db", QUOTA).__aenter__()
    answers, asked = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_: Store) -> None:
        loop.call_soon_threadsafe(asked.set)
        answers.wait()

    hanging = spool._keeper.hand_over(keeper.Job(hang, spool._keeper.future()))
    await asked.wait()
    waiting = [spool.submit(event(number), urgent=True) for number in range(3)]
    with pytest.raises(DiskRefused, match=r"has not answered for 0\.2 s; 3 messages were not on disk"):
        await spool.__aexit__(None, None, None)
    answers.set()
    await hanging
    assert [await one for one in waiting] == [1, 2, 3]


async def test_a_file_removed_under_us_is_begun_anew_and_takes_nothing_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    folder, told = tmp_path / "data", list[str]()
    folder.mkdir()
    async with Spool(folder / "spool.db", QUOTA, retry_s=0.05) as spool:
        spool.on_recovered(told.append)
        await spool.put(event(0), urgent=True)
        old = spool.snapshot.incarnation
        shutil.rmtree(folder)
        waiting = spool.submit(event(1), urgent=True)
        await until_refused(spool)
        assert not waiting.done()
        folder.mkdir()
        assert await waiting == 1
        assert spool.snapshot.incarnation != old
        assert spool.snapshot.counters.put == 2
    assert told == ["the spool's file was removed or replaced"]
    async with Spool(folder / "spool.db", QUOTA) as spool:
        assert [row.seq for row in await spool.read(0, 1 << 20)] == [1]


async def settled(future: "asyncio.Future[int]") -> BaseException | None:
    """How a future ended, or None if it has not, after what is under way has been told."""
    await asyncio.sleep(0)
    return future.exception() if future.done() else None


def grown(folder: Path, rows: int = 30) -> Path:
    """A spool with some rows in the file proper and some only in its log, as a kill leaves it."""
    path = folder / "spool.db"
    script = (
        "import asyncio, os, sys; from pathlib import Path; from agent.spool.store import Store;"
        "from tests.agent.spool.messages import *\n"
        "store = Store(Path(sys.argv[1]), 1 << 26)\n"
        f"for number in range({rows}):\n"
        "    with store.transaction(): store.put(batch(number, values=400), False)\n"
        "    if number == 10: store._db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()\n"
        "os._exit(9)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=False).returncode == 9
    return path


async def test_a_file_cut_or_flipped_anywhere_never_stops_the_start_and_never_lies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    grown(tmp_path)
    whole = {name: (tmp_path / name).read_bytes() for name in ("spool.db", "spool.db-wal")}
    store = Store(tmp_path / "spool.db", QUOTA)
    written = {row.seq: row.payload for row in store.read(0, 1 << 30)}
    incarnation = store.snapshot.incarnation
    store.close()
    assert len(written) == 30
    seed = random.Random(7)
    outcomes = []
    for turn in range(60):
        folder = tmp_path / str(turn)
        folder.mkdir()
        name = seed.choice(list(whole))
        content = bytearray(whole[name])
        at = seed.randrange(len(content))
        if turn % 2:
            del content[at:]
        else:
            content[at : at + 16] = seed.randbytes(len(content[at : at + 16]))
        for other, bytes_ in whole.items():
            (folder / other).write_bytes(content if other == name else bytes_)
        async with Spool(folder / "spool.db", QUOTA) as spool:
            rows = await spool.read(0, 1 << 30)
            same = spool.snapshot.incarnation == incarnation
            assert same == (spool.recovered is None)
            for row in rows:
                assert same
                assert row.payload == written[row.seq]
            declared = {seq for one in spool.snapshot.dropped for seq in range(one.first, one.last + 1)}
            assert {row.seq for row in rows} | declared == set(range(1, spool.snapshot.next_seq))
            seq = await spool.put(event(turn), urgent=True)
            assert (await spool.read(seq - 1, 1))[0].seq == seq
        outcomes.append((same, len(rows)))
    assert any(same and count < 30 for same, count in outcomes), "a cut log loses its end only"
    assert any(not same for same, _ in outcomes), "a damaged file is given up"


@pytest.mark.long
def test_a_write_torn_at_any_byte_keeps_all_that_was_committed_before_it(tmp_path: Path) -> None:
    """The last commit, cut after each of its bytes or so, with what stood behind it before: old frames, or nothing."""
    path = tmp_path / "spool.db"
    store = Store(path, 1 << 20)  # a small one, whose log has its place and no more
    log = path.with_name("spool.db-wal")
    for number in range(6):
        with store.transaction():
            store.put(batch(number, values=200), False)
            store.put(event(number), True)
    before = {row.seq: row.payload for row in store.read(0, 1 << 30)}
    stood = log.read_bytes()
    with store.transaction():
        store.put(batch(7, values=200), False)
        store.free([acknowledge(store.read(0, 1 << 30)[:2])])
    new = log.read_bytes()
    old = stood.ljust(len(new), b"\0")
    after = {row.seq: row.payload for row in store.read(0, 1 << 30)}
    changed = [at for at, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    base = path.read_bytes()
    outcomes = set()
    for at in [*range(changed[0], changed[-1] + 2, 17), changed[-1], changed[-1] + 1]:
        folder = tmp_path / str(at)
        folder.mkdir()
        (folder / "spool.db").write_bytes(base)
        (folder / "spool.db-wal").write_bytes(new[:at] + old[at : changed[-1] + 8192])
        torn = Store(folder / "spool.db", 1 << 20)
        kept = {row.seq: row.payload for row in torn.read(0, 1 << 30)}
        assert kept in (before, after)
        assert torn.snapshot.next_seq == max(kept) + 1
        assert torn.snapshot.incarnation == store.snapshot.incarnation
        with torn.transaction():
            assert torn.put(event(9), True) == max(kept) + 1
        torn.close()
        shutil.rmtree(folder)
        outcomes.add(len(kept))
    store.close()
    assert outcomes == {len(before), len(after)}


async def test_a_file_damaged_while_it_is_in_use_is_moved_aside_and_work_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    path = tmp_path / "spool.db"
    told: list[str] = []
    async with Spool(path, QUOTA) as spool:
        for number in range(300):  # far more than SQLite keeps of it in memory
            spool.submit(batch(number, values=4000))
        await spool.put(birth(b"what there is"), urgent=True)
        old = spool.snapshot.incarnation
    size = path.stat().st_size
    async with Spool(path, QUOTA) as spool:
        spool.on_recovered(told.append)
        with path.open("r+b") as file:
            file.seek(8192)
            file.write(random.Random(1).randbytes(size - 8192))
        rows = await spool.read(0, 1 << 30)
        assert spool.snapshot.incarnation != old
        assert rows == []
        assert await spool.put(event(1), urgent=True) == 1
    assert len(told) == 1
    assert "spool.db.damaged-1" in aside(tmp_path)


async def test_only_the_newest_damaged_files_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    for _ in range(4):
        (tmp_path / "spool.db").write_bytes(b"this is not a database, and long enough to be looked at" * 40)
        async with Spool(tmp_path / "spool.db", QUOTA) as spool:
            assert spool.recovered is not None
    assert aside(tmp_path) == ["spool.db.damaged-3", "spool.db.damaged-4"]


def aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("spool.db.damaged-*"))


async def test_a_result_and_the_end_of_its_intent_are_one_commit(tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", QUOTA) as spool:
        assert await spool.begin_command(b"c" * 16, b"intent", 5)
        assert [(one.id, one.intent) for one in await spool.unfinished_commands()] == [(b"c" * 16, b"intent")]
        seq = await spool.finish_command(b"c" * 16, event(1))
        assert await spool.unfinished_commands() == []
        assert [row.seq for row in await spool.read(0, 1)] == [seq]
        assert not await spool.begin_command(b"c" * 16, b"intent", 5)


async def test_freeing_through_the_thread_frees(tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", QUOTA) as spool:
        for number in range(3):
            await spool.put(event(number), urgent=True)
        rows = await spool.read(0, 1 << 20)
        assert (await spool.free([acknowledge(rows[:2])])).seqs == (1, 2)
        assert spool.snapshot.first_kept == 3


async def test_rows_taken_in_order_are_noted_as_sent_before_they_are_given_out(tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", QUOTA) as spool:
        for number in range(2):
            await spool.put(batch(number))
            await spool.put(event(number), urgent=True)
        assert [row.seq for row in await spool.take_in_order(0, 1 << 20)] == [1, 2, 3, 4]
        assert spool.snapshot.claimed == {0: ((1, 1), (3, 3)), 1: ((2, 2), (4, 4))}
