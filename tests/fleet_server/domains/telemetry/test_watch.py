"""What live streams share, over a real database whose questions are counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from fleet_server.domains.telemetry.live import Listener
from fleet_server.domains.telemetry.store import TelemetryStore
from fleet_server.domains.telemetry.watch import Watch
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Unavailable

NOW_MS = 1_772_368_200_000
CODE, OTHER = "D1101149001000101X", "D11011490010001028"


@dataclass
class Counted:
    """`begin` of a Watch that counts transactions, and can be told to fail."""

    database: Database
    looks: int = 0
    away: bool = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[TelemetryStore]:
        self.looks += 1
        if self.away:
            raise Unavailable("away")
        async with self.database.system() as connection:
            yield TelemetryStore(connection)


@pytest.fixture
def begin(web_database: Database) -> Counted:
    return Counted(web_database)


@pytest.fixture
def watch(begin: Counted, web_database: Database) -> Watch:
    return Watch(begin, Listener(web_database))


@pytest.fixture
async def gateway(gateway: Any, hand: Any) -> Any:
    speaking = replace(gateway, devices={CODE: ("power", "energy"), OTHER: ("power",)})
    await hand.commit(speaking, speaking.birth(), speaking.batch(power=[1.0], energy=[1]))
    return speaking


async def told(stream: Any) -> dict[str, dict[str, str]]:
    """The next update: texts by device and channel."""
    async with asyncio.timeout(10):
        return {device.code: {c.name: c.text for c in device.channels} for device in await anext(stream)}


async def test_a_hundred_streams_cost_the_database_no_more_than_one(
    watch: Watch, begin: Counted, hand: Any, gateway: Any
) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(aclosing(watch.stream([CODE]))) for _ in range(100)]
        await asyncio.gather(*map(told, streams))
        assert begin.looks == 1
        for n in range(3):
            async with asyncio.TaskGroup() as tasks:
                answers = [tasks.create_task(told(stream)) for stream in streams]
                await asyncio.sleep(0.05)
                await hand.commit(gateway, gateway.batch(power=[10.0 + n], t0=NOW_MS + n))
            assert {str(answer.result()) for answer in answers} == {str({CODE: {"power": f"{10 + n}"}})}
        assert begin.looks <= 7, "three commits, and one look by the way for each at most"


async def test_a_slow_stream_is_told_in_one_piece_what_it_missed(watch: Watch, hand: Any, gateway: Any) -> None:
    async with aclosing(watch.stream([CODE, OTHER])) as quick, aclosing(watch.stream([CODE, OTHER])) as slow:
        assert await told(quick) == await told(slow) == {CODE: {"power": "1", "energy": "0.01"}, OTHER: {"power": ""}}
        await hand.commit(gateway, gateway.batch(power=[2.0], t0=NOW_MS))
        assert await told(quick) == {CODE: {"power": "2"}}
        await hand.commit(gateway, gateway.batch(energy=[7], t0=NOW_MS))
        assert await told(quick) == {CODE: {"energy": "0.07"}}
        await hand.commit(gateway, gateway.batch(power=[3.0], t0=NOW_MS, code=OTHER))
        assert await told(quick) == {OTHER: {"power": "3"}}
        assert await told(slow) == {CODE: {"power": "2", "energy": "0.07"}, OTHER: {"power": "3"}}


async def test_a_stream_is_told_of_its_own_devices_alone(
    watch: Watch, hand: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.domains.telemetry.watch.LONGEST_S", 0.5)
    async with aclosing(watch.stream([CODE])) as one, aclosing(watch.stream([OTHER])) as two:
        await told(one)
        await told(two)
        await hand.commit(gateway, gateway.batch(power=[3.0], t0=NOW_MS, code=OTHER))
        assert await told(two) == {OTHER: {"power": "3"}}
        assert await told(one) == {}, "and of silence, so that its reader can be checked again"


async def test_a_channel_that_a_birth_adds_appears(
    watch: Watch, hand: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.domains.telemetry.watch.LONGEST_S", 0.2)
    async with aclosing(watch.stream([OTHER, "NEVER"])) as stream:
        assert await told(stream) == {OTHER: {"power": ""}, "NEVER": {}}
        gateway.devices = {**gateway.devices, OTHER: ("power", "energy")}
        await hand.commit(gateway, gateway.birth(), gateway.batch(energy=[5], t0=NOW_MS, code=OTHER))
        found: dict[str, str] = {}
        while found.get("energy") != "0.05":
            found |= (await told(stream)).get(OTHER, {})


async def test_while_the_database_is_away_one_stream_tries_for_all(
    watch: Watch, begin: Counted, hand: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [watch.stream([CODE]) for _ in range(20)]
    await asyncio.gather(*map(told, streams))
    begin.away, before = True, begin.looks
    await hand.commit(gateway, gateway.batch(power=[2.0], t0=NOW_MS))
    failed = await asyncio.gather(*map(told, streams), return_exceptions=True)
    assert {type(failure) for failure in failed} == {Unavailable}
    assert begin.looks == before + 1
    begin.away = False
    monkeypatch.setattr("fleet_server.domains.telemetry.watch.AWAY_S", 0.0)
    async with aclosing(watch.stream([CODE])) as again:
        assert (await told(again))[CODE]["power"] == "2"


async def test_nothing_is_remembered_of_devices_that_nobody_watches(watch: Watch, gateway: Any) -> None:
    async with aclosing(watch.stream([CODE, OTHER])) as one, aclosing(watch.stream([CODE])) as two:
        await told(one)
        await told(two)
        await one.aclose()
        assert set(watch._devices) == {CODE}
    assert not watch._devices
    assert not watch._wanted
