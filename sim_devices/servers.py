"""Where sessions meet the machine: listening TCP sockets, and pseudo-terminals that a serial driver opens."""

import asyncio
import contextlib
import logging
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from protocols.errors import RemoteProtocolError
from sim_devices.clock import Now
from sim_devices.conversation import Slaves
from sim_devices.faults import Send
from sim_devices.speech import Speech

log = logging.getLogger(__name__)

IDLE_S = 0.05  # well above 3.5 characters at any speed: a scheduler's pause is not a gap on the line
CHARACTER_BITS = 11
READ_SIZE = 4096


class Server(Protocol):
    """`address` is host:port, or the path to open; known once started."""

    name: str
    slaves: Slaves

    @property
    def address(self) -> str: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class _Peer(asyncio.Protocol):
    """One connection. Answers that are held back by a fault wait in the loop's timers, not in tasks."""

    def __init__(self, server: "TcpServer") -> None:
        self._server = server
        self._session = server.slaves.converse(server.kind)
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream protocol
        self.transport = transport
        self._server.peers.add(self)
        self._speech = Speech(self._session, self._server.now, self._send)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.peers.discard(self)
        self._speech.stop()
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        if self._idle is not None:
            self._idle.cancel()
        try:
            sends = self._session.receive(data, self._server.now())
        except RemoteProtocolError as error:
            log.info("%s: %s; closing", self._server.name, error)
            self.transport.close()
            return
        if self._server.kind != "tcp":
            self._idle = self._loop.call_later(IDLE_S, self._fell_idle)
        self._send(sends)

    def _fell_idle(self) -> None:
        self._send(self._session.idle(self._server.now()))

    def _send(self, sends: list[Send]) -> None:
        for send in sends:
            if send.hang_up:
                self.transport.abort()
            elif send.after:
                self._loop.call_later(send.after, self._write, send.data)
            else:
                self._write(send.data)

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


class TcpServer:
    """Modbus TCP (kind tcp), or the frames of a serial line over TCP, as terminal servers carry them."""

    def __init__(self, name: str, host: str, port: int, slaves: Slaves, now: Callable[[], Now], *, kind: str) -> None:
        self.name, self.slaves, self.now, self.kind = name, slaves, now, kind
        self.peers: set[_Peer] = set()
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for peer in list(self.peers):
            peer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()


class PtyServer:
    """Several slaves on one pseudo-terminal, which `link` points to. `baud` paces answers as a real line would.

    The far end stays open on our side, so that a client may come and go; bytes that nobody reads are lost, as on a
    line, once the terminal's buffer is full.
    """

    def __init__(self, name: str, link: Path, baud: int, slaves: Slaves, now: Callable[[], Now]) -> None:
        self.name, self.slaves, self.now = name, slaves, now
        self._link, self._baud = link, baud
        self._ends: tuple[int, int] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._back: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return str(self._link)

    async def start(self) -> None:
        self._plug_in()

    async def close(self) -> None:
        if self._back is not None:
            self._back.cancel()
        self._pull_out()

    def _plug_in(self) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._ends = (master, slave)
        self._session = self.slaves.converse("pty")
        self._free_at = 0.0
        fresh = self._link.with_name(f".{self._link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self._link)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(master, self._readable)
        self._speech = Speech(self._session, self.now, lambda sends: self._send(sends, 0))

    def _pull_out(self) -> None:
        if self._ends is None:
            return
        self._speech.stop()
        if self._idle is not None:
            self._idle.cancel()
        self._loop.remove_reader(self._ends[0])
        for end in self._ends:
            os.close(end)
        self._ends = None
        self._link.unlink(missing_ok=True)

    def _readable(self) -> None:
        if self._ends is None:
            return
        try:
            data = os.read(self._ends[0], READ_SIZE)
        except BlockingIOError:
            return
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(IDLE_S, self._fell_idle)
        self._send(self._session.receive(data, self.now()), len(data))

    def say(self, data: bytes) -> None:
        """Sends what nobody asked for, at once."""
        self._write(self._ends, data)

    def _fell_idle(self) -> None:
        self._send(self._session.idle(self.now()), 0)

    def _send(self, sends: list[Send], heard: int) -> None:
        """Each answer goes when the line has carried the request and all that went before it."""
        now = self._loop.time()
        self._free_at = max(now, self._free_at) + self._travel(heard)
        for send in sends:
            if send.hang_up:
                self._pull_out()
                self._back = self._loop.call_later(send.after, self._plug_in)
                return
            self._free_at += self._travel(len(send.data))
            # A slave that holds its answer back does not hold the line.
            self._loop.call_at(max(self._free_at, now + send.after), self._write, self._ends, send.data)

    def _travel(self, characters: int) -> float:
        return characters * CHARACTER_BITS / self._baud if self._baud else 0.0

    def _write(self, ends: tuple[int, int] | None, data: bytes) -> None:
        if ends is None or ends != self._ends:
            return  # pulled out since
        with contextlib.suppress(BlockingIOError):
            os.write(ends[0], data)
