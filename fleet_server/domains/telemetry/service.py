"""The port `Telemetry`: present values, history, gateways, the delivery proof, the quarantine, and what is live."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from fleet_server.domains.telemetry import series
from fleet_server.domains.telemetry.models import (
    DEFAULT_PERIOD_MS,
    EPOCH,
    NOTHING,
    STEP_MS,
    CursorView,
    Last,
    Stream,
    choose_resolution,
    device_now,
    present_at,
    prove,
    to_ms,
)
from fleet_server.domains.telemetry.series import Chunk
from fleet_server.domains.telemetry.watch import Waker, Watch
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Invalid, NotFound
from fleet_server.kernel.ports import (
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


class Store(Protocol):
    async def streams(self, codes: Sequence[str]) -> list[Stream]: ...
    async def last(self, ids: Sequence[int]) -> dict[int, Last]: ...
    async def count_readings(self, device_id: int, start: datetime, end: datetime) -> int: ...
    async def chunks(self, device_id: int, start: datetime, end: datetime) -> list[Chunk]: ...
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
        start, end, points = _checked(start, end, points)
        async with self._begin() as store:
            streams = await store.streams([code])
            if not streams:
                raise NotFound(f"The device {code} has never sent anything.")
            stream = streams[0]
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


def _checked(start: datetime, end: datetime, points: int) -> tuple[datetime, datetime, int]:
    if start.tzinfo is None or end.tzinfo is None:
        raise Invalid("A time needs its zone, as in 2026-03-01T12:00:00Z.")
    if not (EPOCH <= start < LAST and timedelta() < end - start <= MAX_SPAN):
        raise Invalid(f"`from` must lie before `to`, by no more than {MAX_SPAN.days} days.")
    return start.astimezone(UTC), end.astimezone(UTC), max(points, 10)


def _channels(stream: Stream, names: Sequence[str]) -> list[int]:
    """Indexes; those gone are found by name only."""
    index = {channel["name"]: at for at, channel in enumerate(stream.channels)}
    if not names:
        return [at for at, channel in enumerate(stream.channels) if not channel.get("gone")]
    if unknown := [name for name in names if name not in index]:
        raise Invalid(f"{stream.code} has no channel {', '.join(unknown)}.", fields={"channels": "unknown channel"})
    return [index[name] for name in dict.fromkeys(names)]
