"""Two protocols on one pty: each hears the answers to its own requests alone."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from drivers.base import LineDown, Model, Nonsense, Reading, Span, Unit, Unreachable
from drivers.transport.shared import SharedLine
from drivers.transport.stream import ByteStream
from drivers.transport.transaction import DRAIN_QUIET_S

SPAN = Span("any", 0, 1)


class Echo:
    """A stream whose far end answers each write with what it was told to."""

    where, char_s, idle_s = "echo", 0.0, 0.0
    quiet_s: float | None = None

    def __init__(self) -> None:
        self.opened = 0
        self.answers: dict[bytes, bytes] = {}
        self.written: list[tuple[float, bytes]] = []
        self.lose: Callable[[str], None] = print

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self.opened += 1
        self.on_data, self.lose = on_data, on_lost

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.written.append((loop.time(), data))
        if data in self.answers:
            loop.call_soon(self.on_data, self.answers[data])

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

    def speak(stream: ByteStream, word: bytes) -> Speaker:
        speakers["112233" if word == b"meter?" else 7] = made = Speaker(stream, word)
        return made

    return SharedLine(echo, speak, {"112233": b"meter?", 7: b"lamp?", 8: b"lamp?"}), speakers


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


async def test_devices_of_one_protocol_share_its_line(echo: Echo) -> None:
    """M-Bus acknowledgements do not say whose they are: only one that knows of all can tell them apart."""
    line, speakers = shared(echo)
    await line.open()
    assert [await line.read(unit, SPAN, 1) for unit in (7, 8, 7)] == [b"on"] * 3
    assert speakers[7].heard == [b"on"] * 3


async def test_the_silence_between_two_frames_lies_between_those_of_two_protocols(echo: Echo) -> None:
    echo.idle_s = 0.02
    line, _ = shared(echo)
    await line.open()
    for unit in ("112233", 7, "112233"):
        await line.read(unit, SPAN, 1)
    moments = [at for at, _ in echo.written]
    assert all(after - before >= echo.idle_s for before, after in pairwise(moments))


async def test_a_late_answer_is_over_before_another_protocol_asks(echo: Echo) -> None:
    del echo.answers[b"meter?"]
    line, speakers = shared(echo)
    await line.open()
    with pytest.raises(Unreachable):
        await line.read("112233", SPAN, 0.01)
    loop = asyncio.get_running_loop()
    late = loop.time()
    echo.on_data(b"4")  # and the rest on its way
    loop.call_later(DRAIN_QUIET_S / 2, echo.on_data, b"2")
    assert await line.read(7, SPAN, 1) == b"on"
    assert echo.written[-1][0] - late >= 1.5 * DRAIN_QUIET_S
    assert (speakers["112233"].heard, speakers[7].heard) == ([b"4", b"2"], [b"on"])


async def test_somebody_who_never_stops_talking_is_told_of(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.transport.shared.DRAIN_MOST_S", 0.05)
    line, _ = shared(echo)
    await line.open()
    await line.read("112233", SPAN, 1)
    echo.idle_s = 0.01

    async def talk() -> None:
        while True:
            echo.on_data(b"x")
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(talk())
        await asyncio.sleep(0)
        with pytest.raises(Nonsense, match="who is talking"):
            await line.read(7, SPAN, 1)
        talking.cancel()


class Learner(Speaker):
    def turnaround_ms(self, unit: Any) -> float | None:
        return float(unit)


def test_how_long_a_device_thinks_is_told_by_its_own_protocol_if_it_knows(echo: Echo) -> None:
    line = SharedLine(
        echo, lambda stream, word: (Learner if word else Speaker)(stream, word), {7: b"lamp?", "112233": b""}
    )
    assert line.turnaround_ms(7) == 7.0
    assert line.turnaround_ms("112233") is None
