import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import clock, config, control, site, status
from agent.rules.engine import Engine
from agent.rules.memory import RuleMemory
from agent.spool import Row
from agent.supervisor import Agent
from drivers import catalog
from protocols import citycode
from protocols.edge.birth import decode_description
from protocols.edge.messages import Event, decode
from tests.agent.conftest import Peer, Until

Write = Callable[..., Path]
METER, LAMP = (citycode.mint("D", f"110114900100{number:04d}").text for number in (1, 2))
VOLTAGE = 0  # the input register of meter_1p, in tenths of a volt
RULES = f"""
[[bus.device]]
code = "{LAMP}"
name = "Lamp"
model = "lamp_controller"
unit = 2
period_s = 0.1

[[rule]]
name = "overvoltage"
when = {{ device = "{METER}", channel = "voltage", above = 250, back = 245 }}
hold_s = 0.3
repeat_s = 1
[[rule.event]]
kind = "overvoltage"
severity = 3
[[rule.write]]
device = "{LAMP}"
channel = "relay"
value = 0
"""


@asynccontextmanager
async def inside(path: Path) -> AsyncIterator[Agent]:
    """A gateway whose broker is away: nothing listens there."""
    settings = config.load(path, {}, catalog.BUILTIN)
    agent, stop = Agent(site.build(settings), catalog.BUILTIN, b"\xab" * 32, "secret"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.run(stop))
        try:
            await Until()(lambda: agent.buses[0].is_open)  # the spool is, by then
            yield agent
        finally:
            stop.set()
            await running


async def events(agent: Agent, kind: str) -> list[Event]:
    """Of the spool: what the fleet will get once the broker is back."""
    rows: list[Row] = await agent.spool.read(0, 10_000)
    messages: list[Any] = [decode(row.payload) for row in rows]
    return [one for one in messages if isinstance(one, Event) and one.kind == kind]


