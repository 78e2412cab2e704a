"""What an outsider's driver that loops, allocates or crashes costs the other devices of a gateway as it is deployed."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import control, status
from protocols import citycode
from protocols.edge.messages import Event
from tests.agent.conftest import Peer
from tests.agent.uplink.peers import GATEWAY, KEY, PASSWORD, City, Server, serve
from tests.outsider import change, install

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
OTHERS = 20
PERIOD_S = 0.1
WINDOW_S = 15.0


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    broker = City(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


def configure(folder: Path, peers: list[Peer], broker: int, drivers: str) -> Path:
    for name, secret in (("password", PASSWORD), ("key", KEY.hex())):
        (folder / name).write_text(secret)
        (folder / name).chmod(0o600)
    text = (
        f'[gateway]\ncode = "{GATEWAY}"\ndata_dir = "data"\n'
        f'[uplink]\nbroker = "mqtt://127.0.0.1:{broker}"\npassword_file = "password"\nkey_file = "key"\n{drivers}'
    )
    for number, peer in enumerate(peers):
        text += bus(f"other-{number}", "modbus-tcp", peer.address, f"110114900100{number:04d}", "meter_1p")
    if drivers:
        text += bus("strange", "acme", "10.0.0.1:1", "1101149001009999", "gauge", 'options = { mode = "mode" }\n')
    path = folder / "gateway.toml"
    path.write_text(text)
    (folder / "mode").write_text("well")
    return path


def bus(name: str, driver: str, address: str, code: str, model: str, more: str = "") -> str:
    return (
        f'[[bus]]\nname = "{name}"\ndriver = "{driver}"\naddress = "{address}"\n{more}'
        f'[[bus.device]]\ncode = "{citycode.mint("D", code).text}"\nname = "{name}"\nmodel = "{model}"\n'
        f"period_s = {PERIOD_S}\n"
    )


class Running:
    """A gateway in a process of its own, its data directory and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, said: Path, server: Server) -> None:
        self.process = process
        self.folder = folder
        self.server = server
        self._said = said

    def behave(self, how: str) -> None:
        (self.folder / "mode").write_text(how)

    def said(self) -> str:
        return self._said.read_text()

    async def report(self) -> dict[str, Any]:
        return await asyncio.to_thread(control.ask, self.folder / "data", "report")

    async def until(self, condition: Any, seconds: float = 30.0) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    report = await self.report()
                except control.NotRunning:
                    pass
                else:
                    if condition(report):
                        return report
                await asyncio.sleep(0.02)

    def events(self, kind: str) -> list[Event]:
        return [one for one in self.server.spooled() if isinstance(one, Event) and one.kind == kind]


@asynccontextmanager
async def gateway(folder: Path, city: City, drivers: str) -> AsyncIterator[Running]:
    peers = [Peer() for _ in range(OTHERS)]
    for peer in peers:
        await peer.start()
    path, said = configure(folder, peers, city.port, drivers), folder / "log"
    environ = {**os.environ, "PYTHONPATH": str(folder / "site")}
    async with serve(city) as server:
        with said.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent.cli", "run", str(path), stderr=sink, env=environ
            )
        try:
            running = Running(process, folder, said, server)
            await running.until(lambda report: all(values(bus) for bus in report["buses"]))
            yield running
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()
            for peer in peers:
                await peer.stop()


def values(bus: dict[str, Any]) -> int:
    return int(bus["devices"][0]["values"])


def tally(report: dict[str, Any]) -> tuple[int, int]:
    """Ticks of the other devices, and those of them without an answer."""
    others = [bus["devices"][0] for bus in report["buses"] if bus["name"] != "strange"]
    lost = sum(device["missed"] + sum(device["errors"].values()) for device in others)
    return sum(device["polls"] + device["missed"] for device in others), lost


def cost(before: dict[str, Any], after: dict[str, Any], what: str) -> float:
    """The share of the others' polls that was lost."""
    (ticks, lost), (ticks_then, lost_then) = tally(after), tally(before)
    share = (lost - lost_then) / (ticks - ticks_then)
    log.info("%s: %d of %d polls lost, %.3f %%", what, lost - lost_then, ticks - ticks_then, 100 * share)
    assert ticks - ticks_then > 0.8 * OTHERS * WINDOW_S / PERIOD_S
    return share


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path / "site")
    return tmp_path


