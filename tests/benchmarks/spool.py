"""How much flash a spooled value costs: bytes that reach the disk for each, from the batch's commit to its freeing."""

import asyncio
import os
from pathlib import Path
from statistics import median

import numpy as np

from agent.spool import Row, Spool
from protocols.edge.columns import F32LE, I64LE, Column, Group, all_present
from protocols.edge.messages import (
    AckRange,
    AckStatus,
    Batch,
    Clock,
    ClockState,
    Origin,
    acknowledgement_digest,
    encode,
)
from tests.benchmarks.figures import Figure

GATEWAY = "D1101149001000077A"
DEVICES, CHANNELS, TICKS = 50, 30, 7  # of a batch: 0.7 s of 50 devices at 10 Hz
BATCHES = 400
ANSWERED = 4  # batches in one acknowledgement
# The log and the file have each page once, so twice what an append writes is the floor of a database in WAL mode; the
# rest is for the index, the numbers, and pages that are filled in part.
GOAL_RATIO = 3.0


def batch(number: int) -> Batch:
    noise = np.random.default_rng(number).normal(230, 1, (DEVICES, CHANNELS - 1, TICKS)).astype("<f4")
    present, ticks = all_present(TICKS), np.arange(TICKS, dtype=np.int64)
    groups = []
    for device in range(DEVICES):
        first = CHANNELS * device
        columns = [Column(first + place, F32LE, noise[device, place], present) for place in range(CHANNELS - 1)]
        columns.append(Column(first + CHANNELS - 1, I64LE, number * TICKS + ticks, present, -2))
        groups.append(Group(100 * ticks + device, tuple(columns)))
    origin = Origin(GATEWAY, 1, 1, bytes(16), 700 * number, Clock(ClockState.SYNCHRONISED, 5))
    return Batch(origin, bytes(32), 1_700_000_000_000 + 700 * number, tuple(groups))


def written() -> int:
    for line in Path("/proc/self/io").read_text("ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not count what a process writes")


def acknowledged(rows: list[Row]) -> AckRange:
    return AckRange(rows[0].seq, rows[-1].seq, AckStatus.STORED, acknowledgement_digest([row.digest for row in rows]))


async def spooled(path: Path) -> int:
    """Bytes written for BATCHES batches that are committed one by one, sent, and freed as a server answers."""
    async with Spool(path, 64 << 20, group_s=0.0) as spool:
        before = written()
        for number in range(BATCHES):
            await spool.put(batch(number))
            if number % ANSWERED == ANSWERED - 1:
                await spool.free([acknowledged(await spool.read(0, 1 << 30))])
    return written() - before


def appended(path: Path) -> int:
    """The same bytes at the end of a file, each batch synced: the least that keeps as much."""
    before = written()
    with path.open("wb", buffering=0) as file:
        for number in range(BATCHES):
            file.write(encode(batch(number)))
            os.fdatasync(file.fileno())
    return written() - before


def measure(folder: Path) -> list[Figure]:
    values = BATCHES * DEVICES * CHANNELS * TICKS
    ours, least = [], []
    for turn in range(3):
        ours.append(asyncio.run(spooled(folder / f"spool{turn}.db")) / values)
        least.append(appended(folder / f"appended{turn}") / values)
    value, peer = median(ours), median(least)
    if not peer:
        return [Figure("spool.written_per_value", 0.0, "B", None, "a disk that counts", holds=False)]
    return [
        Figure(
            *("spool.written_per_value", value, "B", peer, f"<= {GOAL_RATIO:g}x an append with fdatasync"),
            holds=value <= GOAL_RATIO * peer,
            peer_is="append and fdatasync",
        )
    ]
