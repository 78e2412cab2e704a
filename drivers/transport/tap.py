"""Listening in on a stream, and asking on it past its protocol, without either end noticing."""

import asyncio
from collections.abc import Callable

from drivers.base import LineDown
from drivers.transport.stream import ByteStream

QUIET_S = 0.05  # behind an answer: longer than a USB adapter holds back what it has, and than a pause within a frame
Hear = Callable[[bytes], None]
Complete = Callable[[bytes], bool]


def _never(_: bytes) -> bool:
    return False


class Tap:
    """Set as `through` of a drivers.base.LineConfig. `sent` and `heard` are told of all bytes.

    Who owns the line may `ask` between two of its own calls, and only then.
    """

    def __init__(self, sent: Hear, heard: Hear) -> None:
        self._sent = sent
        self._heard = heard
        self._stream: TappedStream | None = None

    def __call__(self, stream: ByteStream) -> ByteStream:
        self._stream = TappedStream(stream, self._sent, self._heard)
        return self._stream

    @property
    def can_ask(self) -> bool:
        """Whether the line's driver put its stream through here."""
        return self._stream is not None

    @property
    def char_s(self) -> float:
        """Of the line, as drivers.transport.stream.Wire has it."""
        return 0.0 if self._stream is None else self._stream.char_s

    async def ask(self, request: bytes, timeout: float, complete: Complete = _never) -> bytes:
        """All that comes until it is `complete`, or the line has been quiet behind it, or nothing came within `timeout`
        after the request left the wire. The line's protocol hears nothing of it. Raises LineDown."""
        if self._stream is None:
            raise LineDown("this line's driver lets nobody ask past it")
        return await self._stream.ask(request, timeout, complete)


class TappedStream:
    """A ByteStream."""

    def __init__(self, stream: ByteStream, sent: Hear, heard: Hear) -> None:
        self.where = stream.where
        self.char_s = stream.char_s
        self.idle_s = stream.idle_s
        self.quiet_s = stream.quiet_s
        self._stream = stream
        self._note_sent = sent
        self._note_heard = heard
        self._on_data: Hear | None = None
        self._aside: Hear | None = None
        self._down = "not open"

    async def open(self, on_data: Hear, on_lost: Callable[[str], None]) -> None:
        note = self._note_heard
        self._on_data = on_data

        def heard(data: bytes) -> None:
            note(data)
            if self._aside is None:
                on_data(data)
            else:
                self._aside(data)

        def lost(cause: str) -> None:
            self._down = cause
            on_lost(cause)

        await self._stream.open(heard, lost)
        self._down = ""

    def write(self, data: bytes) -> None:
        self._note_sent(data)
        self._stream.write(data)

    async def close(self) -> None:
        self._down = self._down or "closed"
        await self._stream.close()

    async def ask(self, request: bytes, timeout: float, complete: Complete) -> bytes:
        if self._down:
            raise LineDown(f"{self.where}: {self._down}")
        loop, heard, more = asyncio.get_running_loop(), bytearray(), asyncio.Event()

        def aside(data: bytes) -> None:
            heard.extend(data)
            more.set()

        self._aside = aside
        try:
            await asyncio.sleep(self.idle_s)
            self.write(request)
            until = loop.time() + len(request) * self.char_s + timeout
            while (left := until - loop.time()) > 0 and not complete(bytes(heard)):
                more.clear()
                try:
                    await asyncio.wait_for(more.wait(), left)
                except TimeoutError:
                    break
                until = loop.time() + max(QUIET_S, self.quiet_s or 0.0)
            await asyncio.sleep(self.idle_s)
        finally:
            self._aside = None
        return bytes(heard)