async def test_a_loop_a_gigabyte_and_a_crash_cost_the_others_a_hundredth_at_most_and_are_told_by_name(
    folder: Path, city: City
) -> None:
    async with gateway(folder, city, '[drivers]\nallow = ["acme"]\n') as running:
        before = await running.report()
        await asyncio.sleep(WINDOW_S)
        after = await running.report()
        baseline = cost(before, after, "baseline")
        shares = {}
        for number, (how, words) in enumerate(
            {"loop": "it hung", "memory": "it asked for more memory", "segfault": "SIGSEGV"}.items(), 1
        ):
            before = await running.report()
            running.behave(how)
            failed = await running.until(lambda report, n=number: report["drivers"][0]["failures"] == n)
            assert words in failed["drivers"][0]["fault"]
            assert f"{words}" in running.said()
            running.behave("well")
            read = values(failed["buses"][-1])
            await running.until(lambda report, read=read: values(report["buses"][-1]) > read)
            await asyncio.sleep(max(0.0, WINDOW_S - (await elapsed(running, before))))
            shares[how] = cost(before, await running.report(), how)
        assert "driver   acme (acme-hutong 1.2)  1 running" in status.render(await running.report())
        await running.server.wait_for(lambda: len(running.events("driver-failed")) == 3)
    assert {event.data["driver"] for event in running.events("driver-failed")} == {"acme"}
    assert max(shares.values()) <= baseline + 0.01


async def elapsed(running: Running, since: dict[str, Any]) -> float:
    return float((await running.report())["uptime_ms"] - since["uptime_ms"]) / 1000


async def test_a_driver_that_keeps_hanging_is_disabled_by_name_over_restarts_until_its_code_changes(
    folder: Path, city: City
) -> None:
    drivers = '[drivers]\nallow = ["acme"]\n'
    async with gateway(folder, city, drivers) as running:
        before = await running.report()
        running.behave("loop")
        report = await running.until(lambda report: report["drivers"][0]["disabled"], 60)
        await asyncio.sleep(max(0.0, WINDOW_S - await elapsed(running, before)))
        assert cost(before, await running.report(), "until disabled") <= 0.01
        assert "DISABLED: 5 failures" in status.render(report)
        await running.server.wait_for(lambda: len(running.events("driver-disabled")) == 1)
        assert "it hung" in str(running.events("driver-disabled")[0].data["detail"])
        running.process.terminate()
        assert await running.process.wait() == 0
    (folder / "mode").write_text("well")
    environ = {**os.environ, "PYTHONPATH": str(folder / "site")}
    path = folder / "gateway.toml"
    again = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", "run", str(path), stderr=asyncio.subprocess.DEVNULL, env=environ
    )
    try:
        running.process = again
        report = await running.until(lambda report: report["buses"][-1]["fault"])
        assert "is disabled until its code or the configuration changes" in report["buses"][-1]["fault"]
        os.utime(folder / "site" / "acme" / "driver.py")
        await running.until(lambda report: values(report["buses"][-1]))
    finally:
        again.terminate()
        await again.wait()


async def test_saved_code_is_taken_within_two_seconds_and_no_other_device_misses_a_poll(
    folder: Path, city: City
) -> None:
    async with gateway(folder, city, '[drivers]\nallow = ["acme"]\nreload = true\n') as running:
        code = folder / "site" / "acme" / "driver.py"
        before, loop = await running.report(), asyncio.get_running_loop()
        saved = loop.time()
        change(code, "VERSION = 1", "VERSION = 2")
        await running.until(lambda _: "took its new code" in running.said())
        took = loop.time() - saved
        log.info("new code runs %.2f s after it was saved", took)
        change(code, "VERSION = 2", "VERSION = = 3")
        await running.until(lambda _: "the new code was not taken" in running.said())
        assert "SyntaxError: invalid syntax" in running.said()
        change(code, "VERSION = = 3", "VERSION = 3")
        await running.until(lambda _: running.said().count("took its new code") == 2)
        after = await running.report()
        assert tally(after)[1] == tally(before)[1]
        assert after["drivers"][0]["failures"] == 0
    assert took < 2
