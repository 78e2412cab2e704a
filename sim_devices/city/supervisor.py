"""Brings the block up, keeps every program of it running, and takes it down in order.

The programs of the product are only ever started, never imported: what works here works in a real deployment.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim_devices.city import block, broker, commands, configs, guest, postgres
from sim_devices.city.keeper import Keeper
from sim_devices.city.leftovers import stop_leftovers
from sim_devices.city.parts import DIVISION, Gateway
from sim_devices.city.private import (
    forget_socket_folder,
    keep_port,
    keep_secret,
    private_folder,
    socket_folder,
    write_private,
)
from sim_devices.city.program import Program, StartFailed, tail

log = logging.getLogger(__name__)

LIVE_PATIENCE_S = 60.0
LIVE_POLL_S = 0.1
INGEST_PATIENCE_S = 10.0
FLEET = "fleet_server.cli"
CONNECTED = b"connected to broker"  # what ingest logs when it has


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for."""

    folder: Path
    speed: float = 1.0
    start: datetime | None = None
    seed: int = 1
    broker: str | None = None
    journal: Path | None = None
    until_live: bool = False
    guest: Path | None = None


class City:
    """`say` shows a line to whoever started it. `run.json` in the folder tells programs the same, and more."""

    def __init__(self, wishes: Wishes, say: Callable[[str], None]) -> None:
        self._wishes, self._say = wishes, say
        self._folder, self._logs = wishes.folder, wishes.folder / "logs"
        self._gateways = block.gateways() if wishes.guest is None else (*block.gateways(), guest.GATEWAY)
        self._keeper = Keeper(say, self._note)
        self._facts: dict[str, Any] = {}
        self._begun = time.monotonic()

    async def run(self) -> bool:
        """Until it is stopped; True when it went well. Raises StartFailed when it cannot come up."""
        private_folder(self._folder)
        with self._alone():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self._keeper.stopping.set)
            stop_leftovers(self._folder)
            (self._folder / "run.json").unlink(missing_ok=True)
            sockets = socket_folder(self._folder / "sim" / "s", "control")
            database = await asyncio.to_thread(postgres.prepare, self._folder / "postgres")
            try:
                return await self._live(sockets / "control", database)
            finally:
                forget_socket_folder(sockets)
                forget_socket_folder(database.socket_dir)
                (self._folder / "run.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StartFailed(f"a city runs in {self._folder} already: stop it, or name another --dir") from None
            yield

    async def _live(self, control: Path, database: postgres.Prepared) -> bool:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keeper.watch())
                try:
                    went_well = await self._come_up(control, database)
                    if went_well and not self._wishes.until_live:
                        await self._keeper.stopping.wait()
                finally:
                    # Writers first, so that each has a listener until it is done.
                    gateways = [gateway.key for gateway in self._gateways]
                    stages = (gateways, ["sims"], ["ingest", "web"], ["broker"], ["postgres"])
                    await self._keeper.go_down(stages)
                    self._say("hutong: everything has stopped; the data stays")
        except* StartFailed as failed:
            raise StartFailed(str(_first(failed))) from None
        return went_well

    async def _come_up(self, control: Path, database: postgres.Prepared) -> bool:
        started_at = datetime.now(UTC)
        self._facts = {"pid": os.getpid(), "started_at": started_at.isoformat(), "control": str(control)}
        self._say(f"hutong: the block in {self._folder}")
        addresses = self._addresses()
        fleet_config = self._write_fleet(addresses, database)
        self._keeper.start(database.program)
        self._keeper.start(self._simulator(addresses, control))
        await self._keeper.ready("postgres")
        await self._fleet(fleet_config, "migrate")
        self._tell("database ready")
        self._keeper.start(self._server("web", fleet_config, "serve"))
        if database.created or not all(self._has_credentials(gateway) for gateway in self._gateways):
            await self._enrol(fleet_config)
            self._tell(f"{len(self._gateways)} gateways enrolled")
        self._keeper.start(self._broker())
        await self._keeper.ready("broker")
        self._keeper.start(self._server("ingest", fleet_config, "ingest"))
        # A gateway whose first batch nobody takes tries again after ten seconds: better that somebody listens.
        await self._keeper.becomes_ready("ingest", INGEST_PATIENCE_S)
        await self._keeper.ready("sims")
        for gateway in self._gateways:
            text = configs.agent(gateway, addresses)
            if gateway is guest.GATEWAY and self._wishes.guest is not None:
                text += guest.buses(self._wishes.guest)
            path = configs.write(self._folder / gateway.key / "agent.toml", text)
            self._keeper.start(commands.program(gateway.key, self._logs, "agent.cli", "run", str(path)))
        self._tell("server, broker, devices and gateways started")

        if not await self._wait_live(addresses.web_port, started_at):
            return self._keeper.stopping.is_set() and not self._wishes.until_live
        devices = sum(len(list(gateway.devices)) for gateway in self._gateways)
        self._tell(f"live: {len(self._gateways)} gateways, {devices} devices\n")
        self._facts["live_after_s"] = round(time.monotonic() - self._begun, 2)
        self._note()
        await self._greet(fleet_config, addresses.web_port)
        return True

    def _broker(self) -> Program:
        """It knows all gateways by now."""
        users = {broker.INGEST: keep_secret(self._folder / "fleet" / "broker-password")}
        for gateway in self._gateways:
            users[gateway.code] = (self._folder / gateway.key / "password").read_text(encoding="utf-8").strip()
        return broker.prepare(self._folder / "broker", users, prefer=self._wishes.broker).program

    # What is written before anything starts

    def _addresses(self) -> configs.Addresses:
        """Ports are chosen once and kept while they are free, so that bookmarks stay good."""
        register = self._folder / "ports.json"
        buses = {}
        for bus in (bus for gateway in self._gateways for bus in gateway.buses):
            if bus.on_port:
                buses[bus.name] = str(self._folder / "sim" / bus.name)
            else:
                buses[bus.name] = f"{broker.HOST}:{keep_port(register, bus.name)}"
        broker_port = keep_port(private_folder(self._folder / "broker") / "ports.json", "broker")
        addresses = configs.Addresses(buses, f"mqtt://{broker.HOST}:{broker_port}", keep_port(register, "web"))
        self._facts |= {
            "console": f"http://{broker.HOST}:{addresses.web_port}/",
            "broker": addresses.broker,
            "buses": dict(addresses.buses),
        }
        return addresses

    def _write_fleet(self, addresses: configs.Addresses, database: postgres.Prepared) -> Path:
        password_file = private_folder(self._folder / "fleet") / "broker-password"
        keep_secret(password_file)
        self._facts["database"] = {role: str(path) for role, path in database.url_files.items()}
        text = configs.fleet(addresses, database.url_files, password_file, broker.INGEST)
        path = configs.write(self._folder / "fleet" / "fleet.toml", text)
        self._facts["fleet_config"] = str(path)
        return path

    def _simulator(self, addresses: configs.Addresses, control: Path) -> Program:
        text = configs.simulation(self._gateways, addresses, self._wishes.seed, control, self._wishes.journal)
        path = configs.write(self._folder / "sim" / "sim.toml", text)
        ports_file = path.with_name("ports.json")
        ports_file.unlink(missing_ok=True)
        words = ["run", str(path), "--speed", f"{self._wishes.speed:g}"]
        if self._wishes.start is not None:
            words += ["--start", self._wishes.start.isoformat()]
        return commands.program("sims", self._logs, "sim_devices.cli", *words, ready=lambda _pid: ports_file.is_file())

    # The server's commands

    def _server(self, name: str, config: Path, command: str) -> Program:
        started = commands.saying(self._logs / f"{name}.log", CONNECTED) if name == "ingest" else commands.at_once
        return commands.program(name, self._logs, FLEET, "--config", str(config), command, ready=started)

    async def _fleet(self, config: Path, *words: str) -> str:
        log_path = self._logs / f"{words[0]}.log"
        return await asyncio.to_thread(commands.run_to_end, log_path, FLEET, "--config", str(config), *words)

    def _has_credentials(self, gateway: Gateway) -> bool:
        return all((self._folder / gateway.key / name).is_file() for name in ("key", "password"))

    async def _enrol(self, config: Path) -> None:
        """Gives each gateway its key and password; those that have them keep them."""

        async def one(gateway: Gateway) -> None:
            out = private_folder(self._folder / gateway.key)
            words = ("--name", gateway.name, "--division", DIVISION, "--out", str(out))
            await self._fleet(config, "enrol", gateway.code, *words)
            if not self._has_credentials(gateway):
                raise StartFailed(f"`hutong-fleet enrol` left no key and password in {out}")

        async with asyncio.TaskGroup() as enrolments:
            for gateway in self._gateways:
                enrolments.create_task(one(gateway))

    async def _setup_link(self, config: Path) -> str | None:
        """None once there is an administrator."""
        try:
            shown = await self._fleet(config, "setup-link")
        except StartFailed as error:
            log.info("no set-up link: %s", error)
            return None
        return next((word for word in shown.split() if word.startswith(("http://", "https://"))), None)

    # What people and tests are told

    async def _wait_live(self, port: int, since: datetime) -> bool:
        """Whether the server has stored a batch that came after `since`; says what is amiss when it takes too long."""
        deadline = time.monotonic() + LIVE_PATIENCE_S
        while not self._keeper.stopping.is_set():
            if await asyncio.to_thread(commands.last_batch, port) > since:
                return True
            if time.monotonic() > deadline:
                self._say(f"  ! no data has arrived within {LIVE_PATIENCE_S:g} s; what the programs say:")
                for name in ("web", "ingest", self._gateways[0].key):
                    self._say(tail(self._keeper.kept[name].program.log, 6))
                if self._wishes.until_live:
                    return False
                deadline = float("inf")
            await asyncio.sleep(LIVE_POLL_S)
        return False

    def _tell(self, words: str) -> None:
        self._say(f"  {time.monotonic() - self._begun:5.1f} s  {words}")

    async def _greet(self, config: Path, port: int) -> None:
        folder = _short(self._folder)
        where = "" if folder == "var/city" else f" --dir {folder}"
        self._say(f"  console     http://{broker.HOST}:{port}/")
        if (link := await self._setup_link(config)) is not None:
            self._say(f"  set-up      {link}\n              (once: it makes the first administrator)")
        self._facts["setup_link"] = link
        self._note()
        self._say(f"  devices     {_own_program()} list{where}")
        self._say(f"  a fault     {_own_program()} fault{where} 'Pole 3 lamp' silent --for 30s")
        self._say(f"  logs        {folder}/logs")
        self._say("\n  Ctrl-C stops everything; the data stays.")

    def _note(self) -> None:
        """run.json: what runs where."""
        programs = {
            name: {"pid": kept.process.pid, "starts": kept.starts, "log": str(kept.program.log)}
            for name, kept in self._keeper.kept.items()
        }
        text = json.dumps(self._facts | {"programs": programs}, indent=2, ensure_ascii=False)
        write_private(self._folder / "run.json", text + "\n")


def _first(group: BaseExceptionGroup[StartFailed]) -> BaseException:
    """The first cause of a group, of groups too."""
    cause: BaseException = group
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause


def _own_program() -> str:
    """hutong-sim as a shell here finds it."""
    beside = Path(sys.executable).with_name("hutong-sim")
    found = shutil.which("hutong-sim")
    return "hutong-sim" if found is not None and Path(found) == beside else _short(beside)


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
