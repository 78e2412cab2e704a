"""One look at the database for all live streams together: a stream costs the bytes it is sent, and no questions."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from fleet_server.domains.telemetry.models import NOTHING, Last, Stream, device_now
from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.ports import ChannelNow, DeviceNow

SHORTEST_S = 0.25  # between two looks
LONGEST_S = 3.0  # without a word to a stream; and until what a birth changed is seen
AWAY_S = 1.0  # after a look that failed, nobody tries again so long


class Store(Protocol):
    async def streams(self, codes: Sequence[str]) -> list[Stream]: ...
    async def last(self, ids: Sequence[int]) -> dict[int, Last]: ...


class Begin(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Store]: ...


class Waker(Protocol):
    def waiting(self) -> AbstractAsyncContextManager[Callable[[], Coroutine[Any, Any, float]]]:
        """What it gives returns when something may have changed, or after some seconds: with the loop's time at which
        a look must have begun, or later, to see it."""
        ...


@dataclass(frozen=True)
class _Watched:
    """A device as the newest look found it. `change` is what look `number` found new, `before` the look that had found
    the change before it; `changed` says of each channel which look it was."""

    stream: Stream | None
    last: Last
    now: DeviceNow
    number: int
    before: int
    changed: dict[str, int]
    change: DeviceNow

    def since(self, seen: int) -> DeviceNow | None:
        """What is new to who has seen look `seen`; for all who keep up the same object, so its text is made once."""
        if seen >= self.number:
            return None
        if seen >= self.before:
            return self.change
        return _only(self.now, (channel for channel in self.now.channels if self.changed.get(channel.name, 0) > seen))


def _watched(known: _Watched | None, stream: Stream | None, last: Last, code: str, number: int) -> _Watched:
    now = DeviceNow(code, None, ()) if stream is None else device_now(stream, last)
    if known is None:
        return _Watched(stream, last, now, number, 0, dict.fromkeys((c.name for c in now.channels), number), now)
    was = {channel.name: channel for channel in known.now.channels}
    fresh = [channel for channel in now.channels if was.get(channel.name) != channel]
    changed = known.changed | dict.fromkeys((channel.name for channel in fresh), number)
    return _Watched(stream, last, now, number, known.number, changed, _only(now, fresh))


def _only(device: DeviceNow, channels: Iterable[ChannelNow]) -> DeviceNow:
    return replace(device, channels=tuple(channels))


@dataclass(eq=False)
class Watch:
    begin: Begin
    waker: Waker
    _wanted: Counter[str] = field(default_factory=Counter)  # how many streams show a device
    _devices: dict[str, _Watched] = field(default_factory=dict)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _number: int = 0  # of the newest look
    _looked_at: float = float("-inf")  # the loop's time, as those below
    _described_at: float = float("-inf")
    _failed_at: float = float("-inf")

    async def stream(self, codes: Sequence[str]) -> AsyncGenerator[list[DeviceNow], None]:
        """The present values, then the channels that changed, at most four times a second; [] when none did for
        LONGEST_S. Unavailable when the database is."""
        loop = asyncio.get_running_loop()
        self._wanted.update(codes)
        try:
            async with self.waker.waiting() as wait:
                seen = await self._look(codes, float("-inf"))  # what other streams show by now will do
                told = loop.time()
                yield [self._devices[code].now for code in codes]
                while True:
                    number = await self._look(codes, await wait())
                    found = [change for code in codes if (change := self._devices[code].since(seen)) is not None]
                    seen = number
                    if found or loop.time() - told >= LONGEST_S:
                        told = loop.time()
                        yield found
        finally:
            self._wanted.subtract(codes)
            for code in codes:
                if self._wanted[code] <= 0:
                    del self._wanted[code]
                    self._devices.pop(code, None)

    async def _look(self, codes: Sequence[str], fresh: float) -> int:
        """The number of a look that has `codes` and began at `fresh` or later: another stream's, else a new one."""
        async with self._looking:
            loop = asyncio.get_running_loop()
            unknown = [code for code in codes if code not in self._devices]
            if not unknown and self._looked_at >= fresh:
                return self._number
            if loop.time() - self._failed_at < AWAY_S:
                raise Unavailable("The database does not answer.")
            try:
                if unknown:
                    await self._take(unknown, unknown)
                else:
                    await asyncio.sleep(self._looked_at + SHORTEST_S - loop.time())
                    await self._look_at_all()
            except Unavailable:
                self._failed_at = loop.time()
                raise
            return self._number

    async def _look_at_all(self) -> None:
        began = asyncio.get_running_loop().time()
        every = list(self._wanted)
        describe = began - self._described_at >= LONGEST_S
        await self._take(every, every if describe else [code for code in every if code not in self._devices])
        self._looked_at = began
        if describe:
            self._described_at = began

    async def _take(self, codes: Sequence[str], describe: Sequence[str]) -> None:
        """Read `codes` again; the descriptions of those in `describe` too."""
        streams = {code: self._devices[code].stream for code in codes if code in self._devices}
        async with self.begin() as store:
            if describe:
                found = {stream.code: stream for stream in await store.streams(describe)}
                streams |= {code: found.get(code) for code in describe}
            last = await store.last([stream.id for stream in streams.values() if stream is not None])
        self._number += 1
        for code, stream in streams.items():
            known = self._devices.get(code)
            newest = NOTHING if stream is None else last.get(stream.id, NOTHING)
            if code in self._wanted and (known is None or (known.stream, known.last) != (stream, newest)):
                self._devices[code] = _watched(known, stream, newest, code, self._number)
