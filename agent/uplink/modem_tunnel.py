"""The broker's connection through a modem: a port on loopback, whose connection a socket of the module carries.

The MQTT client connects to that port and knows nothing of it. Only one connection is carried at a time, a new one
ends the old; what is under way when the module fails is lost with the connection, and the spool sends it again.
"""

import asyncio
import logging
from typing import NoReturn

from drivers.base import DeviceError
from drivers.nbiot.modem import Modem
from drivers.nbiot.socket import ModemSocket
from protocols.at.dialect import Kind

log = logging.getLogger(__name__)

READY_S = 10.0
READ_SIZE = 4096


class ModemTunnel:
    def __init__(self, modem: Modem, host: str, port: int) -> None:
        """To `host` and `port` as the module reaches them."""
        self._modem, self._host, self._port = modem, host, port
        self._listening = asyncio.Event()
        self._address = ("", 0)
        self._carrier: asyncio.Task[None] | None = None

    async def reach(self) -> tuple[str, int]:
        """Where to connect, once the module is in its network. Raises OSError while it is not."""
        try:
            async with asyncio.timeout(READY_S):
                await self._listening.wait()
                await self._modem.ready()
        except TimeoutError:
            raise OSError(f"modem {self._modem.where}: {self._modem.fault or self._modem.state}") from None
        return self._address

    async def run(self) -> None:
        """Never returns; cancelled to end."""
        async with asyncio.TaskGroup() as tasks:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                before, self._carrier = self._carrier, tasks.create_task(self._carry(reader, writer))
                if before is not None:
                    before.cancel()

            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            try:
                self._address = server.sockets[0].getsockname()[:2]
                self._listening.set()
                await server.serve_forever()
            finally:
                self._listening.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from beginning to end."""
        try:
            socket = await self._modem.open_socket(Kind.TCP, self._host, self._port)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_up(reader, socket))
                    tasks.create_task(_down(socket, writer))
            finally:
                await socket.close()
        except* (DeviceError, OSError) as group:
            log.info("modem %s: %s:%d: %s", self._modem.where, self._host, self._port, _first(group))
        finally:
            writer.transport.abort()


async def _up(reader: asyncio.StreamReader, socket: ModemSocket) -> NoReturn:
    while data := await reader.read(READ_SIZE):
        await socket.send(data)
    raise ConnectionResetError("closed by the MQTT client")


async def _down(socket: ModemSocket, writer: asyncio.StreamWriter) -> NoReturn:
    while True:
        writer.write(await socket.receive())
        await writer.drain()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
