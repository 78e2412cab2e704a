"""Peers over real sockets and ptys. A peer answers each request with a script: pieces to send, and pauses between."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from drivers.base import LineConfig, Span
from drivers.modbus.rtu_line import RtuLine
from drivers.modbus.tcp_line import TcpLine
from drivers.transport.serial_port import SerialPort
from drivers.transport.tcp_stream import TcpStream
from protocols.modbus.codes import Function
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_request
from protocols.modbus.pdu import (
    ReadBits,
    ReadBitsResponse,
    ReadRegisters,
    ReadRegistersResponse,
    WriteMultipleCoils,
    WriteMultipleRegisters,
    WriteMultipleResponse,
)
from protocols.modbus.rtu import RtuRequestDecoder, encode_rtu
from protocols.modbus.tcp import TcpDecoder, encode_tcp

Script = Callable[[Frame], Iterable[bytes | float | None]]

FIRST_TWO = Span("holding", 0, 2)


def answer(frame: Frame, first: int | None = None) -> Frame:
    """An honest answer: register n holds n, or counts up from `first`."""
    request = parse_request(frame.pdu)
    match request:
        case ReadRegisters(function, address, quantity):
            start = address if first is None else first
            values = [value & 0xFFFF for value in range(start, start + quantity)]
            return frame.reply(ReadRegistersResponse.of(function, values).encode())
        case ReadBits(function, _, quantity):
            return frame.reply(ReadBitsResponse.of(function, [True] * quantity).encode())
        case WriteMultipleRegisters() | WriteMultipleCoils():
            return frame.reply(WriteMultipleResponse(request.function, request.address, request.quantity).encode())
        case _:
            return frame.reply(frame.pdu)


def registers(*values: int, function: Function = Function.READ_HOLDING_REGISTERS) -> bytes:
    return ReadRegistersResponse.of(function, values).encode()


class Peer:
    """`script` yields bytes to send, seconds to pause, and None to hang up. `requests` are all frames that came."""

    def __init__(self, encode: Callable[[Frame], bytes], make_decoder: Callable[[], RtuRequestDecoder | TcpDecoder]):
        self.encode = encode
        self.requests: list[Frame] = []
        self.heard_at: list[float] = []
        self.script: Script = lambda frame: [self.encode(answer(frame))]
        self._make_decoder = make_decoder
        self._decoder = make_decoder()

    def fresh(self) -> None:
        self._decoder = self._make_decoder()

    def receive(self, data: bytes, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._decoder.receive_data(data)
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            self.requests.append(frame)
            self.heard_at.append(loop.time())
            delay = 0.0
            for piece in self.script(frame):
                if isinstance(piece, float):
                    delay += piece
                elif piece is None:
                    loop.call_later(delay, hang_up)
                elif delay:
                    loop.call_later(delay, send, piece)
                else:
                    send(piece)


class PtyPeer(Peer):
    """A device line behind a pty. `path` is a link that survives `unplug` and `plug`, as udev's do."""

    def __init__(self, path: Path) -> None:
        super().__init__(encode_rtu, RtuRequestDecoder)
        self.path = path
        self._master: int | None = None
        self._slave: int | None = None

    def plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        self.fresh()
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """The descriptor that the driver holds is dead from now on."""
        self.path.unlink(missing_ok=True)
        for descriptor in (self._master, self._slave):
            if descriptor is not None:
                asyncio.get_running_loop().remove_reader(descriptor)
                os.close(descriptor)
        self._master = self._slave = None

    def send(self, data: bytes) -> None:
        if self._master is not None:
            os.write(self._master, data)

    def _readable(self) -> None:
        assert self._master is not None
        self.receive(os.read(self._master, 4096), self.send, self.unplug)


class SocketPeer(Peer, asyncio.Protocol):
    """A device behind a TCP port, one connection at a time."""

    port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.fresh()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.receive(data, self.send, self.transport.abort)

    async def listen(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.get_running_loop().create_server(lambda: self, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        return server


@pytest.fixture
async def pty_peer(tmp_path: Path) -> AsyncIterator[PtyPeer]:
    peer = PtyPeer(tmp_path / "tty")
    peer.plug()
    yield peer
    peer.unplug()


@pytest.fixture
async def serial_line(pty_peer: PtyPeer) -> AsyncIterator[RtuLine]:
    line = RtuLine(SerialPort(LineConfig("modbus-rtu", str(pty_peer.path), baud=115200)))
    await line.open()
    yield line
    await line.close()


async def _served(peer: SocketPeer) -> AsyncIterator[SocketPeer]:
    server = await peer.listen()
    yield peer
    server.close()
    if hasattr(peer, "transport"):
        peer.transport.abort()
    await server.wait_closed()


@pytest.fixture
async def tcp_peer() -> AsyncIterator[SocketPeer]:
    async for peer in _served(SocketPeer(encode_tcp, TcpDecoder)):
        yield peer


@pytest.fixture
async def rtu_socket_peer() -> AsyncIterator[SocketPeer]:
    async for peer in _served(SocketPeer(encode_rtu, RtuRequestDecoder)):
        yield peer


@pytest.fixture
async def tcp_line(tcp_peer: SocketPeer) -> AsyncIterator[TcpLine]:
    line = TcpLine(f"127.0.0.1:{tcp_peer.port}")
    await line.open()
    yield line
    await line.close()


@pytest.fixture
async def rtu_tcp_line(rtu_socket_peer: SocketPeer) -> AsyncIterator[RtuLine]:
    line = RtuLine(TcpStream(f"127.0.0.1:{rtu_socket_peer.port}"))
    await line.open()
    yield line
    await line.close()
