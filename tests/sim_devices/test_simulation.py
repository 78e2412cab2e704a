import asyncio
import json
from pathlib import Path

import pytest

from protocols.modbus.codes import Function
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ReadRegisters
from protocols.modbus.tcp import encode_tcp
from sim_devices.config import Config, load
from sim_devices.simulation import Simulation

TEXT = """\
journal = "journal.jsonl"
state = "state.json"
ports_file = "ports.json"
[[bus]]
name = "bench"
kind = "tcp"
[[bus.device]]
code = "D1"
model = "meter_1p"
[[bus]]
name = "line"
kind = "pty"
link = "ttySIM"
[[bus.device]]
code = "D2"
model = "lamp_controller"
"""


def configured(folder: Path, text: str = TEXT) -> Config:
    (folder / "sim.toml").write_text(text, encoding="utf-8")
    return load(folder / "sim.toml")


async def poll_count(address: str) -> int:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    request = ReadRegisters(Function.READ_INPUT_REGISTERS, 14, 2)
    writer.write(encode_tcp(Frame(1, request.encode(), 1)))
    answer = await reader.readexactly(13)
    writer.close()
    return int.from_bytes(answer[9:13], "big")


async def test_addresses_are_written_down_and_every_answer_is_in_the_journal(tmp_path: Path) -> None:
    async with Simulation(configured(tmp_path)) as simulation:
        ports = json.loads((tmp_path / "ports.json").read_text())
        assert ports == {"bench": simulation.servers[0].address, "line": str(tmp_path / "ttySIM")}
        counts = [await poll_count(ports["bench"]) for _ in range(3)]
        lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert counts == [1, 2, 3]
    assert [line["registers"] for line in lines] == [[0, 1], [0, 2], [0, 3]]
    expected = {"device": "D1", "unit": 1, "table": "input", "address": 14, "count": 2, "fault": None}
    assert all(line.items() >= expected.items() for line in lines)
    assert [line["t"] for line in lines] == sorted(line["t"] for line in lines)
    assert not (tmp_path / "ttySIM").is_symlink()


async def test_a_simulation_that_is_started_again_goes_on_with_its_counters(tmp_path: Path) -> None:
    async with Simulation(configured(tmp_path)) as simulation:
        energy = simulation.world.devices["D1"].snapshot()["energy_dw_ms"]
        await poll_count(simulation.servers[0].address)
    async with Simulation(configured(tmp_path)) as simulation:
        assert simulation.world.devices["D1"].snapshot()["energy_dw_ms"] >= energy
        assert await poll_count(simulation.servers[0].address) > 1


async def test_accelerated_time_is_not_set_back_by_a_restart(tmp_path: Path) -> None:
    config = configured(tmp_path, "speed = 1e6\n" + TEXT)
    async with Simulation(config) as simulation:
        simulation.world.advance(simulation.now().sim_ms)
        reached = simulation.world.now_ms
    async with Simulation(config) as simulation:
        assert simulation.world.now_ms >= reached


async def test_a_snapshot_that_is_none_is_left_out_of_account(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state.json").write_text("{half")
    async with Simulation(configured(tmp_path)) as simulation:
        assert simulation.world.devices
    assert "no snapshot" in caplog.text


async def test_a_port_that_is_taken_is_named_with_its_bus(tmp_path: Path) -> None:
    async with Simulation(configured(tmp_path)) as running:
        taken = running.servers[0].address
        text = TEXT.replace('kind = "tcp"', f'kind = "tcp"\nlisten = "{taken}"').replace('"ttySIM"', '"other"')
        with pytest.raises(OSError, match=f"bus bench on {taken}: .*in use"):
            async with Simulation(configured(tmp_path, text)):
                pytest.fail("it started")


async def test_the_world_moves_although_nobody_asks(tmp_path: Path) -> None:
    config = configured(tmp_path, "speed = 1000\nstart = 2026-06-21T18:00:00+08:00\n" + TEXT)
    async with Simulation(config) as simulation:
        first = simulation.world.now_ms
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(simulation.run())
            deadline = asyncio.get_running_loop().time() + 5
            while simulation.world.now_ms == first:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.02)
            running.cancel()
