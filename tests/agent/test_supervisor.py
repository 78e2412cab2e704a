import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent import clock, config, control, site, status, supervisor
from agent.spool import SpoolRefused
from agent.supervisor import Agent, CannotRun
from drivers import catalog
from drivers.base import LineConfig, Reading
from drivers.modbus.family import TcpFamily
from protocols.edge.birth import Description, decode_description
from protocols.edge.messages import AckStatus, Batch, Birth, ClockState, Command, Event, encode
from protocols.quality import Quality
from tests.agent.gateways import PASSWORD, inside, process
from tests.agent.uplink.peers import KEY, City, Server, serve

Write = Callable[..., Path]


def of(server: Server, kind: type) -> list[Any]:
    return [message for message in server.spooled() if isinstance(message, kind)]


def told(server: Server, kind: str) -> list[Event]:
    return [event for event in of(server, Event) if event.kind == kind]


def samples(server: Server, description: Description) -> dict[tuple[int, str], dict[int, Any]]:
    """What arrived: by device and channel, the value at each CLOCK_BOOTTIME."""
    named = {channel.alias: (channel.device, channel.name) for channel in description.channels}
    found: dict[tuple[int, str], dict[int, Any]] = {}
    for batch in of(server, Batch):
        for group in batch.groups:
            for column in group.columns:
                series = found.setdefault(named[column.alias], {})
                for at, value in zip(group.times[column.present], column.values, strict=True):
                    series[batch.origin.boottime_ms + int(at)] = value
    return found


async def test_readings_go_from_the_bus_to_the_server_and_a_stop_leaves_nothing_behind(
    peer: Any, city: City, write_config: Write, tmp_path: Path, until: Any
) -> None:
    for unit in (1, 2, 3):
        peer.input[unit] = {0: 2300 + unit}
    path = write_config(peer.address, devices=3, broker=city.port, key=KEY, password=PASSWORD)
    async with serve(city) as server, process(path) as gateway:
        await server.wait_for(lambda: len(of(server, Batch)) >= 2)
        birth = of(server, Birth)[-1]  # a broker may show the one it retains first
        description = decode_description(birth.description)
        report = await asyncio.to_thread(control.ask, tmp_path / "data", "report")
        assert report["uplink"]["connected"] is True
        assert all(device["reachable"] for device in report["buses"][0]["devices"])
        assert "connected for" in status.render(report)
        gateway.send_signal(signal.SIGTERM)
        assert await gateway.wait() == 0
        await server.wait_for(lambda: not server.states()[-1].online)
    found = samples(server, description)
    for device in range(3):
        series = found[device, "voltage"]
        assert set(series.values()) == {2301 + device}
        assert all(after - before == 100 for before, after in pairwise(sorted(series)))
    assert {name for _, name in found} == {channel.name for channel in description.channels}
    assert not (tmp_path / "data" / control.NAME).exists()


async def test_a_killed_gateway_begins_where_it_stopped_and_loses_a_second_at_most(
    peer: Any, city: City, write_config: Write, tmp_path: Path
) -> None:
    path = write_config(peer.address, devices=2, broker=city.port, key=KEY, password=PASSWORD)
    async with serve(city) as server:
        server.judge = lambda message: None if isinstance(message, Batch) else AckStatus.STORED
        async with process(path) as gateway:
            await server.wait_for(lambda: len(of(server, Batch)) >= 2)
            killed_at = clock.boottime_ms()
            gateway.kill()
            await gateway.wait()
        server.judge = lambda _: AckStatus.STORED
        before = {message.origin.seq for message in server.spooled()}
        async with process(path):
            await server.wait_for(lambda: len({one.origin.seq for one in of(server, Batch)} - before) >= 2)
    (incarnation,) = {batch.origin.incarnation for batch in of(server, Batch)}
    messages = [message for message in server.spooled() if message.origin.incarnation == incarnation]
    seqs = {message.origin.seq for message in messages}
    assert seqs == set(range(1, max(seqs) + 1))
    assert len({encode(message) for message in messages}) == len(seqs)
    (birth,) = (message for message in messages if isinstance(message, Birth))
    description = decode_description(birth.description)
    times = sorted(samples(server, description)[0, "voltage"])
    assert killed_at - max(at for at in times if at <= killed_at) <= 1000 + 100  # and a period


