import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleet_server.domains.telemetry.live import Listener
from fleet_server.domains.telemetry.watch import SHORTEST_S
from fleet_server.kernel.database import Database

LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


async def test_many_streams_share_one_connection_and_the_last_one_gives_it_back(
    web_database: Database, connect: Any, database_urls: Any
) -> None:
    listener = Listener(web_database)
    async with connect(database_urls.web) as watcher:  # a role sees the statements of its own connections alone
        async with listener.waiting(), listener.waiting(), listener.waiting():
            assert len(await watcher.fetch(LISTENING)) == 1
        assert await watcher.fetch(LISTENING) == []


async def test_a_notification_wakes_every_stream_and_silence_wakes_none_early(
    web_database: Database, connect: Any, database_urls: Any
) -> None:
    listener = Listener(web_database)
    async with (
        listener.waiting() as one,
        listener.waiting() as two,
        connect(database_urls.owner) as owner,
        asyncio.timeout(5),
        asyncio.TaskGroup() as tasks,
    ):
        waits = [tasks.create_task(wait()) for wait in (one, two)]
        await asyncio.sleep(2 * SHORTEST_S)
        assert not any(wait.done() for wait in waits)
        await owner.execute("NOTIFY telemetry")


async def test_a_lost_connection_wakes_the_streams_and_is_opened_again(
    web_database: Database, connect: Any, database_urls: Any
) -> None:
    listener = Listener(web_database)
    async with listener.waiting() as wait, connect(database_urls.web) as watcher, asyncio.timeout(10):
        (lost,) = await watcher.fetch(LISTENING)
        await watcher.execute("SELECT pg_terminate_backend($1)", lost["pid"])
        await wait()
        async with asyncio.TaskGroup() as tasks:
            again = tasks.create_task(wait())
            while [row["pid"] for row in await watcher.fetch(LISTENING)] in ([], [lost["pid"]]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await watcher.execute("NOTIFY telemetry")
            await again


async def test_without_a_database_streams_still_look_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.domains.telemetry.watch.LONGEST_S", 0.1)
    async with (
        Database(f"postgresql:///none?host={tmp_path}") as nowhere,
        Listener(nowhere).waiting() as wait,
        asyncio.timeout(5),
    ):
        await wait()
