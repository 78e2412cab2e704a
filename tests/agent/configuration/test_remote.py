"""Configurations that the server desires, given to real gateways over a real broker."""

# ruff: noqa: ASYNC240 - a small file of the test's own

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import clock
from protocols.edge.desired import Desired, unpack
from protocols.edge.messages import Event
from tests.agent.configuration.test_change import (
    CHANGED,
    DEVICES,
    _units,
    devices,
    gaps,
    of,
    others,
    ticks,
)
from tests.agent.conftest import GATEWAY
from tests.agent.gateways import inside, process
from tests.agent.uplink.peers import KEY, City, Server, serve

Write = Callable[..., Path]


def results(server: Server) -> list[dict[str, Any]]:
    return [dict(event.data) for event in of(server, Event) if event.kind == "configuration-result"]


def texts(server: Server) -> list[str]:
    return [unpack(event.data["text"]) for event in of(server, Event) if event.kind == "configuration-text"]


async def reported(server: Server) -> bytes:
    """The hash of what the gateway runs, from its last state."""
    await server.wait_for(lambda: bool(server.states()))
    told = server.states()[-1].configuration
    assert told is not None
    return told.hash


def running_now(server: Server) -> bytes:
    told = server.states()[-1].configuration
    return b"" if told is None else told.hash


async def desire(server: Server, text: str, number: int, *, key: bytes = KEY, **changes: Any) -> None:
    await server.wait_for(lambda: bool(server.states()))
    incarnation = changes.pop("incarnation", server.states()[-1].incarnation)
    values: dict[str, Any] = {"issued": 1, "trial_ms": 1000, "principal": "user:op"} | changes
    await server.send(Desired(GATEWAY, incarnation, number, text=text, **values), key)


async def outcome(server: Server, number: int, seconds: float = 20) -> dict[str, Any]:
    """The last word on it: not that its trial begins."""

    def said() -> list[dict[str, Any]]:
        return [one for one in results(server) if one["desired"] == number and one["status"] != "on-trial"]

    await server.wait_for(lambda: bool(said()), seconds)
    return said()[-1]


async def test_what_the_server_desires_is_tried_kept_and_reported_and_stands_in_the_file(
    peer: Any, city: City, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=2, broker=city.port, key=KEY, password="gateway's")
    before = path.read_text()
    async with serve(city) as server, inside(path):
        await server.wait_for(lambda: texts(server) == [before])
        after = texts(server)[0].replace("\nunit = 2\n", "\nunit = 9\n")
        await desire(server, after, 1, base=await reported(server))
        done = await outcome(server, 1)
        assert (done["status"], done["number"]) == ("applied", 2)
        assert [one["status"] for one in results(server)] == ["on-trial", "applied"]
        assert "street: Meter 2 (" in results(server)[0]["lines"]
        await server.wait_for(lambda: running_now(server) == done["hash"])
        await until(lambda: path.read_text() == after)
        assert path.with_name("gateway.toml.before").read_text() == before
        assert not path.with_name("gateway.toml.desired").exists()
        await server.wait_for(lambda: texts(server) == [before, after])


@pytest.fixture
def path(peer: Any, city: City, write_config: Write) -> Path:
    return write_config(peer.address, devices=2, broker=city.port, key=KEY, password="gateway's")


async def test_a_dry_run_tells_who_would_notice_and_changes_nothing(city: City, path: Path) -> None:
    before = path.read_text()
    async with serve(city) as server, inside(path):
        running = await reported(server)
        await desire(server, before.replace("\nunit = 2\n", "\nunit = 9\n"), 1, dry=True)
        said = await outcome(server, 1)
        assert (said["status"], said["hash"]) == ("checked", running)
        assert "changes (unit)" in said["lines"]
        assert "% of its time" in said["lines"]
        await desire(server, before.replace("unit = 2", "unti = 2"), 2, dry=True)
        said = await outcome(server, 2)
        line = before.splitlines().index("unit = 2") + 1
        assert said["status"] == "refused"
        assert f"{path}:{line}: bus[0].device[1].unti" in said["lines"]
        assert path.read_text() == before


