import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from agent.bus.device import Device
from agent.bus.health import Change
from agent.bus.listener import OLDEST_MS, ListeningBus
from agent.clock import boottime_ms
from agent.pipeline import ChannelPlan, DevicePlan, Pipeline
from drivers.base import Described, LineDown, Nonsense, NotSent, Reading, Readings, Report, Stranger, Unreachable
from drivers.coap.model import load_model
from tests.agent.bus.test_owner import Log
from tests.agent.conftest import Until

SENSOR = load_model("climate_sensor")


class Door:
    """A place to report at: what a test puts in is heard. An exception is raised where a report would come."""

    def __init__(self, opens: bool = True) -> None:
        self.opens = opens
        self.opened = self.closed = 0
        self._coming: asyncio.Queue[Report | Exception] = asyncio.Queue()

    async def open(self) -> None:
        if not self.opens:
            raise LineDown("127.0.0.1:5683: address in use")
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def next(self) -> Report:
        found = await self._coming.get()
        if isinstance(found, Exception):
            raise found
        return found

    def put(self, *coming: Report | Exception) -> None:
        for one in coming:
            self._coming.put_nowait(one)


class Rig:
    def __init__(self, door: Door, period_ms: int = 10_000, sink: Log | None = None) -> None:
        self.log = sink or Log()
        self.changes: list[Change] = []
        devices: list[Device[Described]] = [
            Device(10 + place, f"D{place}", f"Sensor {place}", f"pole:{place}", period_ms, SENSOR) for place in (0, 1)
        ]
        self.bus = ListeningBus("air", door, devices, self.log, self.changes.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.bus.run())
            yield self
            task.cancel()


def report(identity: bytes, *moments: tuple[int, int], unit: str = "pole:0") -> Report:
    """`moments` are ages in ms and temperatures in hundredths."""
    return Report(unit, identity, tuple((age, Readings.of([Reading(0, value, 0)])) for age, value in moments))


async def test_a_reading_has_the_tick_of_its_measurement(until: Until) -> None:
    door = Door()
    async with Rig(door).running() as rig:
        before = boottime_ms()
        door.put(report(b"1", (0, 2150), (60_000, 2100), (30_000, 2125)))
        await until(lambda: len(rig.log.ticks[10]) == 3)
        after = boottime_ms()
        assert [readings[0].value for readings in rig.log.readings[10]] == [2100, 2125, 2150]
        ages = (60_000, 30_000, 0)
        assert all(before - age <= tick <= after - age for age, tick in zip(ages, rig.log.ticks[10], strict=True))
        counters = rig.bus.counters.devices[0]
        assert (counters.polls, counters.values) == (1, 3)
        assert counters.last_tick == rig.log.ticks[10][-1]


async def test_a_report_that_is_heard_twice_is_taken_once(until: Until) -> None:
    door = Door()
    async with Rig(door).running() as rig:
        door.put(report(b"1", (0, 2150)), report(b"1", (0, 2150)), report(b"1", (0, 2150), unit="pole:1"))
        await until(lambda: rig.bus.counters.requests == 3)
        assert (len(rig.log.ticks[10]), len(rig.log.ticks[11])) == (1, 1)
        assert rig.bus.counters.repeats == 1


async def test_strangers_and_nonsense_are_counted_and_the_next_report_is_heard(until: Until) -> None:
    door = Door()
    async with Rig(door).running() as rig:
        door.put(Stranger("192.0.2.1: who?"), Nonsense("192.0.2.2: what?"), report(b"1", (0, 1)))
        await until(lambda: rig.log.ticks[10])
        assert (rig.bus.counters.strangers, rig.bus.counters.nonsense) == (1, 1)


async def test_a_device_that_falls_silent_is_unreachable_until_it_reports(until: Until) -> None:
    door = Door()
    async with Rig(door, period_ms=50).running() as rig:
        await until(lambda: len(rig.changes) == 2)
        assert [(change.device, change.reachable) for change in rig.changes] == [(10, False), (11, False)]
        assert not rig.bus.health.devices[0].reachable
        door.put(report(b"1", (0, 1)))
        await until(lambda: len(rig.changes) > 2)
        assert (rig.changes[2].device, rig.changes[2].reachable) == (10, True)
        assert rig.log.lost == {}  # it may yet send what it measured meanwhile
        await until(lambda: len(rig.changes) > 3)  # and it is watched again
        assert (rig.changes[3].device, rig.changes[3].reachable) == (10, False)


async def test_a_place_that_cannot_be_opened_is_tried_again(until: Until) -> None:
    door = Door(opens=False)
    async with Rig(door, period_ms=50).running() as rig:
        await until(lambda: rig.bus.fault)
        assert "address in use" in rig.bus.fault
        assert not rig.bus.is_open
        door.opens = True
        await until(lambda: rig.bus.is_open)
        assert rig.bus.fault == ""
        assert rig.bus.counters.opened == 1


async def test_a_place_that_closes_is_opened_again(until: Until) -> None:
    door = Door()
    async with Rig(door).running() as rig:
        door.put(LineDown("gone"), report(b"1", (0, 1)))
        await until(lambda: rig.log.ticks[10])
        assert (door.opened, door.closed) == (2, 1)


async def test_it_is_closed_however_it_ends() -> None:
    door = Door()
    async with Rig(door).running():
        await asyncio.sleep(0)
    assert door.closed == 1


async def test_what_no_batch_can_place_is_left_out_and_counted(until: Until) -> None:
    door = Door()
    async with Rig(door).running() as rig:
        door.put(report(b"1", (OLDEST_MS + 1, 1), (OLDEST_MS, 2)))
        await until(lambda: rig.bus.counters.requests)
        assert [readings[0].value for readings in rig.log.readings[10]] == [2]
        assert rig.bus.counters.nonsense == 1


async def test_what_was_measured_before_the_boot_leaves_with_its_own_time(until: Until) -> None:
    pipeline = Pipeline([DevicePlan(1000, tuple(map(ChannelPlan, SENSOR.channels)))])
    pipeline.add(0, -60_000, Readings.of([Reading(0, 2100, 0)]))
    pipeline.add(0, 5_000, Readings.of([Reading(0, 2150, 0)]))
    part = pipeline.drain()
    assert part is not None
    assert part.t0_boot_ms == 0
    assert sorted(int(time) for group in part.groups for time in group.times) == [-60_000, 5_000]


async def test_nothing_of_it_can_be_written_or_asked() -> None:
    rig = Rig(Door())
    with pytest.raises(NotSent, match="Sensor 0 reports of itself"):
        await rig.bus.write(10, 0, Decimal(1))
    with pytest.raises(Unreachable, match="Sensor 0 reports of itself"):
        await rig.bus.read_back(10, 0)
