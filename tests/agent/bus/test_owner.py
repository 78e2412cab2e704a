import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent.bus import owner
from agent.bus.device import Device
from agent.bus.health import Change
from agent.bus.owner import Bus
from drivers import catalog
from drivers.base import LineConfig, NotSent, Reading, Readings, Refused, Unreachable
from protocols.quality import Quality
from sim_devices import config as sim_config
from sim_devices.faults import Fault, Kind
from sim_devices.simulation import Simulation
from tests import virtual_time
from tests.benchmarks import bus as bench

FAMILY = catalog.BUILTIN["modbus-tcp"]
METER = FAMILY.load_model("meter_1p")
LAMP = FAMILY.load_model("lamp_controller")
VOLTAGE, FREQUENCY = (
    next(number for number, channel in enumerate(METER.channels) if channel.name == name)
    for name in ("voltage", "frequency")
)
DIM = next(number for number, channel in enumerate(LAMP.channels) if channel.name == "dim_setpoint")


class Log:
    """A sink that remembers: what each device gave at each tick."""

    def __init__(self) -> None:
        self.ticks: dict[int, list[int]] = defaultdict(list)
        self.readings: dict[int, list[dict[int, Reading]]] = defaultdict(list)
        self.lost: dict[int, list[int]] = defaultdict(list)

    def add(self, device: int, tick: int, readings: Readings) -> None:
        self.ticks[device].append(tick)
        assert len({reading.channel for reading in readings}) == len(readings)
        self.readings[device].append({reading.channel: reading for reading in readings})

    def missed(self, device: int, tick: int, quality: int) -> None:
        self.ticks[device].append(tick)
        self.lost[device].append(quality)


