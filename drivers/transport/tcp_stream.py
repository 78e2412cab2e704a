"""A TCP connection to a device, or to a terminal server with a serial line behind it."""

import asyncio
from collections.abc import Callable

from drivers.base import LineDown
from drivers.transport.address import split_address
from drivers.transport.keepalive import keep_alive

PORT = 4001  # the first serial port of the common terminal servers
_BUFFER_BYTES = 4096


class TcpStream(asyncio.BufferedProtocol):
    char_s = 0.0
    idle_s = 0.0  # the terminal server keeps the silence of its line
    quiet_s: float | None = None  # a pause between two segments may be the network's

    def __init__(self, address: str, port: int = PORT) -> None:
        """`port` is that of an address which names none."""
        self.where = address
        self._host, self._port = split_address(address, port)
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] | None = None
        # An asyncio.Protocol would be given 256 KiB, made for each answer of a hundred bytes.
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        await self.close()
        loop = asyncio.get_running_loop()
        self._on_data, self._on_lost = on_data, on_lost
        try:
            await loop.create_connection(lambda: self, self._host, self._port)
        except (OSError, ValueError) as error:  # ValueError: a host that cannot even be looked up
            raise LineDown(f"{self.where}: no connection: {error}") from None

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def close(self) -> None:
        transport, closed = self._transport, self._closed
        if transport is not None and closed is not None:
            self._on_lost = _unheard
            transport.abort()
            await closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport
        self._closed = asyncio.get_running_loop().create_future()
        keep_alive(transport)

    def get_buffer(self, _: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        self.data_received(bytes(self._view[:count]))

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self._on_lost(f"connection lost: {error or 'closed by the other side'}")


def _unheard(_: str) -> None:
    """Nobody is told of a loss that he asked for."""
