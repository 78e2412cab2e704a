import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from fleet_server.ingest.keys import TTL_S, KeyCache
from fleet_server.kernel.database import Database


@dataclass
class Source:
    known: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    asked: int = 0

    async def keys(self, gateway: str) -> dict[bytes, bytes]:
        self.asked += 1
        found = self.known.get(gateway, {})
        await asyncio.sleep(0)  # as a database lets others run
        return found

    async def gives_up_devices(self, gateway: str) -> bool:
        return gateway not in self.known


async def test_keys_are_asked_for_once_within_their_time() -> None:
    source = Source({"D1": {b"1": b"k"}})
    cache = KeyCache(source)
    for now in (0.0, 1.0, TTL_S):
        assert await cache.keys("D1", now) == {b"1": b"k"}
    assert source.asked == 1
    await cache.keys("D1", TTL_S + 0.1)
    assert source.asked == 2


async def test_a_forger_cannot_make_us_ask_more_than_once_a_second() -> None:
    source = Source()
    cache = KeyCache(source)
    for step in range(100):
        await cache.keys("D1", step / 100, doubtful=True)
    assert source.asked == 1
    assert cache.is_fresh("D1", 0.5)
    assert not cache.is_fresh("D1", 2.0)


async def test_invented_gateways_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_server.ingest.keys.MOST", 3)
    source = Source()
    cache = KeyCache(source)
    for name in "ABCDE":
        await cache.keys(name, 0.0)
    await cache.keys("E", 0.0)
    assert source.asked == 5
    await cache.keys("A", 0.0)
    assert source.asked == 6


async def test_a_key_that_changes_while_it_is_asked_for_is_not_remembered_as_it_was() -> None:
    source = Source({"D1": {b"1": b"old"}})
    cache = KeyCache(source)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(cache.keys("D1", 0.0))
        await asyncio.sleep(0)
        source.known["D1"] = {b"2": b"new"}
        cache.forget("D1")
    assert asking.result() == {b"1": b"old"}
    assert await cache.keys("D1", 0.0) == {b"2": b"new"}


async def test_a_notification_makes_us_ask_again_and_a_lost_connection_is_opened_again(
    ingest_database: Database, connect: Any, database_urls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.ingest.keys.PAUSE_S", 0.01)
    source = Source()
    cache = KeyCache(source)

    async def until_asked_again() -> None:
        before = source.asked
        while source.asked == before:
            await cache.keys("D1", 0.0)
            await asyncio.sleep(0.01)

    async with (
        connect(database_urls.owner) as owner,
        connect(database_urls.ingest) as watcher,
        asyncio.timeout(15),
        asyncio.TaskGroup() as tasks,
    ):
        await cache.keys("D1", 0.0)
        following = tasks.create_task(cache.follow(ingest_database))
        await until_asked_again()  # it listens, and trusts nothing from before
        await owner.execute("SELECT pg_notify('gateway_keys', 'D2')")
        await owner.execute("SELECT pg_notify('gateway_keys', 'D1')")
        await until_asked_again()
        listening = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        for row in await watcher.fetch(listening):
            await watcher.execute("SELECT pg_terminate_backend($1)", row["pid"])
        await until_asked_again()
        following.cancel()
