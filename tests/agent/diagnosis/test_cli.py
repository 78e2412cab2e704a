"""The commands as they are typed, beside a bus that polls a bad line on a pty."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import cli, control, report
from protocols import trace
from sim_devices.clock import Clock
from sim_devices.faults import Fault, Kind
from sim_devices.kit.trace_player import Player, Script
from sim_devices.servers import PtyServer
from tests.agent.diagnosis.rig import CODES, Rig, now, polled, simulated


async def typed(*words: object) -> int:
    return await asyncio.to_thread(cli.main, [str(word) for word in words])


async def test_a_bad_line_is_traced_diagnosed_and_met_again_on_the_desk(
    write_config: Callable[..., Path], tmp_path: Path, until: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    config, file = write_config(), tmp_path / "bad.jsonl"
    (tmp_path / "data").mkdir()
    async with simulated(tmp_path) as simulation, asyncio.TaskGroup() as tasks:
        simulation.faults.add(CODES[1], Fault(Kind.BIT_ERROR, probability=0.5))
        rig = Rig("modbus-rtu", simulation.servers[0].address, [1, 2], "meter_1p", 0.2)

        async def tell(_: object) -> object:
            return {"buses": [report.of_bus(rig.bus, rig.settings, now())]}

        serving = tasks.create_task(control.serve(tmp_path / "data", {**rig.answers, "report": tell}))
        async with polled(rig):
            await until(lambda: rig.bus.counters.devices[1].errors["nonsense"] >= 3)
            assert await typed("trace", config, "--out", file) == cli.OK
            assert await typed("trace", config, "--device", CODES[0]) == cli.OK
            assert await typed("doctor", config) == cli.FAILED
            capsys.readouterr()
            assert await typed("doctor", config, "--json") == cli.FAILED
            findings = json.loads(capsys.readouterr().out)
            assert await typed("trace", config, "--bus", "other") == cli.FAILED
            assert "no bus 'other'" in capsys.readouterr().err
        serving.cancel()
    assert [finding["cause"] for finding in findings["line"]] == ["noise"]
    (recording,) = trace.decode(file.read_text("utf-8").splitlines())
    assert recording.about.units == {"1": CODES[0], "2": CODES[1]}

    script = Script(recording)
    player = Player(script)
    server = PtyServer("replay", tmp_path / "ttyDESK", 0, player, Clock(None, 1.0).now)
    await server.start()
    again = Rig("modbus-rtu", server.address, [1, 2], "meter_1p", 0.2)
    async with polled(again):
        await until(lambda: again.bus.counters.devices[1].errors["nonsense"] >= 1)
        assert again.bus.counters.devices[0].values > 0
        heard = {piece.data for one in await again.recordings() for piece in one.pieces if not piece.sent}
    await server.close()
    assert heard <= {send.data for replies in script.replies.values() for reply in replies for send in reply.sends}
    assert player.unknown == 0


async def test_without_a_gateway_a_command_says_that_none_runs(
    write_config: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config()
    for command in ("trace", "doctor"):
        assert await typed(command, config) == cli.FAILED
        assert "no hutong-agent answers" in capsys.readouterr().err
    assert await typed("top", config) == cli.FAILED
    assert await typed("scan", config, "--bus", "nowhere") == cli.FAILED
    assert "there is no bus 'nowhere'" in capsys.readouterr().err
