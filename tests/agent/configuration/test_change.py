"""Changes of a running gateway, as it is deployed: real processes, a real broker, a real line."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent import cli, clock, control
from agent.control import Declined
from drivers import catalog
from drivers.base import Line, LineConfig
from drivers.modbus.family import TcpFamily
from protocols import citycode
from protocols.edge.birth import decode_description, description_hash
from protocols.edge.messages import Batch, Birth, Configuration, Event
from tests.agent.gateways import inside, process
from tests.agent.uplink.peers import KEY, City, Server, serve

Write = Callable[..., Path]
DEVICES = 20
CHANGED = 7  # unit
YARD = citycode.mint("D", "1101149001009999").text


async def ask(file: Path, name: str, **details: Any) -> Any:
    return await asyncio.to_thread(control.ask, file.parent / "data", name, timeout_s=30, **details)


async def configuration(path: Path) -> dict[str, Any]:
    with suppress(control.NotRunning):
        told: dict[str, Any] = await ask(path, "configuration")
        return told
    return {}


async def apply(path: Path, **details: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await ask(path, "apply", path=str(path), **details)
    return answer


async def devices(path: Path) -> dict[str, dict[str, Any]]:
    report = await ask(path, "report")
    return {device["code"]: device for bus in report["buses"] for device in bus["devices"]}


def of(server: Server, kind: type) -> list[Any]:
    return [message for message in server.spooled() if isinstance(message, kind)]


def ticks(server: Server, channel: str = "voltage") -> dict[str, list[int]]:
    """By device code, whatever the aliases were called in each birth: when it has a value."""
    named: dict[bytes, dict[int, str]] = {}
    for birth in of(server, Birth):
        told = decode_description(birth.description)
        named[description_hash(birth.description)] = {
            one.alias: told.devices[one.device].code for one in told.channels if one.name == channel
        }
    found: dict[str, list[int]] = {}
    for batch in of(server, Batch):
        for group in batch.groups:
            for column in group.columns:
                if (code := named[batch.birth].get(column.alias)) is not None:
                    found.setdefault(code, []).extend(
                        batch.origin.boottime_ms + int(at) for at in group.times[column.present]
                    )
    return {code: sorted(at) for code, at in found.items()}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def block(path: Path, unit: int) -> str:
    """The tables of one device in the file."""
    found = next(part for part in path.read_text().split("[[bus.device]]") if f"\nunit = {unit}\n" in part)
    return f"[[bus.device]]{found}"


async def test_to_change_one_device_of_twenty_costs_the_others_no_tick(
    peer: Any, city: City, write_config: Write, until: Any
) -> None:
    """One device gets another unit and one goes or comes, so that every alias moves. On a machine that others load a
    tick may be lost at any time; if the change cost one, it would be lost each time."""
    path = write_config(peer.address, devices=DEVICES, broker=city.port, key=KEY, password="gateway's")
    whole, first = path.read_text(), block(path, 1)
    lost: list[dict[str, set[int]]] = []
    async with serve(city) as server, process(path):
        await server.wait_for(lambda: len(ticks(server)) == DEVICES)
        before, connections = await devices(path), peer.connections
        for unit in (107, 108, 109, 110):
            path.write_text(whole)
            edit(path, f"\nunit = {CHANGED}\n", f"\nunit = {unit}\n")
            if unit % 2:
                edit(path, first, "")
            began = clock.boottime_ms()
            answer = await apply(path, trial_s=1)
            assert f"devices that stay as they are and miss no poll: {DEVICES - 2}" in answer["lines"]
            await until(lambda: _settled(path, answer["number"]))  # noqa: B023
            ended = clock.boottime_ms()
            await server.wait_for(lambda: min(at[-1] for at in others(server, before).values()) > ended)  # noqa: B023
            assert unit in {device["unit"] for device in (await devices(path)).values()}
            lost.append(gaps(others(server, before), began - 500, ended))
            if not lost[-1]:
                break
        assert peer.connections == connections
    assert {} in lost, lost
    assert len({description_hash(birth.description) for birth in of(server, Birth)}) > 1


def others(server: Server, devices: dict[str, dict[str, Any]]) -> dict[str, list[int]]:
    """The ticks of those that are not touched."""
    return {code: at for code, at in ticks(server).items() if devices[code]["unit"] not in (1, CHANGED)}


def gaps(found: dict[str, list[int]], first: int, last: int) -> dict[str, set[int]]:
    """By device, the steps between ticks within that time that are not of its period."""
    within = {code: [tick for tick in at if first <= tick <= last] for code, at in found.items()}
    steps = {code: {after - tick for tick, after in pairwise(at)} - {100} for code, at in within.items()}
    return {code: odd for code, odd in steps.items() if odd}


async def _settled(path: Path, number: int) -> bool:
    told = await configuration(path)
    return bool(told.get("number") == number and told["trial_left_s"] is None)


async def test_a_bad_file_is_refused_by_name_and_the_old_one_goes_on(
    peer: Any, write_config: Write, until: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_config(peer.address, devices=2)
    async with process(path) as gateway:
        running = await until(lambda: configuration(path))
        edit(path, "unit = 2\nperiod_s", "unit = 999\nperod_s")
        line = path.read_text().splitlines().index("unit = 999") + 1
        answer = await apply(path)
        assert answer["number"] is None
        assert any(
            problem.startswith(f"{path}:{line}: bus[0].device[1].unit: 999") and "Meter 2" in problem
            for problem in answer["problems"]
        )
        assert any("did you mean 'period_s'?" in problem for problem in answer["problems"])
        assert await asyncio.to_thread(cli.main, ["apply", str(path)]) == 2
        assert "refused; the gateway goes on as before" in capfd.readouterr().err
        gateway.send_signal(signal.SIGHUP)
        await asyncio.sleep(0)
        told = await configuration(path)
        assert (told["number"], told["hash"]) == (running["number"], running["hash"])
        assert "bus[0].device[1]" in told["refused"]["reason"]
        polls = (await devices(path)).popitem()[1]["polls"]
        await until(lambda: _polled(path, polls + 3))


async def _polled(path: Path, polls: int) -> bool:
    return bool(min(device["polls"] for device in (await devices(path)).values()) >= polls)


@pytest.mark.long
async def test_a_trial_whose_device_does_not_answer_returns_by_itself_and_is_not_started_with(
    peer: Any, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=2)
    peer.silent.add(77)
    async with process(path):
        good = await until(lambda: configuration(path))
        await until(lambda: _polled(path, 2))
        edit(path, "unit = 2\n", "unit = 77\n")
        answer = await apply(path, trial_s=1)
        assert answer["number"] == good["number"] + 1
        told = await until(lambda: _refused(path))
        assert told["number"] == good["number"]
        assert told["refused"]["number"] == answer["number"]
        assert told["refused"]["reason"].startswith("no answer from Meter 2 (")
        await until(lambda: _units(path, {1, 2}))
        await until(lambda: _polled(path, 2))
    async with process(path):
        told = await until(lambda: configuration(path))
        assert (told["hash"], told["refused"]["number"]) == (good["hash"], answer["number"])
        assert {device["unit"] for device in (await devices(path)).values()} == {1, 2}


async def _units(path: Path, units: set[int]) -> bool:
    return {device["unit"] for device in (await devices(path)).values()} == units


async def _refused(path: Path) -> dict[str, Any] | None:
    told = await configuration(path)
    return told if told["refused"] and told["trial_left_s"] is None else None


@pytest.mark.long
async def test_a_trial_that_nobody_confirms_returns(peer: Any, write_config: Write, until: Any) -> None:
    path = write_config(peer.address, devices=2)
    async with process(path):
        good = await until(lambda: configuration(path))
        edit(path, "period_s = 0.1", "period_s = 0.2")
        await apply(path, trial_s=1, confirm=True)
        told = await until(lambda: _refused(path))
        assert (told["number"], told["refused"]["reason"]) == (good["number"], "not confirmed")
        answer = await apply(path, trial_s=1, confirm=True)
        await ask(path, "confirm", number=answer["number"])
        await until(lambda: _settled(path, answer["number"]))
        assert (await configuration(path))["refused"] is None


@pytest.mark.long
async def test_a_gateway_killed_in_a_trial_starts_with_the_last_good_one_and_says_why(
    peer: Any, city: City, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=2, broker=city.port, key=KEY, password="gateway's")
    async with serve(city) as server:
        async with process(path) as gateway:
            good = await until(lambda: configuration(path))
            edit(path, "period_s = 0.1", "period_s = 0.5")
            answer = await apply(path, trial_s=300)
            assert (await configuration(path))["number"] == answer["number"] == good["number"] + 1
            gateway.kill()
            await gateway.wait()
        async with process(path):
            told = await until(lambda: configuration(path))
            assert (told["number"], told["hash"]) == (good["number"], good["hash"])
            assert told["refused"]["reason"] == "the gateway ended before its trial did"
            assert {device["period_ms"] for device in (await devices(path)).values()} == {100}
            await server.wait_for(lambda: "configuration-refused" in {event.kind for event in of(server, Event)})
            await server.wait_for(lambda: bool(reported(server).refused))
            told_fleet = reported(server)
            assert (told_fleet.number, told_fleet.hash.hex()) == (good["number"], good["hash"])
            assert not told_fleet.on_trial


def reported(server: Server) -> Configuration:
    found = server.states()[-1].configuration
    assert found is not None
    return found


async def test_sighup_takes_the_file_and_only_a_new_bus_is_opened(peer: Any, write_config: Write, until: Any) -> None:
    path = write_config(peer.address, devices=1)
    async with process(path) as gateway:
        good = await until(lambda: configuration(path))
        await until(lambda: _polled(path, 1))
        connections = peer.connections
        yard = block(path, 1).replace("Meter 1", "Yard").replace(next(iter(await devices(path))), YARD)
        bus = f'[[bus]]\nname = "yard"\ndriver = "modbus-tcp"\naddress = "localhost:{peer.port}"\n'
        path.write_text(f"{path.read_text()}\n{bus}{yard}")
        gateway.send_signal(signal.SIGHUP)
        await until(lambda: _runs(path, good["number"] + 1))
        await until(lambda: _polled(path, 5))
        assert YARD in await devices(path)
        assert peer.connections == connections + 1
        path.write_text(path.read_text().replace("localhost", "127.0.0.2"))
        with pytest.raises(control.Declined, match="is on trial"):
            await apply(path)


async def _runs(path: Path, number: int) -> bool:
    return bool((await configuration(path))["number"] == number)


async def test_what_only_a_start_can_change_is_said_and_not_tried(peer: Any, write_config: Write, until: Any) -> None:
    path = write_config(peer.address, devices=1)
    async with process(path):
        await until(lambda: configuration(path))
        edit(path, "[metrics]", "[spool]\nquota_mb = 100\n\n[metrics]")
        answer = await apply(path)
        assert answer["problems"] == [
            f"{path}: spool.quota_bytes: cannot be changed while the gateway runs; restart it to take the file as it is"
        ]
        with pytest.raises(control.Declined, match="this gateway runs with"):
            await ask(path, "apply", path=os.devnull)


def one_bus_anew(path: Path, pipeline: int) -> None:
    edit(path, "[[bus.device]]", f"[bus.options]\npipeline = {pipeline}\n[[bus.device]]")


async def test_what_is_asked_for_while_another_change_begins_waits_until_its_trial_is_over(
    peer: Any, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=2)
    async with inside(path) as agent:
        await until(lambda: agent.buses[0].is_open)
        edit(path, "unit = 2\n", "unit = 3\n")
        both = [agent.configuration.apply(60, confirmed=True) for _ in range(2)]
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(first, dict)
        assert isinstance(second, Declined)
        assert "is on trial" in str(second)


class Picky(TcpFamily):
    """A driver with a bug: options that it said were fine are not."""

    def create_line(self, config: LineConfig) -> Line:
        if config.options:
            raise ZeroDivisionError("a bug")
        return super().create_line(config)


async def test_a_line_that_cannot_be_made_leaves_all_as_it_was(peer: Any, write_config: Write, until: Any) -> None:
    path = write_config(peer.address, devices=2)
    async with inside(path, {**catalog.BUILTIN, "modbus-tcp": Picky()}) as agent:
        changer, (bus,) = agent.configuration, agent.buses
        await until(lambda: bus.is_open)
        before, whole = changer.report(), path.read_text()
        one_bus_anew(path, 7)
        with pytest.raises(Declined, match="a bug"):
            await changer.apply(60, confirmed=True)
        told = changer.report()
        assert (told["number"], told["hash"], told["trial_left_s"]) == (before["number"], before["hash"], None)
        assert told["refused"]["reason"] == "it could not be begun: a bug"
        assert changer.record.trial is None
        assert agent.buses == (bus,)
        polls = bus.counters.devices[0].polls
        await until(lambda: bus.counters.devices[0].polls > polls + 3)
        path.write_text(whole)
        assert (await changer.apply(60, confirmed=True))["lines"] == ["nothing changes"]


async def test_a_trial_in_which_nothing_was_to_be_sent_is_none_against_the_uplink(
    peer: Any, city: City, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=1, broker=city.port, key=KEY, password="gateway's", period_s=600)
    async with serve(city), inside(path) as agent:
        await until(lambda: agent.uplink.connected and agent.uplink.counters.acknowledged > 0)
        await until(lambda: agent.spool.snapshot.rows == 0)
        one_bus_anew(path, 2)
        answer = await agent.configuration.apply(1, confirmed=True)
        await until(lambda: agent.configuration.report()["trial_left_s"] is None)
        assert agent.configuration.report()["number"] == answer["number"]
        assert agent.configuration.report()["refused"] is None
