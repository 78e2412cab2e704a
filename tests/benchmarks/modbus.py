"""Our Modbus TCP client beside pymodbus's, on the same devices in the same run: requests a second."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from drivers.base import Span
from drivers.modbus.tcp_line import TcpLine
from tests.benchmarks.edge import REGISTERS, farm, median
from tests.benchmarks.figures import Figure

CONNECTIONS = 50
DEPTH = 8
WINDOW_S, ROUNDS, TIMEOUT_S = 3.0, 3, 2.0
SPAN = Span("input", 0, REGISTERS)
GOAL, PIPELINED_GOAL = 1.4, 4.0

Ask = Callable[[], Awaitable[int]]  # how many requests were answered


async def rate(asks: Sequence[Ask]) -> float:
    """Requests a second of all connections together, each asking again as soon as it was answered."""
    began = time.monotonic()

    async def keep_asking(ask: Ask) -> int:
        answered = 0
        while time.monotonic() - began < WINDOW_S:
            answered += await ask()
        return answered

    counts = await asyncio.gather(*map(keep_asking, asks))
    return sum(counts) / (time.monotonic() - began)


def asking(line: TcpLine) -> Ask:
    async def ask() -> int:
        await line.read(1, SPAN, TIMEOUT_S)
        return 1

    return ask


def asking_many(line: TcpLine) -> Ask:
    batch = [(1, SPAN)] * DEPTH

    async def ask() -> int:
        return sum(isinstance(answer, bytes) for answer in await line.read_many(batch, TIMEOUT_S))

    return ask


def asking_pymodbus(client: AsyncModbusTcpClient) -> Ask:
    async def ask() -> int:
        return not (await client.read_input_registers(0, count=REGISTERS, device_id=1)).isError()

    return ask


async def ours(ports: Sequence[int], depth: int) -> float:
    lines = [TcpLine(f"127.0.0.1:{port}", depth) for port in ports]
    for line in lines:
        await line.open()
    try:
        return await rate(list(map(asking if depth == 1 else asking_many, lines)))
    finally:
        for line in lines:
            await line.close()


async def pymodbus(ports: Sequence[int]) -> float:
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, timeout=TIMEOUT_S) for port in ports]
    for client in clients:
        await client.connect()
    try:
        return await rate(list(map(asking_pymodbus, clients)))
    finally:
        for client in clients:
            client.close()


def measure(folder: Path) -> list[Figure]:
    with farm(folder, CONNECTIONS) as ports_file:
        ports = json.loads(ports_file.read_text("ascii"))
        # Interleaved: a noisy machine is noisy for all.
        rounds = [
            (asyncio.run(ours(ports, 1)), asyncio.run(ours(ports, DEPTH)), asyncio.run(pymodbus(ports)))
            for _ in range(ROUNDS)
        ]
    plain, piped, peer = (median([one[column] for one in rounds]) for column in range(3))
    ratio = median([one[0] / one[2] for one in rounds])
    piped_ratio = median([one[1] / one[2] for one in rounds])
    name = f"pymodbus {version('pymodbus')} async, {peer:,.0f} requests/s"
    return [
        Figure("modbus.vs_pymodbus", ratio, "x", 1.0, f">= {GOAL}", ratio >= GOAL, f"{name}; ours {plain:,.0f}"),
        Figure(
            "modbus.pipelined_vs_pymodbus",
            piped_ratio,
            "x",
            1.0,
            f">= {PIPELINED_GOAL:g}",
            piped_ratio >= PIPELINED_GOAL,
            f"{name}; ours, {DEPTH} under way on each connection, {piped:,.0f}",
        ),
    ]
