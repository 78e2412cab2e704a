"""Each fault as a client sees it, on real sockets and on a real pseudo-terminal."""

import asyncio
import os
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocols.modbus.codes import Function
from protocols.modbus.frame import Frame
from protocols.modbus.pdu import ReadRegisters
from protocols.modbus.rtu import encode_rtu
from protocols.modbus.tcp import encode_tcp
from sim_devices.clock import Clock
from sim_devices.faults import Fault, Faults, Kind
from sim_devices.modbus.session import Slaves
from sim_devices.models.base import Device, Options
from sim_devices.servers import PtyServer, TcpServer
from sim_devices.world import World

START = 1_782_041_400_000
REQUEST = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 1)
ASKED = {"tcp": encode_tcp(Frame(1, REQUEST.encode(), 9)), "rtu": encode_rtu(Frame(1, REQUEST.encode()))}
# dim_setpoint is 80 at half past seven: the evening plan says 100.
ANSWERED = {
    "tcp": encode_tcp(Frame(1, bytes([3, 2, 0, 100]), 9)),
    "rtu": encode_rtu(Frame(1, bytes([3, 2, 0, 100]))),
}


class Line:
    """The client's end, as a file descriptor or a pair of streams."""

    async def send(self, data: bytes) -> None:
        raise NotImplementedError

    async def heard(self, seconds: float = 0.15) -> bytes:
        """All that comes within a time."""
        raise NotImplementedError


class TcpLine(Line):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def heard(self, seconds: float = 0.15) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                part = await asyncio.wait_for(self.reader.read(4096), left)
            except TimeoutError:
                break
            if not part:
                raise ConnectionResetError
            got += part
        return got


class PtyLine(Line):
    def __init__(self, path: Path) -> None:
        self.end = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.end)

    async def send(self, data: bytes) -> None:
        os.write(self.end, data)

    async def heard(self, seconds: float = 0.15) -> bytes:
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                got += os.read(self.end, 4096)
            except BlockingIOError:
                await asyncio.sleep(0.005)
        return got


class Bench:
    def __init__(self) -> None:
        self.clock = Clock(START)
        world = World(1, START)
        units: dict[int | str, Device] = {
            unit: world.add(f"lamp-{unit}", "lamp_controller", Options()) for unit in (1, 2, 3)
        }
        world.begin()
        self.faults = Faults(1)
        self.slaves = Slaves(units, self.faults, world.advance)

    @asynccontextmanager
    async def line(self, kind: str, tmp_path: Path, baud: int = 0) -> AsyncIterator[Line]:
        server: TcpServer | PtyServer
        if kind == "pty":
            server = PtyServer("line", tmp_path / "ttySIM", baud, self.slaves, self.clock.now)
        else:
            server = TcpServer("line", "127.0.0.1", 0, self.slaves, self.clock.now, kind=kind)
        await server.start()
        try:
            if isinstance(server, PtyServer):
                line = PtyLine(Path(server.address))
                yield line
                os.close(line.end)
            else:
                host, port = server.address.split(":")
                reader, writer = await asyncio.open_connection(host, int(port))
                yield TcpLine(reader, writer)
                writer.close()
        finally:
            await server.close()


KINDS = ("tcp", "rtu-over-tcp", "pty")


def framing(kind: str) -> str:
    return "tcp" if kind == "tcp" else "rtu"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_is_answered_and_several_in_turn(kind: str, tmp_path: Path) -> None:
    asked, answered = ASKED[framing(kind)], ANSWERED[framing(kind)]
    async with Bench().line(kind, tmp_path) as line:
        for _ in range(3):
            await line.send(asked)
            assert await line.heard(0.05) == answered