async def test_what_was_written_for_another_configuration_is_a_conflict_unless_forced(city: City, path: Path) -> None:
    before = path.read_text()
    after = before.replace("\nunit = 2\n", "\nunit = 9\n")
    async with serve(city) as server, inside(path):
        await desire(server, after, 1, base=bytes(32))
        assert (await outcome(server, 1))["status"] == "conflict"
        path.write_text(before.replace("Meter 1", "Meter one"))
        await desire(server, after, 2, base=await reported(server))
        said = await outcome(server, 2)
        assert (
            said["status"],
            said["detail"].endswith("was changed at the gateway, and not applied: what holds?"),
        ) == (
            "refused",
            True,
        )
        await desire(server, after, 3)
        assert (await outcome(server, 3))["status"] == "applied"
    assert path.read_text() == after
    assert "Meter one" in path.with_name("gateway.toml.before").read_text()


async def test_what_is_old_forged_stale_or_anothers_changes_nothing(city: City, path: Path, until: Any) -> None:
    text = path.read_text().replace("\nunit = 2\n", "\nunit = 9\n")
    async with serve(city) as server, inside(path) as agent:
        refused = agent.uplink.counters.refused
        await desire(server, text, 5, dry=True)
        await outcome(server, 5)
        await desire(server, text, 4)
        await until(lambda: refused["replayed"] == 1)
        await desire(server, text, 5)  # sent again: it was answered
        await desire(server, text, 6, key=bytes(32))
        await until(lambda: refused["seal"] == 1)
        await desire(server, text, 6, incarnation=1)
        await until(lambda: refused["incarnation"] == 1)
        await desire(server, text, 7, issued=1, expires=2)
        assert (await outcome(server, 7))["status"] in ("expired", "refused")
        await server.send(Desired(GATEWAY, agent.incarnation(), 8, 1, text, 1000, "user:op"), KEY, retain=True)
        assert {one["desired"] for one in results(server)} == {5, 7}
        assert agent.configuration.told().number == 1


@pytest.mark.long
async def test_a_trial_whose_device_does_not_answer_returns_and_the_file_stays(
    peer: Any, city: City, path: Path
) -> None:
    before = path.read_text()
    peer.silent.add(77)
    async with serve(city) as server, process(path):
        running = await reported(server)
        await desire(server, before.replace("\nunit = 2\n", "\nunit = 77\n"), 1, trial_ms=2000)
        said = await outcome(server, 1)
        assert (said["status"], said["hash"]) == ("returned", running)
        assert said["detail"].startswith("no answer from Meter 2 (")
    assert path.read_text() == before
    assert not path.with_name("gateway.toml.desired").exists()


@pytest.mark.long
async def test_a_gateway_that_is_killed_in_a_trial_runs_the_good_one_and_answers(
    peer: Any, city: City, path: Path, until: Any
) -> None:
    before = path.read_text()
    async with serve(city) as server:
        async with process(path) as gateway:
            await desire(server, before.replace("\nunit = 2\n", "\nunit = 9\n"), 1, trial_ms=60_000)
            await server.wait_for(lambda: [one["status"] for one in results(server)] == ["on-trial"], 20)
            gateway.send_signal(signal.SIGKILL)
            await gateway.wait()
        assert path.read_text() == before
        async with process(path):
            assert (await outcome(server, 1))["status"] == "returned"
            await until(lambda: _units(path, {1, 2}))


@pytest.mark.long
async def test_to_change_one_device_from_afar_costs_the_others_no_tick(
    peer: Any, city: City, write_config: Write, until: Any
) -> None:
    path = write_config(peer.address, devices=DEVICES, broker=city.port, key=KEY, password="gateway's")
    lost: list[dict[str, set[int]]] = []
    async with serve(city) as server, process(path):
        await server.wait_for(lambda: len(ticks(server)) == DEVICES, 20)
        before = await devices(path)
        for number, unit in enumerate((107, 108, 109, 110), 1):
            text = path.read_text()
            was = next(part for part in (f"\nunit = {CHANGED}\n", f"\nunit = {unit - 1}\n") if part in text)
            began = clock.boottime_ms()
            await desire(server, text.replace(was, f"\nunit = {unit}\n"), number)
            assert (await outcome(server, number))["status"] == "applied"
            ended = clock.boottime_ms()
            await server.wait_for(lambda: min(at[-1] for at in others(server, before).values()) > ended)  # noqa: B023
            lost.append(gaps(others(server, before), began - 500, ended))
            if not lost[-1]:
                break
    assert {} in lost, lost
