"""The whole edge path: Modbus TCP, filters, tags, spool on disk, MQTT QoS 1, acknowledged as the server does.

At 10 Hz what it costs, saturated what it can, idle what it takes for nothing. The peer is the gateway that a capable
developer writes in an afternoon; facts beside it: on this load, on another machine, thingsboard-gateway 3.8.5 took 8.24
CPU s for 100,000 values and Node-RED 1.73; saturated they carried 14,000 and 115,000 values a second.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from protocols import citycode
from sim_devices.city import broker
from tests.benchmarks.figures import Figure
from tests.e2e.chain import wait_for

DEVICES, SATURATING_DEVICES, IDLE_DEVICES = 50, 200, 20
SATURATING_HZ = (15.0, 25.0, 40.0, 60.0, 90.0)  # the best of these counts: asked for too much, a gateway does less
REGISTERS = 60  # 30 float32 a device
VALUES = REGISTERS // 2
HZ, IDLE_HZ = 10.0, 1.0
SETTLE_S, WINDOW_S, ROUNDS = 6.0, 12.0, 3
IDLE_WINDOW_S = 30.0
GATEWAY = citycode.mint("D", "1101149001000099").text
SERVER = "hutong-ingest"

RSS_GOAL_MB, CPU_GOAL_S, DELIVERED_GOAL, BYTES_GOAL = 70, 0.35, 99.9, 4.8
SATURATED_GOAL, IDLE_GOAL_PCT = 500_000, 1.0


def template() -> str:
    channels = "".join(
        f'[[channel]]\nname = "v{n}"\ntitle = {{ en = "Value {n}", zh = "值{n}" }}\nquantity = "voltage"\n'
        f'unit = "V"\nkind = "gauge"\ntable = "input"\naddress = {2 * n}\ntype = "f32"\norder = "ABCD"\n'
        for n in range(VALUES)
    )
    return f'name = "bench"\ntitle = {{ en = "Bench", zh = "基准" }}\n{channels}'


@contextmanager
def farm(folder: Path, devices: int = DEVICES) -> Iterator[Path]:
    """The devices as a process; the path of the file that lists their ports."""
    ports_file = folder / f"ports-{devices}.json"
    argv = [sys.executable, "-m", "tests.benchmarks.modbus_farm", str(devices), str(REGISTERS), str(ports_file)]
    with running(argv):
        wait_for(ports_file.exists, 10, "the devices")
        yield ports_file


@contextmanager
def running(argv: list[str]) -> Iterator[psutil.Process]:
    with subprocess.Popen(argv) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


class Cost(NamedTuple):
    """Of one window; `values` and `bytes` are those that arrived."""

    rss_mb: float
    cpu_s: float
    values: float
    bytes: float
    seconds: float

    @property
    def per_1e5(self) -> float:
        return 1e5 * self.cpu_s / max(self.values, 1)


@dataclass
class Rig:
    """A broker and whoever acknowledges; gateways come and go."""

    folder: Path
    port: int
    password: str
    model: Path

    @contextmanager
    def agent(self, ports_file: Path, hz: float, *, devices: int, filtering: bool) -> Iterator[psutil.Process]:
        """Ours; where it is `filtering`, each channel is despiked and goes through a low-pass."""
        filters = "".join(
            f"[bus.device.channel.v{n}]\ndespike = true\nlowpass_hz = {hz / 10}\n" for n in range(VALUES * filtering)
        )
        (self.folder / "agent.toml").write_text(
            f'[gateway]\ncode = "{GATEWAY}"\ndata_dir = "data"\n'
            f'[uplink]\nbroker = "mqtt://127.0.0.1:{self.port}"\npassword_file = "password"\nkey_file = "key"\n'
            + "".join(
                f'[[bus]]\nname = "bench-{n}"\ndriver = "modbus-tcp"\naddress = "127.0.0.1:{port}"\n'
                f'[[bus.device]]\ncode = "{citycode.mint("D", f"1101149001009{n:03d}").text}"\nname = "Bench {n}"\n'
                f'model = "{self.model}"\nunit = 1\nperiod_s = {1 / hz}\n{filters}'
                for n, port in enumerate(json.loads(ports_file.read_text("ascii"))[:devices])
            ),
            "utf-8",
        )
        with running([sys.executable, "-m", "agent.cli", "run", str(self.folder / "agent.toml")]) as process:
            yield process

    def measure(self, process: psutil.Process, counts_file: Path, window_s: float = WINDOW_S) -> Cost:
        time.sleep(SETTLE_S)
        spent, before, began = cpu_s(process), counted(counts_file), time.monotonic()
        time.sleep(window_s)
        after, seconds = counted(counts_file), time.monotonic() - began
        return Cost(
            process.memory_info().rss / 1e6,
            cpu_s(process) - spent,
            after["values"] - before["values"],
            after["bytes"] - before["bytes"],
            seconds,
        )


def counted(path: Path) -> Mapping[str, int]:
    counts: Mapping[str, int] = json.loads(path.read_text("ascii"))
    return counts


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    secrets = {"password": "bench", "key": "5a" * 32}
    for name, secret in secrets.items():
        (folder / name).write_text(f"{secret}\n", "ascii")
        (folder / name).chmod(0o600)
    model = folder / "bench.toml"
    model.write_text(template(), "utf-8")
    with ExitStack() as stack:
        started = broker.start(folder / "broker", {GATEWAY: "bench", SERVER: "server's"})
        stack.callback(started.stop)
        argv = [sys.executable, "-m", "tests.benchmarks.acknowledger", str(started.port), SERVER, "server's"]
        stack.enter_context(running([*argv, str(folder / "key"), str(folder / "counts.json")]))
        wait_for((folder / "counts.json").exists, 10, "whoever acknowledges")
        yield Rig(folder, started.port, "server's", model)


def cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def measure_ours(
    made: Rig, ports_file: Path, hz: float, devices: int, window_s: float = WINDOW_S, *, filtering: bool = True
) -> Cost:
    with made.agent(ports_file, hz, devices=devices, filtering=filtering) as process:
        return made.measure(process, made.folder / "counts.json", window_s)


def measure_peer(made: Rig, ports_file: Path, hz: float, devices: int) -> Cost:
    counts_file = made.folder / "peer.json"
    counts_file.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "tests.benchmarks.peer_gateway", str(ports_file), str(hz), str(REGISTERS)]
    argv += [str(devices), str(made.port), SERVER, made.password, str(counts_file)]
    with running(argv) as process:
        wait_for(counts_file.exists, 20, "the peer")
        return made.measure(process, counts_file)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def measure(folder: Path) -> list[Figure]:
    asked, most = DEVICES * VALUES * HZ, SATURATING_DEVICES * VALUES * SATURATING_HZ[-1]
    with rig(folder) as made, farm(folder) as few, farm(folder, SATURATING_DEVICES) as many:
        steady, peers = [], []
        for _ in range(ROUNDS):  # interleaved: a noisy machine is noisy for both
            steady.append(measure_ours(made, few, HZ, DEVICES))
            peers.append(measure_peer(made, few, HZ, DEVICES))
        full = [measure_ours(made, many, hz, SATURATING_DEVICES) for hz in SATURATING_HZ]
        full_peers = [measure_peer(made, many, hz, SATURATING_DEVICES) for hz in SATURATING_HZ[:3]]
        idle = [measure_ours(made, few, IDLE_HZ, IDLE_DEVICES, IDLE_WINDOW_S, filtering=False) for _ in range(ROUNDS)]
    delivered = median([100 * one.values / (asked * one.seconds) for one in steady])
    rss, peer_rss = median([one.rss_mb for one in steady]), median([one.rss_mb for one in peers])
    cpu, peer_cpu = median([one.per_1e5 for one in steady]), median([one.per_1e5 for one in peers])
    size, peer_size = (median([one.bytes / max(one.values, 1) for one in those]) for those in (steady, peers))
    rate, peer_rate = (max(one.values / one.seconds for one in those) for those in (full, full_peers))
    resting = median([100 * one.cpu_s / one.seconds for one in idle])
    sketch = "pymodbus + JSON + aiomqtt QoS 1: no filters, spool, seals"
    return [
        Figure("edge.delivered_pct", delivered, "% of polls", 100.0, f">= {DELIVERED_GOAL}",
               delivered >= DELIVERED_GOAL, "what was asked for"),
        Figure("edge.cpu_per_1e5", cpu, "CPU s", peer_cpu, f"<= {CPU_GOAL_S}", cpu <= CPU_GOAL_S, sketch),
        Figure("edge.saturated_values_s", rate, "values/s", peer_rate, f">= {SATURATED_GOAL:,}",
               rate >= SATURATED_GOAL, f"the same; up to {most:,.0f} asked"),
        Figure("edge.bytes_per_value", size, "bytes", peer_size, f"<= {BYTES_GOAL}", size <= BYTES_GOAL, sketch),
        Figure("edge.rss_mb", rss, "MB", peer_rss, f"<= {RSS_GOAL_MB} MB", rss <= RSS_GOAL_MB, sketch),
        Figure("edge.idle_cpu_pct", resting, "% of a core", None, f"< {IDLE_GOAL_PCT:g}", resting < IDLE_GOAL_PCT,
               f"{IDLE_DEVICES} devices at 1 s, as they are read"),
    ]  # fmt: skip
