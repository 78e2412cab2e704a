"""A device that speaks in lines, behind a real socket and a real pty."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.base import LineConfig, LineDown, Nonsense, NotSent, Span, Unreachable
from drivers.lines.line import TextLine
from drivers.lines.model import load_model
from drivers.lines.sentence import Sentence
from drivers.transport.serial_port import SerialPort
from drivers.transport.tcp_stream import TcpStream

STREAMED = Span(Sentence.of("air", "T={t:decimal}", None, 0.2, nmea=False), 0, 1)
WIND = Span(Sentence.of("wind", "W={w:decimal}", None, 0.2, nmea=False), 0, 1)
ASKED = Span(Sentence.of("level", "{unit}={level:decimal}m", "?{unit}\r", 0, nmea=False), 0, 1)
NMEA = Span(Sentence.of("mwv", "MWV,{angle:decimal},R,{speed:decimal},K,A", None, 0.2, nmea=True), 0, 1)


class Stream(TcpStream):
    """Counts what has crossed the loopback: what is tested is what is there already."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._crossed = asyncio.Event()
        self._heard = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._heard += len(data)
        self._crossed.set()

    async def until(self, count: int) -> None:
        while self._heard < count:
            self._crossed.clear()
            await self._crossed.wait()


class Peer:
    """What a test makes of a device: it says what it is told to, and answers each question by `script`."""

    def __init__(self) -> None:
        self.script: Callable[[bytes], bytes] = lambda _: b""
        self.asked: list[bytes] = []
        self.connected = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._said = 0
        self.stream = Stream("127.0.0.1:1")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connected.set()
        while question := await reader.read(100):
            self.asked.append(question)
            answer = self.script(question)
            self._said += len(answer)
            writer.write(answer)
        writer.close()

    async def say(self, data: bytes) -> None:
        await self.connected.wait()
        assert self._writer is not None
        self._writer.write(data)
        self._said += len(data)
        await self.stream.until(self._said)

    def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.transport.abort()


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Peer, TextLine]]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.stream = Stream(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    line = TextLine(peer.stream)
    await line.open()
    try:
        yield peer, line
    finally:
        await line.close()
        server.close()
        await server.wait_closed()


async def test_the_newest_line_that_came_of_itself_is_given() -> None:
    async with talking() as (peer, line):
        await peer.say(b"half of a line\r\nT=1.0\r\nT=2.0\r\nW=5\r\n")
        assert await line.read(1, STREAMED, 0.5) == b"T=2.0"
        assert await line.read(1, WIND, 0.5) == b"W=5"


async def test_a_line_is_given_once_and_the_next_waited_for() -> None:
    async with talking() as (peer, line):
        await peer.say(b"\nT=1.0\n")
        assert await line.read(1, STREAMED, 0.5) == b"T=1.0"
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(line.read(1, STREAMED, 2))
            await peer.say(b"T=")
            await peer.say(b"2.0\n")
        assert reading.result() == b"T=2.0"


async def test_a_line_that_came_long_ago_is_not_given_for_now() -> None:
    async with talking() as (peer, line):
        await peer.say(b"\nT=1.0\n")
        await asyncio.sleep(0.3)
        with pytest.raises(Unreachable, match=r"no air within 0\.25 s"):
            await line.read(1, STREAMED, 0.05)


async def test_half_a_line_at_the_beginning_is_not_taken_for_one() -> None:
    async with talking() as (peer, line):
        await peer.say(b"T=9\n")  # it may have been T=-9
        with pytest.raises(Unreachable):
            await line.read(1, STREAMED, 0.05)


async def test_a_device_is_asked_by_its_own_name() -> None:
    async with talking() as (peer, line):
        peer.script = lambda question: question[1:3] + b"=3.482m\r\n"
        assert await line.read("01", ASKED, 0.5) == b"01=3.482m"
        assert await line.read("02", ASKED, 0.5) == b"02=3.482m"
        assert peer.asked == [b"?01\r", b"?02\r"]


async def test_what_came_before_a_question_is_not_its_answer() -> None:
    async with talking() as (peer, line):
        await peer.say(b"\n01=1.0m\n01=")
        peer.script = lambda _: b"01=2.0m\n"
        assert await line.read("01", ASKED, 0.5) == b"01=2.0m"


async def test_another_device_that_answers_is_not_believed() -> None:
    async with talking() as (peer, line):
        peer.script = lambda _: b"02=1.0m\r\n"
        with pytest.raises(Unreachable, match="unit 01: no level within"):
            await line.read("01", ASKED, 0.1)


async def test_an_answer_that_is_a_little_late_is_not_taken_for_the_next_one() -> None:
    async with talking() as (peer, line):
        with pytest.raises(Unreachable):
            await line.read("01", ASKED, 0.05)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(line.read("01", ASKED, 0.5))
            peer.script = lambda _: b"01=2.0m\n"
            await peer.say(b"01=1.0m\n")
        assert reading.result() == b"01=2.0m"


async def test_a_damaged_line_is_told_when_no_good_one_follows() -> None:
    async with talking() as (peer, line):
        await peer.say(b"\n$WIMWV,214.8,R,0.1,K,A*29\n")
        with pytest.raises(Nonsense, match="checksum 29, computed 28"):
            await line.read(1, NMEA, 0.05)
        await peer.say(b"$WIMWV,214.8,R,0.1,K,A*29\n$WIMWV,214.8,R,0.1,K,A*28\n")
        assert await line.read(1, NMEA, 0.05) == b"MWV,214.8,R,0.1,K,A"


async def test_a_stream_without_line_ends_is_nonsense_and_does_not_grow() -> None:
    async with talking() as (peer, line):
        await peer.say(b"\n" + b"x" * 5000)
        with pytest.raises(Nonsense, match="more than 1024 bytes"):
            await line.read(1, STREAMED, 0.05)


async def test_a_line_that_never_falls_quiet_is_not_asked() -> None:
    async with talking() as (peer, line):
        with pytest.raises(Unreachable):
            await line.read("01", ASKED, 0.05)

        async def chatter() -> None:
            while True:
                await peer.say(b"x")

        said, asked = "", 0
        async with asyncio.TaskGroup() as tasks:
            talk = tasks.create_task(chatter())
            for _ in range(5):  # a busy machine may give the line a pause of its own, and then it is asked
                asked = len(peer.asked)
                with pytest.raises((Nonsense, Unreachable)) as caught:
                    await line.read("01", ASKED, 0.05)
                said = str(caught.value)
                if "who is talking" in said:
                    break
            talk.cancel()
        assert "who is talking" in said
        assert len(peer.asked) == asked


async def test_a_connection_that_is_lost_ends_the_wait() -> None:
    async with talking() as (peer, line):
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_lost(line))
            await peer.connected.wait()
            peer.hang_up()
        assert "connection lost" in reading.result()
        with pytest.raises(LineDown):
            await line.read("01", ASKED, 0.5)


async def _lost(line: TextLine) -> str:
    with pytest.raises(LineDown) as caught:
        await line.read(1, STREAMED, 5)
    return str(caught.value)


async def test_nothing_is_written() -> None:
    async with talking() as (_, line):
        with pytest.raises(NotSent, match="is only read"):
            await line.write(1, load_model("anemometer"), 0, Decimal(1), 0.5)


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, Path(os.ttyname(slave))
    os.close(master)
    os.close(slave)


async def test_it_listens_on_a_serial_port(pty: tuple[int, Path]) -> None:
    master, path = pty
    line = TextLine(SerialPort(LineConfig("lines", str(path), 9600, "N", 1)))
    await line.open()
    try:
        os.write(master, b"\r\nT=2")
        os.write(master, b"1.5\r\n")
        assert await line.read(1, STREAMED, 2) == b"T=21.5"
    finally:
        await line.close()
