"""What the gateway costs an edge box: memory with 20 devices, CPU for each 100,000 values."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from protocols import citycode
from tests.benchmarks.figures import Figure
from tests.e2e.chain import INGEST_USER, Chain, Gateway, wait_for

DEVICES = 20
REGISTERS = 60  # 30 float32 a device, as in the table of peers the goals come from
VALUES = REGISTERS // 2
FAST_HZ = 10.0
SETTLE_S, WINDOW_S, ROUNDS = 6.0, 15.0, 3

# thingsboard-gateway took 71 MB and 8.2 CPU s, Node-RED 158 MB and 1.7 CPU s on this load (50 devices).
RSS_GOAL_MB = 70
CPU_GOAL_RATIO = 0.5


def template() -> str:
    channels = "".join(
        f'[[channel]]\nname = "v{n}"\ntitle = {{ en = "Value {n}", zh = "值{n}" }}\nquantity = "voltage"\n'
        f'unit = "V"\nkind = "gauge"\ntable = "input"\naddress = {2 * n}\ntype = "f32"\norder = "ABCD"\n'
        for n in range(VALUES)
    )
    return f'name = "bench"\ntitle = {{ en = "Bench", zh = "基准" }}\n{channels}'


@contextmanager
def farm(folder: Path) -> Iterator[Path]:
    """The devices as a process; the path of the file that lists their ports."""
    ports_file = folder / "ports.json"
    argv = [sys.executable, "-m", "tests.benchmarks.modbus_farm", str(DEVICES), str(REGISTERS), str(ports_file)]
    with subprocess.Popen(argv) as process:
        try:
            wait_for(ports_file.exists, 10, "the devices")
            yield ports_file
        finally:
            process.kill()


def buses(ports_file: Path, model: Path, hz: float) -> str:
    return "".join(
        f'[[bus]]\nname = "bench-{n}"\ndriver = "modbus-tcp"\naddress = "127.0.0.1:{port}"\n'
        f'[[bus.device]]\ncode = "{citycode.mint("D", f"1101149001009{n:03d}").text}"\nname = "Bench {n}"\n'
        f'model = "{model}"\nunit = 1\nperiod_s = {1 / hz}\n'
        for n, port in enumerate(json.loads(ports_file.read_text("ascii")))
    )


def cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def rss_mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def measure_agent(
    chain: Chain, gateway: Gateway, ports_file: Path, model: Path, hz: float
) -> tuple[float, float, float]:
    """(RSS in MB, CPU s, values delivered to the database's cursor) over one window."""
    process = chain.run_agent(gateway, buses(ports_file, model, hz))
    try:
        time.sleep(SETTLE_S)
        watched = psutil.Process(process.pid)
        spent, before = cpu_s(watched), values_sent(chain, gateway)
        time.sleep(WINDOW_S)
        return rss_mb(watched), cpu_s(watched) - spent, values_sent(chain, gateway) - before
    finally:
        process.stop()


def values_sent(chain: Chain, gateway: Gateway) -> float:
    counters = chain.metrics(gateway)
    return sum(count for name, count in counters.items() if name.startswith("hutong_agent_device_values_total"))


def measure_peer(chain: Chain, ports_file: Path, hz: float) -> tuple[float, float, float]:
    argv = [sys.executable, "-m", "tests.benchmarks.peer_gateway", str(ports_file), str(hz), str(REGISTERS)]
    argv += [str(chain.broker_port), INGEST_USER, (chain.folder / "ingest.password").read_text("ascii")]
    with subprocess.Popen(argv) as process:
        try:
            time.sleep(SETTLE_S)
            watched = psutil.Process(process.pid)
            spent = cpu_s(watched)
            time.sleep(WINDOW_S)
            # What it asked for is what it sent: it has no metrics, and at these rates it keeps up.
            return rss_mb(watched), cpu_s(watched) - spent, DEVICES * VALUES * hz * WINDOW_S
        finally:
            process.kill()


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def measure(folder: Path) -> list[Figure]:
    ours: list[tuple[float, float, float]] = []
    peers: list[tuple[float, float, float]] = []
    with Chain(folder / "chain") as chain, farm(folder) as ports_file:
        gateway = chain.enrol(citycode.mint("D", "1101149001000099").text)
        model = folder / "bench.toml"
        model.write_text(template(), "utf-8")
        for _ in range(ROUNDS):  # interleaved: a noisy machine is noisy for both
            ours.append(measure_agent(chain, gateway, ports_file, model, FAST_HZ))
            peers.append(measure_peer(chain, ports_file, FAST_HZ))
            shutil.rmtree(gateway.folder / "data")
    asked = DEVICES * VALUES * FAST_HZ * WINDOW_S
    delivered = median([values / asked for _, _, values in ours])
    rss, peer_rss = median([row[0] for row in ours]), median([row[0] for row in peers])
    cpu = median([1e5 * spent / values for _, spent, values in ours])
    peer_cpu = median([1e5 * spent / values for _, spent, values in peers])
    sketch = "pymodbus + JSON + aiomqtt QoS 1, no spool, no seal"
    return [
        Figure("edge.rss_mb", rss, "MB", peer_rss, f"<= {RSS_GOAL_MB} MB", rss <= RSS_GOAL_MB, sketch),
        Figure(
            "edge.cpu_per_1e5",
            cpu,
            "CPU s",
            peer_cpu,
            f"<= {CPU_GOAL_RATIO} of the peer",
            cpu <= CPU_GOAL_RATIO * peer_cpu,
            sketch,
        ),
        Figure("edge.delivered", delivered, "of asked", 1.0, ">= 0.999", delivered >= 0.999, "what was asked for"),
    ]