class Rig:
    def __init__(self, peer: Any, count: int, model: Any = METER, period_ms: int = 50, timeout_s: float = 0.15) -> None:
        self.log = Log()
        self.changes: list[Change] = []
        self.bus = Bus(
            "street",
            FAMILY.create_line(LineConfig("modbus-tcp", peer.address)),
            [Device(10 + unit, f"D{unit}", f"Meter {unit}", unit, period_ms, model) for unit in range(count)],
            timeout_s,
            self.log,
            self.changes.append,
        )


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(rig.bus.run())
        yield rig
        task.cancel()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deaths are certified sooner, so that tests need not wait."""
    monkeypatch.setattr("agent.bus.health.FAILING_MS", 100)
    monkeypatch.setattr("agent.bus.health.MIN_BACKOFF_MS", 20)
    monkeypatch.setattr("agent.bus.health.MAX_BACKOFF_MS", 100)


async def test_every_device_is_read_at_the_ticks_they_share(peer: Any, until: Any) -> None:
    for unit in range(3):
        peer.input[unit] = {0: 2300 + unit}
    async with running(Rig(peer, 3)) as rig:
        await until(lambda: len(rig.log.ticks[12]) >= 5)
    ticks = rig.log.ticks[10]
    assert all(tick % 50 == 0 for tick in ticks)
    assert rig.log.ticks[10][:4] == rig.log.ticks[11][:4] == rig.log.ticks[12][:4]
    for unit in range(3):
        assert rig.log.readings[10 + unit][0][VOLTAGE] == Reading(VOLTAGE, 2300 + unit, Quality.GOOD)
        assert len(rig.log.readings[10 + unit][0]) == len(METER.channels)
    assert rig.changes == []


async def test_a_dead_slave_does_not_stall_the_others_and_comes_back(peer: Any, until: Any, quick: None) -> None:
    peer.silent = {1}
    async with running(Rig(peer, 4, period_ms=100, timeout_s=0.05)) as rig:
        await until(lambda: rig.changes)
        dead = rig.changes[0]
        asked = len(peer.requests)
        await until(lambda: len(rig.log.lost[11]) >= 20)
        assert (dead.device, dead.reachable) == (11, False)
        assert "no answer" in dead.detail
        assert set(rig.log.lost[11][:2]) == {Quality.BAD_TIMEOUT}
        assert rig.log.lost[11][-1] == Quality.BAD_NO_COMMUNICATION
        to_the_dead = [request for request in peer.requests[asked:] if request[0] == 1]
        assert len(to_the_dead) > 0
        for living in (10, 12, 13):
            missed = rig.bus.counters.devices[living - 10].missed
            assert missed <= 0.05 * len(rig.log.ticks[living]) + 1
        peer.silent = set()
        await until(lambda: len(rig.changes) == 2)
        assert rig.changes[1][:2] == (11, True)
        await until(lambda: rig.log.readings[11])
    assert rig.bus.counters.devices[1].errors["timeout"] >= 3


async def test_an_address_the_device_lacks_costs_only_its_own_channel(peer: Any, until: Any) -> None:
    peer.input[0] = {0: 2301, 6: 4999}
    peer.absent[0] = {6}  # frequency
    async with running(Rig(peer, 1)) as rig:
        await until(lambda: len(rig.log.readings[10]) >= 3)
        before = len(peer.requests)
        await until(lambda: len(rig.log.readings[10]) >= 6)
        later = peer.requests[before:]
    for readings in rig.log.readings[10]:
        assert readings[VOLTAGE] == Reading(VOLTAGE, 2301, Quality.GOOD)
        assert readings[FREQUENCY] == Reading(FREQUENCY, None, Quality.BAD_CONFIGURATION_ERROR)
        assert len(readings) == len(METER.channels)
    assert not [request for request in later if request[2] <= 6 < request[2] + request[3]]
    assert rig.bus.counters.devices[0].errors == {"refused": 1}
    assert rig.changes == []


async def test_a_device_that_refuses_everything_is_still_asked(peer: Any, until: Any) -> None:
    peer.absent[0] = set(range(100))
    async with running(Rig(peer, 1)) as rig:
        await until(lambda: len(rig.log.readings[10]) >= 3)
        before = len(peer.requests)
        await until(lambda: len(peer.requests) > before + 1)
    assert all(reading.value is None for reading in rig.log.readings[10][-1].values())
    assert len(rig.log.readings[10][-1]) == len(METER.channels)


async def test_a_line_that_is_lost_is_opened_again_and_its_ticks_are_answered_for(
    peer: Any, until: Any, quick: None
) -> None:
    async with running(Rig(peer, 2)) as rig:
        await until(lambda: rig.log.readings[11])
        await peer.stop()
        await until(lambda: len(rig.changes) == 2)
        assert not rig.bus.is_open
        assert "no connection" in rig.bus.fault
        assert Quality.BAD_NOT_CONNECTED in rig.log.lost[10]
        with pytest.raises(NotSent, match="street is not open"):
            await rig.bus.write(10, 0, Decimal(1))
        await peer.start()
        await until(lambda: len(rig.changes) == 4)
        seen = len(rig.log.readings[10])
        await until(lambda: len(rig.log.readings[10]) > seen)
    ticks = rig.log.ticks[10]
    assert ticks == sorted(set(ticks))
    assert rig.bus.counters.opened == 2


async def test_a_bus_that_cannot_be_opened_at_first_is_polled_once_it_can(peer: Any, until: Any, quick: None) -> None:
    await peer.stop()
    async with running(Rig(peer, 1)) as rig:
        await until(lambda: len(rig.log.lost[10]) >= 3)
        await peer.start()
        await until(lambda: rig.log.readings[10])
    assert rig.log.lost[10][0] == Quality.BAD_NOT_CONNECTED


async def test_a_connection_that_is_open_and_mute_is_opened_again(
    peer: Any, until: Any, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "REOPEN_MS", 300)
    peer.silent = {0, 1}
    async with running(Rig(peer, 2, timeout_s=0.02)) as rig:
        await until(lambda: peer.connections >= 3)
        peer.silent = set()
        await until(lambda: [change.reachable for change in rig.changes].count(True) == 2)


async def test_a_write_goes_before_the_reads_and_is_read_back(peer: Any, until: Any) -> None:
    async with running(Rig(peer, 1, LAMP)) as rig:
        await until(lambda: rig.log.readings[10])
        assert await rig.bus.write(10, DIM, Decimal(55)) == Reading(DIM, 55, Quality.GOOD)
        assert peer.holding[0][0] == 55
        assert await rig.bus.read_back(10, DIM) == Reading(DIM, 55, Quality.GOOD)
    assert rig.bus.counters.writes == 1


async def test_a_write_waits_for_one_poll_at_most(peer: Any, until: Any) -> None:
    async with running(Rig(peer, 50, LAMP, period_ms=1000)) as rig:
        await until(lambda: peer.requests)
        before = len(peer.requests)
        await rig.bus.write(10, DIM, Decimal(5))
    writes = [number for number, request in enumerate(peer.requests[before:]) if request[1] == 6]
    assert len(writes) == 1
    assert writes[0] <= 3  # a lamp takes three requests, and the first may have been under way


async def test_what_a_device_refuses_to_write_is_told_to_who_asked(peer: Any, until: Any) -> None:
    peer.silent = {0}
    async with running(Rig(peer, 2, LAMP, timeout_s=0.05)) as rig:
        await until(lambda: rig.bus.is_open)
        with pytest.raises(Unreachable):
            await rig.bus.write(10, DIM, Decimal(5))
        with pytest.raises(Refused):
            await rig.bus.write(11, 0 if LAMP.channels[0].name != "dim_setpoint" else 5, Decimal(5))


async def test_faults_are_logged_once_with_bus_device_address_and_cause(
    peer: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    peer.silent = {0}
    with caplog.at_level(logging.WARNING):
        async with running(Rig(peer, 1, timeout_s=0.02)) as rig:
            await until(lambda: rig.bus.counters.devices[0].errors["timeout"] >= 3)
    lines = [record.message for record in caplog.records if "no answer" in record.message]
    assert len(lines) == 1
    for word in ("bus street", "Meter 0", "D0", "unit 0", "input 0 to", "127.0.0.1"):
        assert word in lines[0]


async def test_the_line_is_closed_when_the_owner_is_cancelled(peer: Any, until: Any) -> None:
    async with running(Rig(peer, 1)) as rig:
        await until(lambda: rig.log.readings[10])
    await until(lambda: not peer._writers)
    assert not rig.bus.is_open


SIMULATED = """
[[bus]]
name = "line"
kind = "pty"
link = "tty"
baud = 19200

