"""A socket of a module, as long as the module keeps it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from drivers.base import Unreachable
from protocols.at.dialect import Kind, Socket

Address: TypeAlias = tuple[str, int]
MOST_WAITING = 256 << 10  # bytes that nobody took yet


class ModemSocket:
    """Ends when either side, the network or the module ends it; receive() then gives what came before, and raises."""

    def __init__(
        self,
        socket: Socket,
        send: Callable[[Socket, bytes], Awaitable[None]],
        close: Callable[["ModemSocket"], Awaitable[None]],
        longest: int,
    ) -> None:
        self.socket = socket
        self.ended = ""  # why
        self._send, self._close, self._longest = send, close, longest
        self._waiting: asyncio.Queue[tuple[bytes, Address | None] | None] = asyncio.Queue()
        self._bytes = 0

    async def send(self, data: bytes, to: Address | None = None) -> None:
        """A stream's bytes are cut to what the module takes; a datagram must fit. `to` is for a listening socket.

        Raises DeviceError.
        """
        socket = self.socket if to is None else replace(self.socket, host=to[0], port=to[1])
        step = self._longest if self.socket.kind is Kind.TCP else max(len(data), 1)
        for start in range(0, len(data), step):
            self._raise_if_ended()
            await self._send(socket, data[start : start + step])

    async def receive(self) -> bytes:
        """A datagram, or the next bytes of a stream. Raises Unreachable once it has ended and all is fetched."""
        data, _ = await self.receive_from()
        return data

    async def receive_from(self) -> tuple[bytes, Address | None]:
        """With its sender, where the family tells one."""
        item = await self._waiting.get()
        if item is None:
            self._waiting.put_nowait(None)
            raise Unreachable(self._end_in_words())
        self._bytes -= len(item[0])
        return item

    async def close(self) -> None:
        """Gives the module its number back, whoever ended the socket."""
        self.end("closed")
        await self._close(self)

    def take(self, data: bytes, source: Address | None = None) -> None:
        """What the module received. A datagram beyond what is kept is lost; a stream cannot lose bytes, and ends."""
        if self.ended:
            return
        if self._bytes + len(data) > MOST_WAITING:
            if self.socket.kind is Kind.TCP:
                self.end(f"{MOST_WAITING} bytes wait and nobody takes them")
            return
        self._bytes += len(data)
        self._waiting.put_nowait((data, source))

    def end(self, cause: str) -> None:
        if not self.ended:
            self.ended = cause
            self._waiting.put_nowait(None)

    def _raise_if_ended(self) -> None:
        if self.ended:
            raise Unreachable(self._end_in_words())

    def _end_in_words(self) -> str:
        return f"{self.socket.host}:{self.socket.port}: {self.ended}"
