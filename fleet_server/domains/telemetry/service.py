"""The port `Telemetry`: present values, history, gateways, the delivery proof, the quarantine, and what is live."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from fleet_server.domains.telemetry import exact, series
from fleet_server.domains.telemetry.models import (
    DEFAULT_PERIOD_MS,
    EPOCH,
    NOTHING,
    STEP_MS,
    CursorView,
    Last,
    Stream,
    channel_now,
    choose_resolution,
    device_now,
    from_ms,
    present_at,
    prove,
    to_ms,
)
from fleet_server.domains.telemetry.series import Chunk
from fleet_server.domains.telemetry.watch import Waker, Watch
from fleet_server.ingest.samples import Samples
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Invalid, NotFound
from fleet_server.kernel.ports import (
    ChannelNow,
    CounterEnds,
    CounterReading,
    CounterReadings,
    CounterSpan,
    DeliveryProof,
    DeviceNow,
    GatewayNow,
    History,
    QuarantineItem,
    Rates,
    Resolution,
)

MAX_POINTS = 200_000  # of one answer
MAX_READINGS = 1_000_000  # of a device in one raw answer; beyond it minutes are given
MAX_SPAN = timedelta(days=3660)
LAST = datetime(2200, 1, 1, tzinfo=UTC)  # of a `from`: beyond it a `to` could be no date at all
SILENT_AFTER = timedelta(seconds=100)  # an online gateway tells its state every 30 s
PROOF_SPAN = timedelta(hours=3)  # how far back chunks are compared one by one: behind it they are merged


class Store(exact.Store, Protocol):
    async def streams(self, codes: Sequence[str]) -> list[Stream]: ...
    async def last(self, ids: Sequence[int]) -> dict[int, Last]: ...
    async def counter_ends(
        self, resolution: Resolution, places: Sequence[tuple[int, int, datetime, datetime]]
    ) -> list[Mapping[str, Any]]: ...
    async def count_readings(self, device_id: int, start: datetime, end: datetime) -> int: ...
    async def rollups(
        self, resolution: Resolution, device_id: int, start: datetime, end: datetime
    ) -> list[Mapping[str, Any]]: ...
    async def gateways(self, codes: Sequence[str]) -> dict[str, GatewayNow]: ...
    async def cursors(self, gateway: str) -> list[CursorView]: ...
    async def stored_twice(self, gateway: str, since: datetime) -> int: ...
    async def rates(self, now: datetime) -> Rates: ...
    async def counts(self) -> dict[str, int]: ...
    async def quarantine(
        self, limit: int, before: int | None, gateways: Collection[str] | None
    ) -> list[QuarantineItem]: ...
    async def description(self, digest: bytes) -> bytes | None: ...


class Transactions(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Store]: ...


@dataclass(frozen=True)
class Chosen:
    """Channels of a stream by their indexes, and [start, end) of UTC."""

    stream: Stream
    indexes: Sequence[int]
    start: datetime
    end: datetime

    @property
    def names(self) -> list[str]:
        return [self.stream.channels[index]["name"] for index in self.indexes]


class TelemetryService:
    def __init__(self, begin: Transactions, clock: Clock, waker: Waker) -> None:
        self._begin = begin
        self._clock = clock
        self._watch = Watch(begin, waker)
        self.streams: Counter[str] = Counter()  # live ones, by the id of who reads

    async def now(self, codes: Sequence[str]) -> dict[str, DeviceNow]:
        """Of every code; one that never sent a birth has no channels."""
        async with self._begin() as store:
            streams = await store.streams(codes)
            last = await store.last([stream.id for stream in streams])
        present = {code: DeviceNow(code, None, ()) for code in codes}
        present.update((stream.code, device_now(stream, last.get(stream.id, NOTHING))) for stream in streams)
        return present

    async def history(self, code: str, channels: Sequence[str], start: datetime, end: datetime, points: int) -> History:
        """Of [start, end), about `points` a channel, but of all no more than MAX_POINTS; no `channels` means all. The
        resolution follows the span."""
        start, end = _checked(start, end)
        points = max(points, 10)
        async with self._begin() as store:
            stream = await _stream(store, code)
            chosen = _channels(stream, channels)
            described = [(stream.channels[index], index) for index in chosen]
            period = min((channel.get("period_ms") or DEFAULT_PERIOD_MS for channel, _ in described), default=0)
            resolution = choose_resolution(to_ms(end) - to_ms(start), period, points)
            if resolution == "raw" and await store.count_readings(stream.id, start, end) > MAX_READINGS:
                resolution = "minute"
            chunks, rows = list[Chunk](), list[Mapping[str, Any]]()
            if resolution == "raw":
                chunks = await store.chunks(stream.id, start, end)
            else:
                rows = await store.rollups(resolution, stream.id, start, end)
        since, until = to_ms(start), to_ms(end)
        window = since, min(until, to_ms(self._clock.now()))  # the future is no gap
        points = min(points, max(MAX_POINTS // max(len(chosen), 1), 10))
        # A million readings take a second: in a thread, or every page and stream of the process would stand still.
        if resolution == "raw":
            found = await asyncio.to_thread(series.raw, described, chunks, (since, until), window, points)
        else:
            found = await asyncio.to_thread(series.rolled_up, described, rows, STEP_MS[resolution], window, points)
        return History(code, resolution, start, end, found)

    async def choose(self, code: str, channels: Sequence[str], start: datetime, end: datetime) -> Chosen:
        """For `pieces`. No `channels` means all; NotFound for a device that never spoke."""
        start, end = _checked(start, end)
        async with self._begin() as store:
            stream = await _stream(store, code)
        return Chosen(stream, _channels(stream, channels), start, end)

    def pieces(self, chosen: Chosen) -> AsyncGenerator[Samples, None]:
        """All readings, as `exact.pieces` gives them."""
        return exact.pieces(self._begin, chosen.stream.id, chosen.indexes, chosen.start, chosen.end)

    async def counter(self, code: str, channel: str) -> ChannelNow:
        async with self._begin() as store:
            stream = await _stream(store, code)
            last = await store.last([stream.id])
        index = _counter(stream, channel)
        return channel_now(stream.channels[index], index, last.get(stream.id, NOTHING))

    async def counter_readings(
        self, code: str, channel: str, start: datetime, end: datetime
    ) -> AsyncGenerator[CounterReadings, None]:
        chosen = await self.choose(code, [channel], start, end)
        _counter(chosen.stream, channel)
        async with aclosing(self.pieces(chosen)) as found:
            async for samples in found:
                yield exact.counter_readings(samples)

    async def counter_around(
        self, code: str, channel: str, at: datetime
    ) -> tuple[CounterReading | None, CounterReading | None]:
        async with self._begin() as store:
            stream = await _stream(store, code)
        index = _counter(stream, channel)
        at = from_ms(to_ms(at))
        before = await exact.good_before(self._begin, stream.id, index, at)
        return before, await exact.good_after(self._begin, stream.id, index, at)

    async def counter_ends(self, spans: Sequence[CounterSpan], step: Literal["minute", "hour"]) -> list[CounterEnds]:
        async with self._begin() as store:
            streams = {one.code: one for one in await store.streams(sorted({span.device for span in spans}))}
            asked = [
                (place, (stream.id, index, span.start, span.end))
                for place, span in enumerate(spans)
                if (stream := streams.get(span.device)) is not None
                for index, channel in enumerate(stream.channels)
                if channel["name"] == span.channel
            ]
            rows = await store.counter_ends(step, [described for _, described in asked]) if asked else []
        found = {asked[row["place"]][0]: exact.ends_of(row) for row in rows}
        return [found.get(place, exact.NO_ENDS) for place in range(len(spans))]

    async def gateways_now(self, codes: Sequence[str]) -> dict[str, GatewayNow]:
        """Of every code; one that never spoke is offline since ever."""
        async with self._begin() as store:
            heard = await store.gateways(codes)
        never = (GatewayNow(code, False, None, 0, "unset", None, "", 0, 0, None, ()) for code in codes)
        earliest = self._clock.now() - SILENT_AFTER
        return {gateway.code: gateway for gateway in never} | {
            code: present_at(gateway, earliest) for code, gateway in heard.items()
        }

    async def delivery(self, gateway: str) -> DeliveryProof:
        async with self._begin() as store:
            cursors = await store.cursors(gateway)
            twice = await store.stored_twice(gateway, self._clock.now() - PROOF_SPAN)
        return prove(gateway, cursors, twice)

    async def rates(self) -> Rates:
        async with self._begin() as store:
            return await store.rates(self._clock.now())

    async def counts(self) -> dict[str, int]:
        """What ingest has counted since the beginning, by name (docs/ingest.md)."""
        async with self._begin() as store:
            return await store.counts()

    async def quarantine(
        self, *, limit: int, before: int | None = None, gateways: Collection[str] | None = None
    ) -> list[QuarantineItem]:
        async with self._begin() as store:
            return await store.quarantine(limit, before, gateways)

    async def description(self, digest: bytes) -> bytes:
        async with self._begin() as store:
            found = await store.description(digest)
        if found is None:
            raise NotFound(f"No birth {digest.hex()} is stored.")
        return found

    def live(self, codes: Sequence[str]) -> AsyncIterator[list[DeviceNow]]:
        """The present values, then the channels that changed, at most four times a second; [] when none did for some
        seconds, so that the caller can check scope and session again and tell its reader that it lives."""
        return self._watch.stream(codes)


def _checked(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    if start.tzinfo is None or end.tzinfo is None:
        raise Invalid("A time needs its zone, as in 2026-03-01T12:00:00Z.")
    if not (EPOCH <= start < LAST and timedelta() < end - start <= MAX_SPAN):
        raise Invalid(f"`from` must lie before `to`, by no more than {MAX_SPAN.days} days.")
    return start.astimezone(UTC), end.astimezone(UTC)


async def _stream(store: Store, code: str) -> Stream:
    streams = await store.streams([code])
    if not streams:
        raise NotFound(f"The device {code} has never sent anything.")
    return streams[0]


def _counter(stream: Stream, name: str) -> int:
    """Its index."""
    (index,) = _channels(stream, [name]) if name else (-1,)
    if index < 0 or stream.channels[index]["kind"] != "counter" or stream.channels[index]["type"] != "decimal":
        raise Invalid(f"Channel {name} of {stream.code} is no counter.", fields={"channel": "a counter"})
    return index


def _channels(stream: Stream, names: Sequence[str]) -> list[int]:
    """Indexes; those gone are found by name only."""
    index = {channel["name"]: at for at, channel in enumerate(stream.channels)}
    if not names:
        return [at for at, channel in enumerate(stream.channels) if not channel.get("gone")]
    if unknown := [name for name in names if name not in index]:
        raise Invalid(f"{stream.code} has no channel {', '.join(unknown)}.", fields={"channels": "unknown channel"})
    return [index[name] for name in dict.fromkeys(names)]
