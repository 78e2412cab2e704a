"""The whole chain as processes on loopback, each of which a test may kill and start again.

with Chain(folder) as chain:
    gateway = chain.enrol("D1101149001000077A")
    chain.run_agent(gateway, buses)
    chain.kill("ingest"); chain.restart("ingest")
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import asyncpg
import httpx

from sim_devices.city import broker, postgres
from sim_devices.city.private import forget_socket_folder
from sim_devices.city.program import Process, Program, tail

DIVISION = "110114011"
INGEST_USER = "hutong-ingest"
PASSWORD = "correct horse battery"
T = TypeVar("T")


@dataclass
class Gateway:
    code: str
    folder: Path

    @property
    def key(self) -> bytes:
        return bytes.fromhex((self.folder / "key").read_text("ascii").strip())

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text("ascii").strip()


@dataclass(frozen=True)
class Kill:
    """When the signal was sent and when the process was surely gone, UTC in ms."""

    sent_ms: int
    gone_ms: int


@dataclass
class Chain:
    """PostgreSQL, broker, `hutong-fleet serve` and `ingest`; simulators and agents as a test asks for them."""

    folder: Path
    prefer_broker: str | None = None
    programs: dict[str, Program] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    gateways: list[Gateway] = field(default_factory=list)
    _client: httpx.Client | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cleanup = contextlib.ExitStack()
        try:
            self._start_fleet()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.processes)):
            if name not in ("postgres", "broker"):
                self.processes[name].stop()
        self._cleanup.close()

    # -- starting ------------------------------------------------------------------------------------------------

    def _start_fleet(self) -> None:
        database = postgres.prepare(self.folder / "postgres", durable=True)
        self._add(database.program)
        self._cleanup.callback(forget_socket_folder, database.socket_dir)
        self._cleanup.callback(lambda: self.processes["postgres"].stop())
        self.database = database
        self._ingest_password = os.urandom(16).hex()
        (self.folder / "ingest.password").write_text(self._ingest_password, "ascii")
        (self.folder / "ingest.password").chmod(0o600)
        self.broker_folder = self.folder / "broker"
        self._restart_broker()
        self._cleanup.callback(lambda: self.processes["broker"].stop())
        self.web_port = free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.config = self.folder / "fleet.toml"
        files = {role: database.url_files[f"hutong_{role}"] for role in ("owner", "web", "ingest", "auditor")}
        self.config.write_text(
            "[database]\n"
            + "".join(f"{role}_file = {json.dumps(str(path))}\n" for role, path in files.items())
            + f'[broker]\nurl = "mqtt://127.0.0.1:{self.broker_port}"\nusername = "{INGEST_USER}"\n'
            + 'password_file = "ingest.password"\n'
            + f'[web]\nhost = "127.0.0.1"\nport = {self.web_port}\npublic_url = "{self.url}"\n'
            + '[secrets]\ndir = "secrets"\n',
            "utf-8",
        )
        self.fleet("migrate")
        self._add(self._fleet_program("serve", lambda _pid: self._web_answers()))
        self._add(self._fleet_program("ingest"))

    def _fleet_program(self, command: str, ready: Callable[[int], bool] = lambda _pid: True) -> Program:
        return Program(
            name=command,
            argv=(sys.executable, "-m", "fleet_server.cli", "--config", str(self.config), command),
            log=self.folder / f"{command}.log",
            ready=ready,
        )

    def _web_answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=1).status_code == 200
        return False

    def _restart_broker(self) -> None:
        users = {INGEST_USER: self._ingest_password} | {g.code: g.password for g in self.gateways}
        prepared = broker.prepare(self.broker_folder, users, prefer=self.prefer_broker)
        self.broker_port = prepared.port
        self._add(prepared.program)

    def _add(self, program: Program) -> Process:
        self.programs[program.name] = program
        process = Process(program).wait_ready()
        self.processes[program.name] = process
        return process

    def fleet(self, *arguments: str) -> str:
        """Runs a `hutong-fleet` command and returns what it printed."""
        import subprocess

        done = subprocess.run(
            [sys.executable, "-m", "fleet_server.cli", "--config", str(self.config), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def enrol(self, code: str, name: str = "Test gateway") -> Gateway:
        gateway = Gateway(code, self.folder / code)
        self.fleet("enrol", code, "--name", name, "--division", DIVISION, "--out", str(gateway.folder))
        self.gateways.append(gateway)
        self.kill("broker", signal.SIGTERM)  # it starts again knowing the new user
        self._restart_broker()
        return gateway

    def run_agent(self, gateway: Gateway, buses: str, *, name: str = "agent", uplink: str = "") -> Process:
        """Starts an agent of `gateway` with the [[bus]] tables in `buses`, and more lines of [uplink]."""
        config = gateway.folder / "agent.toml"
        config.write_text(
            f'[gateway]\ncode = "{gateway.code}"\ndata_dir = "data"\n'
            f'[uplink]\nbroker = "mqtt://127.0.0.1:{self.broker_port}"\n'
            f'password_file = "password"\nkey_file = "key"\n{uplink}[metrics]\nport = 0\n' + buses,
            "utf-8",
        )
        argv = (sys.executable, "-m", "agent.cli", "run", str(config))
        return self._add(Program(name=name, argv=argv, log=self.folder / f"{name}.log"))

    def run_simulators(self, config: str, *, name: str = "sim", ready: Callable[[int], bool]) -> Process:
        path = self.folder / f"{name}.toml"
        path.write_text(config, "utf-8")
        argv = (sys.executable, "-m", "sim_devices.cli", "run", str(path))
        return self._add(Program(name=name, argv=argv, log=self.folder / f"{name}.log", ready=ready))

    # -- faults --------------------------------------------------------------------------------------------------

    def kill(self, name: str, number: int = signal.SIGKILL) -> Kill:
        process, sent = self.processes[name], now_ms()
        process.send(number)
        wait_for(lambda: process.poll() is not None, 20, f"{name} to end")
        return Kill(sent, now_ms())

    def restart(self, name: str) -> Process:
        if name == "postgres":  # what a crash leaves behind is cleared as `make run` clears it
            self.database = postgres.prepare(self.folder / "postgres", durable=True)
            return self._add(self.database.program)
        return self._add(self.programs[name])

    # -- looking -------------------------------------------------------------------------------------------------

    def administrator(self) -> httpx.Client:
        """A client signed in as the first administrator, who is made by the one-time link on the first call."""
        if self._client is None:
            link = next(word for word in self.fleet("setup-link").split() if word.startswith("http"))
            client = httpx.Client(base_url=self.url, timeout=20, headers={"Origin": self.url})
            form = {"key": link.rpartition("=")[2], "name": "admin", "password": PASSWORD, "again": PASSWORD}
            made = client.post("/set-up", data=form)
            assert made.status_code == 303, made.text
            self._cleanup.callback(client.close)
            self._client = client
        return self._client

    def query(self, sql: str, *arguments: object) -> list[Any]:
        """Rows, read past every scope as the database's administrator."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.database.admin_url)
            try:
                return list(await connection.fetch(sql, *arguments))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def metrics(self, gateway: Gateway) -> dict[str, float]:
        """The agent's metrics by name and labels, as its loopback port tells them."""
        port = (gateway.folder / "data" / "metrics.port").read_text("ascii").strip()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def kept(self, gateway: Gateway) -> float:
        """Messages in the agent's spool: those not yet acknowledged."""
        return self.metrics(gateway)["hutong_agent_spool_messages"]

    def wait_delivered(self, gateway: Gateway, seconds: float) -> None:
        """Until the agent's spool has been seen empty: all that was committed before is stored then."""

        def is_empty() -> bool:
            with contextlib.suppress(httpx.TransportError, OSError):  # an agent that has just been started
                return self.kept(gateway) == 0
            return False

        wait_for(is_empty, seconds, f"{gateway.code} to deliver what it keeps")

    def log(self, name: str) -> str:
        return tail(self.programs[name].log, 60)


def raw_history(client: httpx.Client, device: str, channel: str, since_ms: int, until_ms: int) -> Iterator[Any]:
    """(t, value, quality) of every raw reading, oldest first, through the API that the device page uses."""
    step = 600_000
    for start in range(since_ms, until_ms, step):
        end = min(start + step, until_ms)
        query = urlencode({"channels": channel, "from": start, "to": end, "points": 100_000})
        answer = client.get(f"/api/v1/devices/{device}/history?{query}")
        assert answer.is_success, answer.text
        found = answer.json()
        assert found["resolution"] == "raw"
        for series in found["series"]:
            yield from zip(series["t"], series["value"], series["quality"], strict=True)


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer of `condition`; fails, saying what it waited for, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


def now_ms() -> int:
    return int(time.time() * 1000)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
