"""Modbus TCP: one connection, one request at a time, answers told apart by their transaction."""

import asyncio
import logging
from typing import NamedTuple

from drivers.base import Cost, DeviceError, LineDown, Nonsense, Unreachable
from drivers.modbus.line import ModbusLine
from drivers.transport.address import split_address
from drivers.transport.deadline import Deadline
from drivers.transport.keepalive import keep_alive
from protocols.errors import RemoteProtocolError
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_response
from protocols.modbus.pdu import Request, Response
from protocols.modbus.tcp import PORT, TcpDecoder, encode_tcp

log = logging.getLogger(__name__)

BUFFER_BYTES = 512  # a frame has at most 260


class _Asked(NamedTuple):
    unit: int
    transaction: int
    request: Request
    timeout: float
    answer: asyncio.Future[Response]


class TcpLine(ModbusLine):
    """A transaction is used again only after 65,536 requests, so an answer that comes late is known as such.

    Requests are not pipelined: many devices drop the second of two.
    """

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._host, self._port = split_address(address, PORT)
        self._connection: _Connection | None = None
        self._transaction = 0
        self.late = 0  # answers that came after their request was given up

    async def open(self) -> None:
        await self.close()
        loop = asyncio.get_running_loop()
        try:
            _, self._connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        except (OSError, ValueError) as error:  # ValueError: a host that cannot even be looked up
            raise LineDown(f"{self.where}: no connection: {error}") from None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def cost(self, unit: int, space: str) -> Cost:  # noqa: ARG002
        """Beside the device's own time that of a frame on an Ethernet is nothing."""
        return Cost(0.0, 0.0)

    async def exchange(self, unit: int, request: Request, timeout: float) -> Response:
        connection = self._connection
        if connection is None or connection.lost:
            raise LineDown(f"{self.where}: {connection.lost if connection else 'not connected'}")
        self._transaction = (self._transaction + 1) & 0xFFFF
        try:
            return await connection.ask(unit, self._transaction, request, timeout)
        finally:
            connection.forget()


class _Connection(asyncio.BufferedProtocol):
    """`lost` says why there is no connection any more; it is empty while there is one."""

    def __init__(self, line: TcpLine) -> None:
        self.lost = ""
        self._line = line
        self._decoder = TcpDecoder()
        self._asked: _Asked | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
        self._deadline = Deadline(self._give_up)
        # An asyncio.Protocol would be given 256 KiB, made for each answer of a hundred bytes.
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection makes no other
        self._transport = transport
        keep_alive(transport)

    def ask(self, unit: int, transaction: int, request: Request, timeout: float) -> asyncio.Future[Response]:
        asked = self._asked = _Asked(unit, transaction, request, timeout, self._loop.create_future())
        self._deadline.set(timeout)
        if self._transport is not None:
            self._transport.write(encode_tcp(Frame(unit, request.encode(), transaction)))
        return asked.answer

    def forget(self) -> None:
        self._deadline.clear()
        self._asked = None

    def _give_up(self) -> None:
        if self._asked is not None:
            where, timeout = self._line.of(self._asked.unit), self._asked.timeout
            self._fail(Unreachable(f"{where}: no answer within {timeout:g} s"))

    async def close(self) -> None:
        if self._transport is not None:
            # What is still to be sent is not worth waiting for: a peer that reads nothing would hold us here.
            self._transport.abort()
            await self._closed

    def get_buffer(self, _: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        self._decoder.receive_data(bytes(self._view[:count]))
        try:
            while (frame := self._decoder.next_frame()) is not NEED_DATA:
                self._take(frame)
        except RemoteProtocolError as error:
            self._fail(Nonsense(f"{self._line.where}: {error}"))
            self._lose(str(error))

    def _take(self, frame: Frame) -> None:
        asked = self._asked
        if asked is None or frame.transaction != asked.transaction or asked.answer.done():
            self._line.late += 1
            log.debug("%s unit %d: answer of transaction %d came late", self._line.where, frame.unit, frame.transaction)
            return
        try:
            if frame.unit != asked.unit:
                raise RemoteProtocolError(f"unit {frame.unit} answered")
            asked.answer.set_result(parse_response(frame.pdu, asked.request))
        except RemoteProtocolError as error:
            self._fail(Nonsense(f"{self._line.of(asked.unit)}: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(f"connection lost: {error or 'closed by the device'}")
        self._fail(LineDown(f"{self._line.where}: {self.lost}"))
        self._deadline.close()
        if not self._closed.done():
            self._closed.set_result(None)

    def _lose(self, cause: str) -> None:
        self.lost = self.lost or cause
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: DeviceError) -> None:
        if self._asked is not None and not self._asked.answer.done():
            self._asked.answer.set_exception(error)
