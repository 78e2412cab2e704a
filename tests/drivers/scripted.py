"""A peer on a real pty or behind a real socket that answers each frame with a script: pieces, and pauses in seconds."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.transport.exchange import Decoder
from protocols.stream import NEED_DATA

Script = Callable[[Any], Iterable[bytes | float]]


class Scripted:
    """`heard` are all frames that came. `address` is what a driver opens, `sends` puts bytes on the line unasked."""

    def __init__(self, decoder: Decoder[Any], script: Script) -> None:
        self.heard: list[Any] = []
        self.script = script
        self.address = ""
        self.sends: Callable[[bytes], object] = lambda _: None
        self.hang_up: Callable[[], object] = lambda: None
        self._decoder = decoder

    def receive(self, data: bytes) -> None:
        self._decoder.receive_data(data)
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            self.heard.append(frame)
            delay = 0.0
            for piece in self.script(frame):
                if isinstance(piece, float):
                    delay += piece
                else:
                    asyncio.get_running_loop().call_later(delay, self.sends, piece)


@asynccontextmanager
async def on_a_pty(peer: Scripted, folder: Path) -> AsyncIterator[Scripted]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    link = folder / "tty"
    link.symlink_to(os.ttyname(slave))
    peer.address, peer.sends = str(link), lambda data: os.write(master, data)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: peer.receive(os.read(master, 4096)))
    try:
        yield peer
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


@asynccontextmanager
async def on_a_socket(peer: Scripted) -> AsyncIterator[Scripted]:
    class Side(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            peer.sends, peer.hang_up = transport.write, transport.abort

        def data_received(self, data: bytes) -> None:
            peer.receive(data)

    server = await asyncio.get_running_loop().create_server(Side, "127.0.0.1", 0)
    peer.address = "{}:{}".format(*server.sockets[0].getsockname())
    try:
        yield peer
    finally:
        server.close()
        peer.hang_up()
        await server.wait_closed()
