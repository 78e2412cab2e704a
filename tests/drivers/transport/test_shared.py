"""Two protocols on one pty: each hears the answers to its own requests alone."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from drivers.base import LineDown, Model, Reading, Span, Unit, Unreachable
from drivers.transport.shared import SharedLine
from drivers.transport.stream import ByteStream

SPAN = Span("any", 0, 1)


class Echo:
    """A stream whose far end answers each write with what it was told to."""

    where, char_s, idle_s = "echo", 0.0, 0.0
    quiet_s: float | None = None

    def __init__(self) -> None:
        self.opened = 0
        self.answers: dict[bytes, bytes] = {}
        self.lose: Callable[[str], None] = print

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self.opened += 1
        self.on_data, self.lose = on_data, on_lost

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.on_data, self.answers[data])

    async def close(self) -> None:
        self.opened -= 1


class Speaker:
    """A line that asks with its own word, and takes whatever it hears for the answer."""

    def __init__(self, stream: ByteStream, word: bytes) -> None:
        self.stream, self.word = stream, word
        self.heard: list[bytes] = []
        self.fresh = asyncio.Event()
        self.lost = ""

    async def open(self) -> None:
        await self.stream.open(self._hear, self._lose)

    async def close(self) -> None:
        await self.stream.close()

    async def read(self, _unit: Any, _span: Span, timeout: float) -> bytes:
        if self.lost:
            raise LineDown(self.lost)
        self.fresh.clear()
        self.stream.write(self.word)
        try:
            async with asyncio.timeout(timeout):
                await self.fresh.wait()
        except TimeoutError:
            raise Unreachable("silence") from None
        return self.heard[-1]

    async def write(self, unit: Any, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        raise NotImplementedError

    def _hear(self, data: bytes) -> None:
        self.heard.append(data)
        self.fresh.set()

    def _lose(self, cause: str) -> None:
        self.lost = cause


@pytest.fixture
def echo() -> Echo:
    stream = Echo()
    stream.answers = {b"meter?": b"42", b"lamp?": b"on"}
    return stream


def shared(echo: Echo) -> tuple[SharedLine, dict[Unit, Speaker]]:
    speakers: dict[Unit, Speaker] = {}

    def speak(stream: ByteStream, unit: Unit) -> Speaker:
        speakers[unit] = Speaker(stream, b"meter?" if unit == "112233" else b"lamp?")
        return speakers[unit]

    return SharedLine(echo, speak, ["112233", 7]), speakers


async def test_each_protocol_hears_the_answers_to_its_own_requests_alone(echo: Echo) -> None:
    line, speakers = shared(echo)
    await line.open()
    assert await line.read("112233", SPAN, 1) == b"42"
    assert await line.read(7, SPAN, 1) == b"on"
    assert await line.read("112233", SPAN, 1) == b"42"
    assert speakers["112233"].heard == [b"42", b"42"]
    assert speakers[7].heard == [b"on"]


async def test_the_stream_is_opened_once_for_all_and_closed_with_them(echo: Echo) -> None:
    line, _ = shared(echo)
    await line.open()
    assert echo.opened == 1
    await line.close()
    assert echo.opened == 0


async def test_a_stream_that_is_lost_is_lost_to_all(echo: Echo) -> None:
    line, _ = shared(echo)
    await line.open()
    echo.lose("pulled out")
    for unit in ("112233", 7):
        with pytest.raises(LineDown, match="pulled out"):
            await line.read(unit, SPAN, 1)
