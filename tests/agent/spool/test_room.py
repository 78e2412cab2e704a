"""A spool on a disk that others filled: what it set aside must be enough to go on, and to be emptied."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.spool import Spool, room
from agent.spool import store as store_module
from agent.spool.store import Store
from protocols.edge.messages import DropCause
from tests.agent.spool.messages import acknowledge, batch, event

QUOTA = 64 << 20


@pytest.fixture
def no_room() -> None:
    """Here it is wanted."""


@contextmanager
def full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of this process grows beyond what was set aside, and the system says that the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as full:
        nowhere = Path("/proc/full")  # a file system that says it has no room
        full.setattr(store_module, "free_bytes", lambda database, _: room.free_bytes(database, nowhere))
        resource.setrlimit(resource.RLIMIT_FSIZE, (max(room.LOG_BYTES, path.stat().st_size), before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.long
async def test_on_a_full_disk_a_gateway_that_is_heard_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool.db"
    async with Spool(path, QUOTA) as spool:
        await spool.put(event(0), urgent=True)
    with full_disk(path, monkeypatch):
        async with Spool(path, QUOTA) as spool:  # started anew: SQLite removed its log when the file was closed
            for _ in range(30):
                await asyncio.gather(*[spool.submit(batch(number, values=1000)) for number in range(60)])
                rows = await spool.read(0, 1 << 20)
                await spool.free([acknowledge(rows)])
                assert await spool.next_connection()
            assert spool.refused is None
            assert spool.snapshot.counters.freed == 1 + 30 * 60
            assert spool.snapshot.dropped == ()


@pytest.mark.long
async def test_on_a_full_disk_a_gateway_that_is_not_heard_keeps_the_newest_and_can_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool.db"
    async with Spool(path, QUOTA) as spool:
        await spool.put(event(0), urgent=True)
        with full_disk(path, monkeypatch):
            for _ in range(40):
                await asyncio.gather(*[spool.submit(batch(number, values=1000)) for number in range(60)])
            assert spool.refused is None
            kept = await spool.read(0, 1 << 30)
            assert [row.seq for row in kept[-100:]] == list(range(kept[-100].seq, spool.snapshot.next_seq))
            assert sum(len(row.payload) for row in kept) > 3 << 20
            assert {one.cause for one in spool.snapshot.dropped} <= {DropCause.QUOTA, DropCause.THINNED}
            assert await spool.next_connection() == 1
            kept = await spool.read(0, 1 << 30)
            assert len((await spool.free([acknowledge(kept[1:])])).seqs) == len(kept) - 1


def test_while_the_file_is_closed_its_log_has_a_place(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    for _ in range(2):
        store = Store(path, QUOTA)
        assert path.with_name("spool.db-wal").stat().st_size >= room.LOG_BYTES
        assert not path.with_name("spool.db.reserve").exists()
        store.close()
        assert path.with_name("spool.db.reserve").stat().st_size == room.LOG_BYTES
        assert path.stat().st_size == pytest.approx(room.FILE_BYTES, rel=0.01)


def test_a_kill_leaves_a_log_that_is_read_to_its_end(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from agent.spool.store import Store;"
        "from tests.agent.spool.messages import *\n"
        "store = Store(Path(sys.argv[1]), 1 << 26)\n"
        "with store.transaction(): store.put(event(1), True)\n"
        "os._exit(9)\n"
    )
    path = tmp_path / "spool.db"
    for count in (1, 2, 3):
        root = Path(__file__).parents[3]
        assert subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False).returncode == 9
        store = Store(path, QUOTA)
        assert [row.seq for row in store.read(0, 1 << 20)] == list(range(1, count + 1))
        if count == 2:
            store.close()
        else:
            store._db.close()


def test_a_disk_that_is_full_from_the_beginning_leaves_the_file_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        store = Store(tmp_path / "spool.db", QUOTA)
        with store.transaction():
            store.put(event(1), urgent=True)
        store.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    store = Store(tmp_path / "spool.db", QUOTA)
    assert [row.seq for row in store.read(0, 1 << 20)] == [1]
    assert store.snapshot.bytes < (tmp_path / "spool.db-wal").stat().st_size
    store.close()