@pytest.mark.parametrize("kind", KINDS)
async def test_each_fault_is_seen_on_the_wire_and_gone_when_it_is_cleared(kind: str, tmp_path: Path) -> None:
    bench, asked, answered = Bench(), ASKED[framing(kind)], ANSWERED[framing(kind)]
    async with bench.line(kind, tmp_path) as line:

        async def seen(fault: Fault, seconds: float = 0.08) -> bytes:
            bench.faults.clear()
            bench.faults.add("lamp-1", fault)
            await line.send(asked)
            return await line.heard(seconds)

        assert await seen(Fault(Kind.SILENT)) == b""
        assert await seen(Fault(Kind.DUPLICATE)) == answered * 2
        spoilt = await seen(Fault(Kind.WRONG_CRC))
        assert len(spoilt) == len(answered)
        assert spoilt != answered
        assert b"\x02\x03" in await seen(Fault(Kind.WRONG_UNIT))
        assert b"\x83\x06" in await seen(Fault(Kind.EXCEPTION, code=6))
        noisy = await seen(Fault(Kind.NOISY))
        assert answered in noisy
        assert len(noisy) > len(answered)
        assert await seen(Fault(Kind.LATE, delay_s=0.2), 0.1) == b""
        assert await line.heard(0.2) == answered
        began = time.monotonic()
        assert await seen(Fault(Kind.SLOW, delay_s=0.1), 0.2) == answered
        assert time.monotonic() - began >= 0.1
        bench.faults.clear()
        await line.send(asked)
        assert await line.heard(0.08) == answered


async def test_a_late_answer_does_not_hold_up_the_others_on_the_line(tmp_path: Path) -> None:
    bench = Bench()
    bench.faults.add("lamp-1", Fault(Kind.LATE, delay_s=0.15))
    async with bench.line("pty", tmp_path) as line:
        await line.send(ASKED["rtu"])
        await line.send(encode_rtu(Frame(2, REQUEST.encode())))
        assert await line.heard(0.1) == encode_rtu(Frame(2, bytes([3, 2, 0, 100])))
        assert await line.heard(0.15) == ANSWERED["rtu"]


async def test_a_disconnected_client_is_cut_off_and_may_come_back() -> None:
    bench = Bench()
    bench.faults.add("lamp-1", Fault(Kind.DISCONNECT))
    server = TcpServer("line", "127.0.0.1", 0, bench.slaves, bench.clock.now, kind="tcp")
    await server.start()
    host, port = server.address.split(":")
    for fault in (True, False):
        reader, writer = await asyncio.open_connection(host, int(port))
        line = TcpLine(reader, writer)
        await line.send(ASKED["tcp"])
        if fault:
            with pytest.raises(ConnectionResetError):
                await line.heard(1.0)
        else:
            assert await line.heard(0.05) == ANSWERED["tcp"]
        writer.close()
        bench.faults.clear()
    await server.close()


async def test_a_pulled_out_adapter_is_gone_and_comes_back_at_the_same_path(tmp_path: Path) -> None:
    bench = Bench()
    bench.faults.add("lamp-1", Fault(Kind.DISCONNECT, delay_s=0.15))
    link = tmp_path / "ttySIM"
    server = PtyServer("line", link, 0, bench.slaves, bench.clock.now)
    await server.start()
    try:
        line = PtyLine(link)
        await line.send(ASKED["rtu"])
        await line.heard(0.05)
        with pytest.raises(OSError, match="Input/output error"):
            await line.send(ASKED["rtu"])
        assert not link.is_symlink()
        bench.faults.clear()
        deadline = time.monotonic() + 2.0
        while not link.exists():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        again = PtyLine(link)
        await again.send(ASKED["rtu"])
        assert await again.heard(0.05) == ANSWERED["rtu"]
        os.close(line.end)
        os.close(again.end)
    finally:
        await server.close()
    assert not link.is_symlink()


async def test_a_line_with_a_speed_takes_the_time_that_its_bytes_take(tmp_path: Path) -> None:
    async with Bench().line("pty", tmp_path, baud=2400) as line:
        began = time.monotonic()
        await line.send(ASKED["rtu"])
        while not await line.heard(0.01):
            assert time.monotonic() - began < 2.0
        took = time.monotonic() - began
    assert took >= (len(ASKED["rtu"]) + len(ANSWERED["rtu"])) * 11 / 2400


async def test_half_a_request_is_forgotten_after_silence(tmp_path: Path) -> None:
    async with Bench().line("pty", tmp_path) as line:
        await line.send(ASKED["rtu"][:5])
        assert await line.heard(0.12) == b""
        await line.send(ASKED["rtu"])
        assert await line.heard(0.08) == ANSWERED["rtu"]


async def test_whoever_does_not_speak_modbus_tcp_is_shown_the_door(tmp_path: Path) -> None:
    async with Bench().line("tcp", tmp_path) as line:
        await line.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await line.heard(1.0)
