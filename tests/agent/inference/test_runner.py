import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import config, metrics, site, status
from agent.inference.runner import Models
from agent.pipeline.inferred import Verdict, Window
from drivers import catalog
from protocols.edge.birth import decode_description
from protocols.edge.messages import Batch, Event
from protocols.quality import Quality
from tests.agent.gateways import PASSWORD, inside
from tests.agent.inference import models
from tests.agent.uplink.peers import KEY, City, Server, serve

Write = Callable[..., Path]
TABLE = """
[[bus.device.inference]]
file = "{file}"
sha256 = "{sha256}"
channels = ["voltage"]
window = 4
hop = {hop}
outputs = ["{output}"]
"""
RULE = """
[[rule]]
name = "strange"
when = {{ device = "{device}", channel = "voltage.score", above = 220 }}
[[rule.event]]
kind = "strange"
severity = 3
"""


def table(folder: Path, data: bytes, name: str, hop: int = 2) -> str:
    return TABLE.format(file=f"{name}.onnx", sha256=models.write(folder, data, f"{name}.onnx"), output=name, hop=hop)


def told(server: Server, agent: Any, name: str) -> list[tuple[float | None, int]]:
    """What of a channel has arrived: values and qualities."""
    channels = decode_description(agent.site.description).channels
    (alias,) = (channel.alias for channel in channels if channel.name == name)
    found: list[tuple[float | None, int]] = []
    for batch in (message for message in server.spooled() if isinstance(message, Batch)):
        for group in batch.groups:
            for column in (column for column in group.columns if column.alias == alias):
                numbers = iter(column.values.tolist())
                found += [
                    (next(numbers) if present else None, column.quality.get(at, 0))
                    for at, present in enumerate(column.present.tolist())
                ]
    return found


async def test_what_a_model_says_goes_to_the_server_and_to_the_rules_like_any_channel(
    peer: Any, city: City, write_config: Write, tmp_path: Path
) -> None:
    peer.input[1] = {0: 2300}
    path = write_config(peer.address, 1, city.port, key=KEY, password=PASSWORD)
    device = path.read_text().split('code = "')[2][:18]
    text = table(tmp_path, models.mean((1, 4, 1)), "score") + table(tmp_path, models.logarithm(4), "log")
    path.write_text(path.read_text() + text + RULE.format(device=device))
    async with serve(city) as server, inside(path) as agent:
        await server.wait_for(lambda: any(one.kind == "strange" for one in server.spooled() if isinstance(one, Event)))
        await server.wait_for(lambda: bool(told(server, agent, "voltage.log")))
        assert (230.0, Quality.GOOD) in told(server, agent, "voltage.score")
        peer.input[1][0] = 0
        await server.wait_for(lambda: (None, Quality.BAD) in told(server, agent, "voltage.log"))
        assert agent.models is not None
        score, log = agent.models.report()
        assert (score["device"], score["channel"], score["failed"], score["late"]) == (device, "voltage.score", 0, 0)
        assert log["not_finite"] > 0


async def test_a_model_that_does_not_end_holds_up_no_poll_and_its_windows_are_given_up_aloud(
    peer: Any, city: City, write_config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr("agent.inference.runner.LONGEST_S", 0.5)
    monkeypatch.setattr("agent.inference.runner.ASIDE_MS", 100)
    peer.input[1] = {0: 2300}
    more = table(tmp_path, models.endless(4), "never", hop=1)
    path = write_config(peer.address, 1, city.port, 0.02, more, key=KEY, password=PASSWORD)
    async with serve(city) as server, inside(path) as agent:
        running = agent.models
        assert running is not None

        def lost() -> bool:
            (one,) = running.report()
            return bool(one["late"] and one["failed"])

        await until(lost)
        await server.wait_for(lambda: len(told(server, agent, "voltage.never")) > 10)
        assert set(told(server, agent, "voltage.never")) == {(None, Quality.BAD)}
        (counters,) = agent.buses[0].counters.devices
        assert counters.polls > 10 * counters.missed
        report = await agent._report()
        (line,) = (line for line in status.render(report).splitlines() if line.startswith("model"))
        assert "GIVEN UP, TOO SLOW" in line
        assert "FAILED" in line
        page = metrics.render(report)
        assert 'channel="voltage.never",what="late"}' in page


class Told:
    def __init__(self) -> None:
        self.verdicts: list[tuple[int, int, Verdict]] = []

    def judged(self, device: int, number: int, verdicts: Sequence[Verdict]) -> None:
        self.verdicts += [(device, number, verdict) for verdict in verdicts]


async def test_a_pass_for_a_device_that_was_changed_meanwhile_is_broken_off_and_nobodys(
    write_config: Write, tmp_path: Path, until: Any
) -> None:
    path = write_config(devices=1, more=table(tmp_path, models.endless(4), "never"))
    before, told = config.load(path, {}, catalog.BUILTIN), Told()
    path.write_text(path.read_text().replace("hop = 2", "hop = 4"))
    here = site.build(before)
    after = site.build(config.load(path, {}, catalog.BUILTIN), here)
    running = Models(told)
    running.prepare(here)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(running.run())
        running.take({(0, 0): [Window(0, np.ones((4, 1), np.float32), Quality.GOOD)]})
        await until(lambda: not running.report()[0]["waiting"])
        running.prepare(after)
        running.take({(1, 0): [Window(400, -np.ones((4, 1), np.float32), Quality.GOOD)]})
        await until(lambda: told.verdicts)
        task.cancel()
    ((device, number, verdict),) = told.verdicts
    assert (device, number, verdict.start_ms, verdict.quality) == (1, 0, 400, Quality.GOOD)
    assert running.report()[0]["failed"] == 0