[[bus.device]]
code = "PUMP"
model = "sump_pump"
section = "t/1"
unit = 2
"""
CAUSES = {
    "silent": (Quality.BAD_TIMEOUT, "unit 2: no answer within 0.1 s"),
    "late": (Quality.BAD_TIMEOUT, "unit 2: no answer within 0.1 s"),
    "wrong-crc": (Quality.BAD_COMMUNICATION_ERROR, "unit 2: CRC 0x"),
    "wrong-unit": (Quality.BAD_COMMUNICATION_ERROR, "unit 2: unit 3 answered"),
    "exception": (Quality.BAD_DEVICE_FAILURE, "unit 2: server device failure (0x04)"),
    "disconnect": (Quality.BAD_NOT_CONNECTED, "the adapter is gone"),
}


@pytest.mark.parametrize("kind", CAUSES)
async def test_each_injected_fault_is_told_with_its_quality_and_cause(
    kind: str, tmp_path: Path, until: Any, quick: None
) -> None:
    """What `hutong-sim fault` does to a simulated slave on a pseudo-terminal, and what the gateway says of it."""
    quality, cause = CAUSES[kind]
    (tmp_path / "sim.toml").write_text(SIMULATED, encoding="utf-8")
    family = catalog.BUILTIN["modbus-rtu"]
    told: list[str] = []
    log = Log()
    async with Simulation(sim_config.load(tmp_path / "sim.toml")) as simulation:
        bus = Bus(
            "line",
            family.create_line(LineConfig("modbus-rtu", str(tmp_path / "tty"), baud=19200)),
            [Device(0, "PUMP", "Pump", 2, 50, family.load_model("sump_pump"))],
            0.1,
            log,
            lambda change: told.append(change.detail),
            on_fault=lambda: told.append(bus.health.devices[0].detail),
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bus.run())
            await until(lambda: log.readings[0])
            simulation.faults.add("PUMP", Fault(Kind(kind)))
            await until(lambda: any(cause in detail for detail in told), 5)
            assert cause in bus.health.devices[0].detail
            seen = {reading.quality for readings in log.readings[0] for reading in readings.values()} | {*log.lost[0]}
            assert quality in seen
            task.cancel()


async def test_a_line_with_noise_between_its_frames_loses_nothing_and_says_nothing(tmp_path: Path, until: Any) -> None:
    (tmp_path / "sim.toml").write_text(SIMULATED, encoding="utf-8")
    family = catalog.BUILTIN["modbus-rtu"]
    log = Log()
    async with Simulation(sim_config.load(tmp_path / "sim.toml")) as simulation:
        simulation.faults.add("PUMP", Fault(Kind.NOISY))
        line = family.create_line(LineConfig("modbus-rtu", str(tmp_path / "tty"), baud=19200))
        device = Device(0, "PUMP", "Pump", 2, 50, family.load_model("sump_pump"))
        bus = Bus("line", line, [device], 0.5, log, lambda _: None)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bus.run())
            await until(lambda: len(log.readings[0]) >= 8)
            task.cancel()
    assert log.lost[0] == []
    assert bus.health.devices[0].detail == ""


def test_one_dead_device_of_twenty_costs_the_others_no_twentieth_of_their_polls() -> None:
    whole, _ = virtual_time.run(bench.run_bus(2000, set(), 3))
    crippled, _ = virtual_time.run(bench.run_bus(2000, {7}, 3))
    living = set(range(bench.DEVICES)) - {6}
    assert 6 not in crippled
    assert all(crippled[device] >= 0.95 * whole[device] for device in living)


def test_on_a_line_with_too_little_time_no_time_is_wasted_and_all_lose_alike() -> None:
    read, use = virtual_time.run(bench.run_bus(1000, set(), 3))
    assert use >= 0.75  # the rest is the devices' thinking: 10 ms of each 61
    assert max(read.values()) - min(read.values()) <= 2


def test_a_write_waits_for_one_transaction_at_most_however_busy_the_line() -> None:
    took, transaction = virtual_time.run(bench.write_latencies(100))
    assert max(took) <= transaction + 100