async def test_a_rule_writes_a_coil_and_tells_of_it_while_the_broker_is_away(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    peer.coils[2] = {0: 1}
    path = write_config(peer.address, devices=1, more=RULES)
    async with inside(path) as agent:
        await until(lambda: agent.rules is not None and agent.rules.report()[0]["condition"] == "false")
        assert peer.coils[2][0] == 1
        peer.input[1][VOLTAGE] = 2510

        (told,) = await until(lambda: events(agent, "overvoltage"))
        assert (told.source, told.severity) == (METER, 3)
        assert (told.data["rule"], told.data["state"]) == ("overvoltage", "fired")
        assert (told.data["channel1"], told.data["value1"]) == (f"{METER} voltage", pytest.approx(251.0))
        (result,) = await until(lambda: events(agent, "rule-command"))
        assert (result.source, result.data["status"], result.data["rule"]) == (LAMP, "done", "overvoltage")
        assert (result.data["channel"], result.data["readback"]) == ("relay", 0)
        assert peer.coils[2][0] == 0
        written = [one for one in peer.requests if one[:2] == (2, 5)]
        assert len(written) == 1

        page = status.render(await asyncio.to_thread(control.ask, agent.data_dir, "report"))
        assert "rule     overvoltage  ACTIVE, its condition true" in page
        peer.input[1][VOLTAGE] = 2300
        await until(lambda: agent.rules is not None and not agent.rules.report()[0]["active"])
        assert [one.data["state"] for one in await until(lambda: two(agent))] == ["fired", "cleared"]
        assert not agent.uplink.connected


async def two(agent: Agent) -> list[Event]:
    found = await events(agent, "overvoltage")
    return found if len(found) == 2 else []


async def test_a_rule_fires_again_after_a_restart_that_it_outlasts(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2510}
    peer.coils[2] = {0: 1}
    path = write_config(peer.address, devices=1, more=RULES)
    async with inside(path) as agent:
        await until(lambda: events(agent, "rule-command"))
    peer.coils[2][0] = 1  # somebody, or a power cut, undid it
    async with inside(path) as agent:
        await until(lambda: peer.coils[2][0] == 0)
        assert [one.data["state"] for one in await until(lambda: two(agent))] == ["fired", "fired"]


async def test_a_rule_that_was_active_clears_after_the_restart_in_which_it_ended(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2510}
    path = write_config(peer.address, devices=1, more=RULES)
    async with inside(path) as agent:
        await until(lambda: events(agent, "rule-command"))
    peer.input[1][VOLTAGE] = 2300
    async with inside(path) as agent:
        assert [one.data["state"] for one in await until(lambda: two(agent))] == ["fired", "cleared"]
        assert len(await events(agent, "rule-command")) == 1


async def test_an_engine_of_another_configuration_goes_on_where_the_one_before_it_was(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2510}
    async with inside(write_config(peer.address, devices=1, more=RULES)) as agent:
        await until(lambda: events(agent, "rule-command"))
        before = agent.rules
        assert before is not None
        described = decode_description(agent.site.description)
        codes = [device.code for device in described.devices]
        memory = RuleMemory(agent.data_dir / "rules.json", agent.boot)
        rules = agent.site.config.rules
        after = Engine(rules, described.channels, codes, agent, memory, before.known)
        assert after.report()[0] | {"since_ms": 0, "fired_ms": 0} == before.report()[0] | {"since_ms": 0, "fired_ms": 0}
        agent.rules = after
        seen = agent.pipeline.counters.values
        await until(lambda: agent.pipeline.counters.values > seen)
        assert after.report()[0]["condition"] == "true"
        assert (len(await events(agent, "overvoltage")), after.report()[0]["fired"]) == (1, 1)


async def test_a_clock_that_was_never_set_does_not_stop_a_rule(
    peer: Peer, write_config: Write, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.input[1] = {VOLTAGE: 2510}
    peer.coils[2] = {0: 1}
    monkeypatch.setattr(clock, "FLOOR_MS", 2**60)
    async with inside(write_config(peer.address, devices=1, more=RULES)) as agent:
        (result,) = await until(lambda: events(agent, "rule-command"))
        assert (agent.now().clock.state.name, result.data["status"]) == ("UNSET", "done")


async def test_what_must_hold_for_a_write_is_read_from_the_device_first(
    peer: Peer, write_config: Write, until: Until
) -> None:
    peer.input[1] = {VOLTAGE: 2510}
    peer.coils[2] = {0: 1}
    needs = f'\nrequires = [{{ device = "{LAMP}", channel = "dim_setpoint", low = 10, high = 20 }}]'
    async with inside(write_config(peer.address, devices=1, more=RULES.rstrip() + needs)) as agent:
        (result,) = await until(lambda: events(agent, "rule-command"))
        assert result.data["status"] == "refused"
        assert "dim_setpoint" in str(result.data["detail"])
        assert peer.coils[2][0] == 1


async def test_a_hold_ends_though_nothing_is_read_any_more(peer: Peer, write_config: Write, until: Until) -> None:
    peer.input[1] = {VOLTAGE: 2300}
    dead = RULES.replace("above = 250, back = 245", "above = 1000, missing = 'true', max_age_s = 3")
    async with inside(write_config(peer.address, devices=1, more=dead)) as agent:
        await until(lambda: agent.rules is not None and agent.rules.report()[0]["condition"] == "false")
        await peer.stop()
        (told,) = await until(lambda: events(agent, "overvoltage"))
        assert told.data["state"] == "fired"


async def test_a_gateway_without_rules_imports_nothing_for_them(peer: Peer, write_config: Write) -> None:
    path = write_config(peer.address, devices=1)
    code = (
        "import sys\nfrom pathlib import Path\nfrom agent import config, site\nfrom agent.supervisor import Agent\n"
        "from drivers import catalog\n"
        f"Agent(site.build(config.load(Path({str(path)!r}), {{}}, catalog.BUILTIN)), catalog.BUILTIN, bytes(32), 'x')\n"
        "sys.exit('agent.rules.engine' in sys.modules)"
    )
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await running.wait() == 0
