"""Where the driver meets the device: a real socket or pty, and a script for what becomes of each answer."""

import asyncio
import os
import tempfile
import tty
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Final, Literal, TypeAlias

from drivers.conformance.subject import Act, DriverUnderTest, Peer

READ_SIZE = 4096


class _Deed(Enum):
    HANG_UP = "the connection is closed, or the adapter pulled out"


HANG_UP: Final = _Deed.HANG_UP
Piece: TypeAlias = bytes | float | Literal[_Deed.HANG_UP]  # bytes to send, seconds to pause
Script: TypeAlias = Callable[[bytes], Iterable[Piece]]


class NotApplicable(Exception):
    """A check that this driver, or what is known of its device, leaves no room for; says why."""


def honest(answer: bytes) -> list[Piece]:
    return [answer]


def silent(_: bytes) -> list[Piece]:
    return []


class Bench(ABC):
    """`answers` are what the device meant to say, one for each request; `script` decides what goes over the line."""

    address: str

    def __init__(self, begin: Callable[[], Peer]) -> None:
        self.answers: list[bytes] = []
        self.script: Script = honest
        self._begin = begin
        self._peer = begin()
        self._changed = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    async def asked(self, count: int) -> None:
        """Waits until `count` requests have come since the beginning."""
        while len(self.answers) < count:
            self._changed.clear()
            await self._changed.wait()

    def play(self, pieces: Iterable[Piece]) -> None:
        delay = 0.0
        for piece in pieces:
            if isinstance(piece, float):
                delay += piece
            elif delay:
                self._timers.add(asyncio.get_running_loop().call_later(delay, self._do, piece))
            else:
                self._do(piece)

    def turn_to(self, begin: Callable[[], Peer]) -> None:
        """Another device answers from now on."""
        self._begin = begin
        self._renew()

    def cancel(self) -> None:
        """What was still to be sent is not."""
        for timer in self._timers:
            timer.cancel()

    @abstractmethod
    async def start(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def _send(self, data: bytes) -> None: ...

    @abstractmethod
    def hang_up(self) -> None: ...

    def _renew(self) -> None:
        self._peer = self._begin()

    def _hear(self, data: bytes) -> None:
        if answer := self._peer(data):
            self.answers.append(answer)
            self._changed.set()
            self.play(self.script(answer))

    def _do(self, piece: bytes | Literal[_Deed.HANG_UP]) -> None:
        if piece is HANG_UP:
            self.hang_up()
        else:
            self._send(piece)


class _Connection(asyncio.Protocol):
    def __init__(self, bench: "SocketBench") -> None:
        self._bench = bench

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream protocol
        self._bench.met(transport)

    def data_received(self, data: bytes) -> None:
        self._bench.heard(data)


class SocketBench(Bench):
    """Takes one connection after another, and speaks on the last."""

    async def start(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self.cancel()
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def met(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._renew()

    def heard(self, data: bytes) -> None:
        self._hear(data)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


class PtyBench(Bench):
    """`address` is a link that comes back after the adapter was pulled out, as udev's do."""

    async def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hutong-")
        self.address = str(Path(self._folder.name) / "tty")
        self._ends: tuple[int, int] | None = None
        self._plug_in()

    async def close(self) -> None:
        self.cancel()
        self._pull_out()
        self._folder.cleanup()

    def hang_up(self) -> None:
        """The descriptor that the driver holds is dead from now on; the next adapter is there at once."""
        self._pull_out()
        self._plug_in()

    def _plug_in(self) -> None:
        self._ends = os.openpty()
        tty.setraw(self._ends[1])
        os.set_blocking(self._ends[0], False)
        Path(self.address).unlink(missing_ok=True)
        Path(self.address).symlink_to(os.ttyname(self._ends[1]))
        self._renew()
        asyncio.get_running_loop().add_reader(self._ends[0], self._readable)

    def _pull_out(self) -> None:
        if self._ends is not None:
            asyncio.get_running_loop().remove_reader(self._ends[0])
            for end in self._ends:
                os.close(end)
            self._ends = None

    def _readable(self) -> None:
        if self._ends is not None:
            self._hear(os.read(self._ends[0], READ_SIZE))

    def _send(self, data: bytes) -> None:
        if self._ends is not None:
            os.write(self._ends[0], data)


def beginning(subject: DriverUnderTest, act: Act) -> Callable[[], Peer]:
    """Raises NotApplicable where the device has no such act."""

    def begin() -> Peer:
        peer = subject.device.begin(act)
        if peer is None:
            raise NotApplicable(f"the device under test has no answer of the kind {act}")
        return peer

    return begin


@asynccontextmanager
async def serving(subject: DriverUnderTest, act: Act = Act.HONEST) -> AsyncIterator[Bench]:
    """Raises NotApplicable where the device has no such act."""
    begin = beginning(subject, act)
    bench: Bench = PtyBench(begin) if subject.on_pty else SocketBench(begin)
    await bench.start()
    try:
        yield bench
    finally:
        await bench.close()
