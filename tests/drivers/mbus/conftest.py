"""Peers over real sockets and ptys: a scripted meter, and the simulator's."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from drivers.base import LineConfig, Span
from drivers.mbus.family import OVER_TCP, SERIAL
from drivers.mbus.line import MbusLine
from drivers.mbus.model import SPACE
from drivers.mbus.template import parse_model
from protocols.mbus.codes import FCB, REQ_UD2
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import Ack, Frame, LongFrame, ShortFrame, encode_frame
from protocols.mbus.header import Header
from protocols.mbus.telegram import encode_telegram
from protocols.mbus.variable import Form, Record, encode_record, encode_records
from protocols.stream import NEED_DATA

ADDRESS = 5
HEADER = Header("12345678", "HUT", 1, 7, 0, 0)
MODEL = parse_model(
    """
name = "plain"
title = { en = "Plain", zh = "水表" }
[[channel]]
name = "volume"
title = { en = "Volume", zh = "水量" }
quantity = "water"
unit = "m3"
kind = "counter"
record = "volume"
scale = "0.001"
""",
    "plain.toml",
)
Piece = bytes | float  # bytes to send; seconds to wait
Script = Callable[[Frame], Iterable[Piece]]


TEN = Span(SPACE, 0, 10)
ONE = Span(SPACE, 0, 1)


def volume(raw: bytes) -> int | float | None:
    return MODEL.decode(TEN, raw).values[0]


def water(value: int, access: int, address: int = ADDRESS, header: Header = HEADER, more: bool = False) -> LongFrame:
    record = encode_record(Record("volume", "m3", value, -3), b"\x13", Form.BCD8)
    return encode_telegram(address, header._replace(access=access & 0xFF), encode_records([record], more=more))


class Peer:
    """A meter whose volume is the number of its answer. `script` says how an answer goes out; answers keep their order
    unless `in_order` is off."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self.count = 0
        self.script: Script = lambda frame: [self.answer(frame)]
        self.in_order = True
        self._decoder = FrameDecoder()
        self._free_at = 0.0
        self.send: Callable[[bytes], object] = len  # until there is a line

    def answer(self, frame: Frame) -> bytes:
        """The plain one: E5, or the next volume."""
        if isinstance(frame, ShortFrame) and frame.control & ~FCB == REQ_UD2:
            self.count += 1
            return encode_frame(water(self.count, self.count))
        return encode_frame(Ack())

    def receive(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._decoder.receive_data(data)
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            self.heard.append(frame)
            begun = loop.time()
            at = max(begun, self._free_at) if self.in_order else begun
            for piece in self.script(frame):
                if isinstance(piece, float):
                    at += piece
                elif at > begun:
                    loop.call_at(at, self._say, piece)
                else:
                    self._say(piece)
            self._free_at = at if self.in_order else 0.0

    def _say(self, data: bytes) -> None:
        self.send(data)

    @property
    def controls(self) -> list[int]:
        return [frame.control for frame in self.heard if not isinstance(frame, Ack)]


class _Connection(asyncio.Protocol):
    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.peer.send = lambda data: None if transport.is_closing() else transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.peer.receive(data)


@pytest.fixture
async def peer() -> Peer:
    return Peer()


@pytest.fixture
async def tcp_line(peer: Peer) -> AsyncIterator[MbusLine]:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(peer), "127.0.0.1", 0)
    line = OVER_TCP.create_line(LineConfig("mbus-over-tcp", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert isinstance(line, MbusLine)
    await line.open()
    yield line
    await line.close()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def serial_line(peer: Peer, tmp_path: Path) -> AsyncIterator[MbusLine]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: peer.receive(os.read(master, 4096)))
    peer.send = lambda data: os.write(master, data)
    line = SERIAL.create_line(LineConfig("mbus", os.ttyname(slave), 38400, "E", 1))
    assert isinstance(line, MbusLine)
    await line.open()
    yield line
    await line.close()
    loop.remove_reader(master)
    os.close(master)
    os.close(slave)