async def test_a_command_from_the_server_moves_the_lamp_and_its_result_comes_back(
    peer: Any, city: City, write_config: Write
) -> None:
    path = write_config(peer.address, devices=1, broker=city.port, key=KEY, password=PASSWORD)
    path.write_text(path.read_text().replace("meter_1p", "lamp_controller"))
    async with serve(city) as server, inside(path) as agent:
        await server.wait_for(lambda: bool(of(server, Batch)))
        now = clock.SystemClock().now().utc_ms
        command = Command(
            agent.gateway,
            agent.spool.snapshot.incarnation,
            1,
            bytes(range(16)),
            now,
            now + 30_000,
            agent.site.devices[0][0].code,
            "dim_setpoint",
            Decimal(42),
            "li",
        )
        await server.send(command, KEY)
        await server.wait_for(lambda: bool(told(server, "command-result")))
    (event,) = told(server, "command-result")
    assert peer.holding[1][0] == 42
    assert event.source == command.device
    assert (event.data["id"], event.data["status"], event.data["readback"]) == (command.id, "done", 42)


async def test_a_device_that_falls_silent_is_told_of_in_event_and_state(
    peer: Any, city: City, write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.bus.health.FAILING_MS", 300)
    path = write_config(peer.address, devices=2, broker=city.port, key=KEY, password=PASSWORD)
    path.write_text(path.read_text().replace("timeout_s = 0.3", "timeout_s = 0.05"))  # probes may take a twentieth
    async with serve(city) as server, inside(path) as agent:
        await server.wait_for(lambda: bool(of(server, Batch)))
        peer.silent = {2}
        await server.wait_for(lambda: [e.kind for e in of(server, Event)].count("device-unreachable") == 1)
        await server.wait_for(lambda: not all(device.reachable for device in server.states()[-1].devices))
        await server.wait_for(lambda: {Quality.BAD_TIMEOUT, Quality.BAD_NO_COMMUNICATION} <= qualities(server))
        peer.silent = set()
        await server.wait_for(lambda: [e.kind for e in of(server, Event)].count("device-back") == 1)
        await server.wait_for(lambda: all(device.reachable for device in server.states()[-1].devices))
    code = agent.site.devices[0][1].code
    assert {event.source for event in of(server, Event) if event.kind.startswith("device-")} == {code}
    (unreachable,) = told(server, "device-unreachable")
    assert "no answer" in str(unreachable.data["detail"])


async def test_a_fault_that_no_database_can_hold_does_not_cost_the_state(
    peer: Any, city: City, write_config: Write
) -> None:
    path = write_config(peer.address, broker=city.port, key=KEY, password=PASSWORD)
    async with serve(city) as server, inside(path) as agent:
        await server.wait_for(lambda: bool(server.states()))
        health = agent.buses[0].health.devices[0]
        health.detail, health.fault_at = "the modem said \0 and \ud800", clock.boottime_ms()
        agent.uplink.state_changed()
        await server.wait_for(lambda: server.states()[-1].devices[0].detail == "the modem said ? and ?")


def qualities(server: Server) -> set[int]:
    columns = (column for batch in of(server, Batch) for group in batch.groups for column in group.columns)
    return {code for column in columns for code in column.quality.values()}


async def test_a_clock_that_becomes_synchronised_is_told(
    peer: Any, city: City, write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.Discipline(False, 16_000)
    monkeypatch.setattr(clock, "read_discipline", lambda: now)
    monkeypatch.setattr(supervisor, "CLOCK_S", 0.05)
    path = write_config(peer.address, devices=1, broker=city.port, key=KEY, password=PASSWORD)
    async with serve(city) as server, inside(path) as agent:
        await server.wait_for(lambda: bool(of(server, Batch)))
        assert told(server, "clock-fix") == []
        assert of(server, Batch)[0].origin.clock.state is ClockState.FREE_RUNNING
        now = clock.Discipline(True, 7)
        await server.wait_for(lambda: bool(told(server, "clock-fix")))
        await server.wait_for(lambda: of(server, Batch)[-1].origin.clock.state is ClockState.SYNCHRONISED)
    (event,) = told(server, "clock-fix")
    assert (event.source, event.data["boot"]) == (agent.gateway, clock.boot_id())
    assert event.data["bound_ms"] == 7


class BrokenLine:
    """A driver with a bug: it raises what no driver should."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, *_: object) -> bytes:
        raise ZeroDivisionError("a bug")

    async def write(self, *_: object) -> Reading:
        raise ZeroDivisionError("a bug")


class Broken(TcpFamily):
    def create_line(self, _: LineConfig) -> BrokenLine:
        return BrokenLine()


async def test_a_bus_whose_driver_is_broken_does_not_end_the_others(
    peer: Any, write_config: Write, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from protocols import citycode

    more = f"""[[bus]]
name = "broken"
driver = "broken"
address = "nowhere:1"
[[bus.device]]
code = "{citycode.mint("D", "1101149001009999").text}"
name = "Victim"
model = "meter_1p"
period_s = 0.05
"""
    path = write_config(peer.address, devices=1, more=more)
    with caplog.at_level(logging.ERROR):
        async with inside(path, {**catalog.BUILTIN, "broken": Broken()}) as agent:
            await until(
                lambda: [one.message for one in caplog.records if "bus broken: failed unexpectedly" in one.message]
            )
            seen = agent.buses[0].counters.devices[0].values
            await until(lambda: agent.buses[0].counters.devices[0].values > seen + 20)


async def test_two_gateways_never_work_in_one_data_directory(peer: Any, write_config: Write, until: Any) -> None:
    path = write_config(peer.address)
    async with inside(path) as first:
        await until(lambda: first.buses[0].is_open)
        settings = config.load(path, {}, catalog.BUILTIN)
        second = Agent(site.build(settings), catalog.BUILTIN, KEY, PASSWORD)
        with pytest.raises(CannotRun, match="another hutong-agent"):
            await second.run(asyncio.Event())
        assert (path.parent / "data" / "lock").read_text() == f"{os.getpid()}\n"


async def test_metrics_are_there_while_the_gateway_runs(
    peer: Any, write_config: Write, tmp_path: Path, until: Any
) -> None:
    path = write_config(peer.address)
    file = tmp_path / "data" / "metrics.port"
    async with inside(path) as agent:
        port = int(await until(lambda: file.exists() and file.read_text()))
        await until(lambda: agent.buses[0].counters.devices[0].values)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        text = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    assert 'hutong_agent_bus_open{bus="street"} 1' in text
    assert "hutong_agent_pipeline_total" in text


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_gateway_whose_disk_fails_still_tells_how_it_is(
    peer: Any, write_config: Write, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    monkeypatch.setattr(supervisor, "REPORT_S", 0.05)

    async def read(*_: object) -> list[Any]:
        if hangs:
            await asyncio.sleep(60)
        raise SpoolRefused("disk I/O error")

    async with inside(write_config(peer.address)) as agent:
        await until(lambda: (tmp_path / "data" / control.NAME).exists())
        await until(lambda: agent.uplink.fault)
        with monkeypatch.context() as broken:
            broken.setattr(agent.spool, "read", read)
            report = await asyncio.to_thread(control.ask, tmp_path / "data", "report")
    assert report["spool"]["oldest_ms"] is None
    assert report["uplink"]["fault"] in status.render(report)


async def test_a_gateway_whose_data_directory_was_deleted_ends_when_told_to_and_says_what_is_lost(
    peer: Any, city: City, write_config: Write
) -> None:
    path = write_config(peer.address, broker=city.port, key=KEY, password=PASSWORD)
    command = [sys.executable, "-m", "agent.cli", "run", str(path)]
    gateway = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    assert gateway.stderr is not None
    async with serve(city) as server:
        await server.wait_for(lambda: bool(of(server, Batch)))
        shutil.rmtree(path.parent / "data")
        said = ""
        async with asyncio.timeout(10):
            while "the disk refuses" not in said:
                said += (await gateway.stderr.readline()).decode()
        gateway.terminate()
        told = time.monotonic()
        said += (await gateway.stderr.read()).decode()
        assert await gateway.wait() == 1
        assert time.monotonic() - told < supervisor.STOP_S
    assert "messages were not on disk and are lost" in said.splitlines()[-1]


HANGING = """
import sys, time
from pathlib import Path
from agent import config, supervisor
from drivers import catalog
from tests.agent.test_supervisor import Broken, BrokenLine

class HangingLine(BrokenLine):
    async def open(self):
        print("opening", flush=True)
        time.sleep(60)  # a driver that blocks the event loop

class Hanging(Broken):
    def create_line(self, _):
        return HangingLine()

families = {**catalog.BUILTIN, "modbus-tcp": Hanging()}
supervisor.STOP_S = 0.5
supervisor.run(config.load(Path(sys.argv[1]), {}, families), families)
"""


async def test_a_gateway_that_hangs_is_ended_all_the_same(write_config: Write) -> None:
    command = [sys.executable, "-c", HANGING, str(write_config())]
    root = Path(__file__).parents[2]
    hanging = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert hanging.stdout is not None
    assert await hanging.stdout.readline() == b"opening\n"
    hanging.terminate()
    async with asyncio.timeout(10):
        _, said = await hanging.communicate()
    assert hanging.returncode == 1
    assert b"not stopped within 0.5 s" in said


async def test_a_task_that_loses_a_cancellation_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "INSIST_S", 0.05)

    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(deaf())
        await asyncio.sleep(0)
        await supervisor._end([task])
        assert task.cancelled()
