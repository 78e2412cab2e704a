"""Every reading of some channels of a device, exactly as it was stored, in order and piece by piece.

A piece is one transaction and some whole hours, as many as keep its chunks near PIECE bytes: a month of readings a
second is read in the memory of a few hours.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from fleet_server.domains.telemetry.models import EPOCH, to_ms
from fleet_server.domains.telemetry.series import Chunk, gather
from fleet_server.ingest.chunks import Block, decode
from fleet_server.ingest.samples import NOT_DECIMAL, Samples
from fleet_server.kernel.ports import CounterEnds, CounterReading, CounterReadings

PIECE = 1 << 20  # octets of chunks
HOUR = timedelta(hours=1)
WIDEST = timedelta(days=31)
MOST_LOOKS = 200  # hours with chunks that are searched backwards for a Good reading, pieces that are forwards


class Store(Protocol):
    async def chunks(self, device_id: int, start: datetime, end: datetime) -> list[Chunk]: ...

    async def next_chunk(self, device_id: int, start: datetime, end: datetime) -> datetime | None:
        """Where the first chunk that begins in [start, end) begins."""
        ...

    async def chunk_before(self, device_id: int, end: datetime) -> datetime | None:
        """Where the last chunk that begins before `end` begins."""
        ...


Transactions = Callable[[], AbstractAsyncContextManager[Store]]


async def pieces(
    begin: Transactions, device_id: int, indexes: Sequence[int], start: datetime, end: datetime
) -> AsyncGenerator[Samples, None]:
    """The readings in [start, end) of the channels with these indexes; each piece in order of channel and time."""
    at, width = hour_of(start), HOUR
    while at < end:
        async with begin() as store:
            first = await store.next_chunk(device_id, at, end)
            if first is None:
                return
            at = hour_of(first)
            until = min(at + width, end)
            chunks = await store.chunks(device_id, at, until)
        # In a thread, or every page and stream of the process would stand still meanwhile.
        yield await asyncio.to_thread(samples_of, chunks, indexes, max(to_ms(start), to_ms(at)), to_ms(until))
        at = until
        width = next_width(width, sum(len(body) for _, body in chunks))


async def good_before(begin: Transactions, device_id: int, index: int, at: datetime) -> CounterReading | None:
    """The last Good reading before `at`, if it lies in the newest MOST_LOOKS hours in which the device spoke."""
    end = at
    for _ in range(MOST_LOOKS):
        async with begin() as store:
            last = await store.chunk_before(device_id, end)
            if last is None:
                return None
            chunks = await store.chunks(device_id, hour_of(last), end)
        end = hour_of(last)
        found = good(samples_of(chunks, [index], to_ms(end), to_ms(at)))
        if len(found.t):
            return _reading(found, -1)
    return None


async def good_after(begin: Transactions, device_id: int, index: int, at: datetime) -> CounterReading | None:
    """The first Good reading at or after `at`, if it lies in the next MOST_LOOKS pieces."""
    looks = 0
    async with aclosing(pieces(begin, device_id, [index], at, at + WIDEST * 12)) as following:
        async for samples in following:
            found = good(samples)
            looks += 1
            if len(found.t):
                return _reading(found, 0)
            if looks == MOST_LOOKS:
                break
    return None


def samples_of(chunks: Iterable[Chunk], indexes: Sequence[int], start: int, end: int) -> Samples:
    wanted = frozenset(indexes)
    blocks = []
    for t0, body in chunks:
        for block in decode(t0, body):
            columns = [column for column in block.columns if column.alias in wanted]
            if columns:
                blocks.append(Block(block.times, columns))
    return gather(blocks, start, end)


def counter_readings(samples: Samples) -> CounterReadings:
    """Those that have a number, of the samples of one counter."""
    kept = np.flatnonzero(samples.scale != NOT_DECIMAL)
    return CounterReadings(samples.t[kept], samples.mantissa[kept], samples.scale[kept], samples.quality[kept])


def good(samples: Samples) -> CounterReadings:
    found = counter_readings(samples)
    kept = np.flatnonzero(found.quality & 0xC000 == 0)
    return CounterReadings(found.t[kept], found.mantissa[kept], found.scale[kept], found.quality[kept])


def ends_of(row: Mapping[str, Any]) -> CounterEnds:
    """The columns of one counter, as the store gives them."""
    t, mantissa, scale = (np.array(row[name], np.int64) for name in ("t", "mantissa", "scale"))
    last, low, high = (np.array(row[name], np.float64) for name in ("last", "low", "high"))
    return CounterEnds(t, mantissa, scale, last, low, high)


NO_ENDS = ends_of({name: [] for name in ("t", "mantissa", "scale", "last", "low", "high")})


def next_width(width: timedelta, octets: int) -> timedelta:
    """How many hours to read next, when `width` had so many octets of chunks."""
    hours = width // HOUR * PIECE // max(octets, PIECE // 744)
    return min(max(hours, 1) * HOUR, WIDEST)


def hour_of(at: datetime) -> datetime:
    return at - (at - EPOCH) % HOUR


def _reading(readings: CounterReadings, place: int) -> CounterReading:
    return CounterReading(int(readings.t[place]), int(readings.mantissa[place]), int(readings.scale[place]))
