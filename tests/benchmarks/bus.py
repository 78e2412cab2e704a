"""What the planner, the schedule and the health of a serial line are worth, in virtual line time at 9600 baud.

The wire is simulated to the character, the gateway's code is the real one; so the figures are exact and the machine's
noise is not in them. The peers are other ways to plan, on the same line.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from unittest import mock

from agent.bus import owner
from agent.bus.device import Device, Reader
from agent.bus.owner import Bus
from drivers.base import Channel, Limits, Point, Readings, Span
from drivers.modbus.rtu_line import RtuLine
from drivers.modbus.template import load_model
from tests import virtual_time
from tests.benchmarks.figures import Figure
from tests.virtual_line import VirtualLine

BAUD = 9600
DEVICES = 20
MAPS, POLLS = 60, 200
LONGEST, GAP = 125, 24
LOSS_GOAL, USE_GOAL, OPTIMUM_GOAL = 5.0, 0.9, 1.05


@dataclass
class Sink:
    ticks: dict[int, int] = field(default_factory=dict)

    def add(self, device: int, _tick: int, _readings: Readings) -> None:
        self.ticks[device] = self.ticks.get(device, 0) + 1

    def missed(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Registers:
    """A model of random registers: nothing is decoded, for requests are what is counted."""

    points: tuple[Point, ...]
    limits: Limits = field(default_factory=lambda: Limits({"input": LONGEST}, GAP))
    name: str = "random"
    title: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()

    def decode(self, *_: object) -> Readings:
        return Readings((), (), ())


@contextmanager
def virtual_clock(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    assert isinstance(loop, virtual_time.VirtualLoop)
    with mock.patch.object(owner, "boottime_ms", loop.boottime_ms):
        yield


# -- requests ------------------------------------------------------------------------------------------------------


def random_map(choice: random.Random) -> tuple[list[Point], set[int]]:
    """Channels of one to four registers, in clusters as devices have them, and addresses that are not there."""
    points: list[Point] = []
    at = 0
    holes: set[int] = set()
    while len(points) < 40:
        for _ in range(choice.randint(1, 12)):
            length = choice.choice((1, 1, 2, 2, 4))
            points.append(Point("input", at, length, len(points)))
            at += length + choice.choice((0, 0, 0, 1, 2))
        gap = choice.randint(3, 60)
        if choice.random() < 0.4:
            holes |= set(range(at + 1, at + 1 + choice.randint(1, gap - 2)))
        at += gap
    return points, holes


def cheapest(
    points: Sequence[Point], holes: frozenset[int], request_ms: float, register_ms: float
) -> tuple[float, int]:
    """What the best plan of one who knew the holes takes, in ms and requests: by trying every first request."""

    @cache
    def rest(first: int) -> tuple[float, int]:
        if first == len(points):
            return 0.0, 0
        best = (float("inf"), 0)
        reach = points[first].address
        for last in range(first, len(points)):
            if set(range(reach, points[last].address)) & holes or points[last].address - reach > GAP:
                break
            reach = points[last].address + points[last].length
            length = reach - points[first].address
            if length > LONGEST:
                break
            ms, requests = rest(last + 1)
            best = min(best, (ms + request_ms + register_ms * length, requests + 1))
        return best

    return rest(0)


async def line_time(points: Sequence[Point], holes: set[int]) -> tuple[float, float]:
    """(ms, requests) of a poll, all that was learned on the way included, over POLLS polls."""
    line = VirtualLine(BAUD, [1])
    line.absent = holes
    speaker = RtuLine(line)
    await speaker.open()
    reader, loop = Reader(Device(0, "D", "random", 1, 1000, Registers(tuple(points)))), asyncio.get_running_loop()
    began = loop.time()
    for poll in range(POLLS):
        await reader.read(speaker, 0.5, poll * 1000)
    return (loop.time() - began) * 1000 / POLLS, len(line.requests) / POLLS


async def greedy_time(points: Sequence[Point], holes: set[int]) -> float:
    """ms of a poll by the common way: merged as far as a request goes, gaps given up for good after a refusal."""
    line = VirtualLine(BAUD, [1])
    speaker = RtuLine(line)
    await speaker.open()
    runs: list[list[int]] = []
    for point in points:
        end = point.address + point.length
        merges = runs and point.address - runs[-1][1] <= (0 if holes else GAP) and end - runs[-1][0] <= LONGEST
        if merges:
            runs[-1][1] = end
        else:
            runs.append([point.address, end])
    cost = speaker.cost(1, "input")
    return sum(cost.request + 10.0 + cost.address * (end - start) for start, end in runs)


def requests_vs_optimum() -> tuple[float, float]:
    """(our time, the greedy way's time) as multiples of the optimum's, over random maps of registers."""
    choice = random.Random(4)
    ours = greedy = optimum = 0.0
    for _ in range(MAPS):
        points, holes = random_map(choice)
        taken, _ = virtual_time.run(line_time(points, holes))
        cost = RtuLine(VirtualLine(BAUD, [1])).cost(1, "input")
        best, _ = cheapest(points, frozenset(holes), cost.request + 10.0, cost.address)
        ours, optimum = ours + taken, optimum + best
        greedy += virtual_time.run(greedy_time(points, holes))
    return ours / optimum, greedy / optimum


# -- a whole line --------------------------------------------------------------------------------------------------


async def run_bus(period_ms: int, dead: set[int], minutes: float) -> tuple[dict[int, int], float]:
    """(ticks read by device, the share of time in which the line was in use)."""
    loop = asyncio.get_running_loop()
    model, line, sink = load_model("meter_1p"), VirtualLine(BAUD, range(1, DEVICES + 1)), Sink()
    line.dead = dead
    with virtual_clock(loop):
        devices = [Device(n, f"D{n}", f"Meter {n}", n + 1, period_ms, model) for n in range(DEVICES)]
        bus = Bus("line", RtuLine(line), devices, 0.5, sink, lambda _: None)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bus.run())
            await asyncio.sleep(30)
            sink.ticks.clear()
            busy, began = line.busy_s, loop.time()
            await asyncio.sleep(60 * minutes)
            share = (line.busy_s - busy) / (loop.time() - began)
            read = dict(sink.ticks)
            task.cancel()
    return read, share


async def write_latencies(count: int) -> tuple[list[float], float]:
    """(ms from asking to the value read back, the longest transaction in ms), on a line with too little time."""
    loop = asyncio.get_running_loop()
    model, line = load_model("lamp_controller"), VirtualLine(BAUD, range(1, DEVICES + 1))
    choice, took = random.Random(9), []
    with virtual_clock(loop):
        devices = [Device(n, f"D{n}", f"Lamp {n}", n + 1, 500, model) for n in range(DEVICES)]
        bus = Bus("line", RtuLine(line), devices, 0.5, Sink(), lambda _: None)
        channel = next(index for index, one in enumerate(model.channels) if one.name == "dim_setpoint")
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bus.run())
            await asyncio.sleep(30)
            for _ in range(count):
                await asyncio.sleep(choice.random())
                began = loop.time()
                await bus.write(choice.randrange(DEVICES), channel, Decimal(choice.randrange(100)))
                took.append((loop.time() - began) * 1000)
            task.cancel()
    cost = RtuLine(line).cost(1, "input")
    longest = max(cost.request + cost.address * count for *_, function, _, count in line.requests if function != 6)
    return took, longest + 1000 * line.turnaround_s


def measure(_folder: Path) -> list[Figure]:
    ours, greedy = requests_vs_optimum()
    _, use = virtual_time.run(run_bus(1000, set(), 10))
    turnaround_s = VirtualLine(BAUD, ()).turnaround_s
    line = RtuLine(VirtualLine(BAUD, ()))
    points = load_model("meter_1p").points
    first = min(point.address for point in points)
    wire = line.cost(1, "input").of(Span("input", first, max(p.address + p.length for p in points) - first))
    possible = wire / (wire + 1000 * turnaround_s)
    whole, _ = virtual_time.run(run_bus(2000, set(), 10))
    crippled, _ = virtual_time.run(run_bus(2000, {7}, 10))
    living = [n for n in range(DEVICES) if n != 6]
    loss = 100 * (1 - sum(crippled.get(n, 0) for n in living) / sum(whole[n] for n in living))
    took, transaction = virtual_time.run(write_latencies(1000))
    p99 = sorted(took)[int(0.99 * len(took))]
    return [
        Figure(
            "rtu.requests_vs_optimum", ours, "of the optimum", greedy,
            f"<= {OPTIMUM_GOAL}", ours <= OPTIMUM_GOAL, "greedy merging, no gaps after a refusal",
        ),
        Figure(
            "rtu.line_use", use / possible, "of the possible", 1.0,
            f">= {USE_GOAL}", use / possible >= USE_GOAL, "frames, silences and turnarounds, nothing else",
        ),
        Figure(
            "bus.dead_slave_loss_pct", loss, "% of polls", 0.0,
            f"<= {LOSS_GOAL}", loss <= LOSS_GOAL, "the same line with all 20 alive",
        ),
        Figure(
            "write.p99_ms", p99, "ms", transaction,
            "<= a transaction + 100 ms", p99 <= transaction + 100, "the transaction in flight",
        ),
    ]  # fmt: skip
