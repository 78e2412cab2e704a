"""What every protocol on an exchange may rely on; the protocols' own tests put it through faults."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.base import LineConfig, LineDown, Nonsense, Unreachable
from drivers.dlt645.line import PAUSE_S
from drivers.transport.exchange import Exchange
from drivers.transport.serial_port import SerialPort
from protocols.dlt645.frame import Frame, FrameDecoder, encode_frame
from protocols.errors import RemoteProtocolError
from tests.drivers.scripted import Scripted, on_a_pty

ANSWER = Frame("000000000161", 0x91, b"\x01")
LONG, SHORT = 2.0, 0.06


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Scripted]:
    async with on_a_pty(Scripted(FrameDecoder(), lambda _: [encode_frame(ANSWER)]), tmp_path) as made:
        yield made


@pytest.fixture
async def exchange(peer: Scripted) -> AsyncIterator[Exchange[Frame]]:
    made = Exchange[Frame](SerialPort(LineConfig("dlt645", peer.address, baud=115200)), FrameDecoder(), PAUSE_S)
    await made.open()
    yield made
    await made.close()


async def ask(
    exchange: Exchange[Frame], accept: Callable[[Frame], Frame | None] = lambda frame: frame, timeout: float = LONG
) -> Frame:
    return await exchange.ask("meter", encode_frame(Frame("000000000161", 0x11)), 20, accept, timeout)


async def test_the_answer_is_what_the_protocol_makes_of_it(exchange: Exchange[Frame]) -> None:
    assert await ask(exchange) == ANSWER


async def test_what_the_protocol_passes_over_leaves_the_meter_silent(exchange: Exchange[Frame]) -> None:
    with pytest.raises(Unreachable, match=r"^meter: no answer within 0\.06 s$"):
        await ask(exchange, lambda _: None, SHORT)


async def test_what_the_protocol_refuses_is_nonsense_once_nothing_better_came(exchange: Exchange[Frame]) -> None:
    def refuse(frame: Frame) -> Frame:
        raise RemoteProtocolError(f"not {frame.control:02X}")

    with pytest.raises(Nonsense, match=r"^meter: not 91$"):
        await ask(exchange, refuse, SHORT)


async def test_an_error_of_the_protocols_judgement_ends_the_wait(exchange: Exchange[Frame]) -> None:
    def refuse(_: Frame) -> Frame:
        raise Nonsense("meter: that is the end")

    with pytest.raises(Nonsense, match=r"^meter: that is the end$"):
        await ask(exchange, refuse, 60)


async def test_a_second_answer_and_bytes_that_nobody_asked_for_are_told(peer: Scripted) -> None:
    heard: list[bytes | Frame] = []
    told = asyncio.Event()

    def unasked(what: bytes | Frame) -> bool:
        heard.append(what)
        told.set()
        return False

    stream = SerialPort(LineConfig("dlt645", peer.address, baud=115200))
    exchange = Exchange[Frame](stream, FrameDecoder(), PAUSE_S, unasked)
    await exchange.open()
    peer.script = lambda _: [2 * encode_frame(ANSWER)]
    await ask(exchange)
    await told.wait()
    # Both in one burst are frames; a second that comes by itself is bytes.
    assert heard[0] == ANSWER if isinstance(heard[0], Frame) else encode_frame(ANSWER).endswith(heard[0])
    heard.clear()
    told.clear()
    peer.sends(b"\x55\xaa")
    await told.wait()
    assert b"".join(part for part in heard if isinstance(part, bytes))[:1] == b"\x55"
    await exchange.close()


async def test_what_came_before_the_question_is_no_answer(exchange: Exchange[Frame], peer: Scripted) -> None:
    peer.sends(encode_frame(ANSWER))
    await asyncio.sleep(SHORT)
    peer.script = lambda _: []
    with pytest.raises(Unreachable):
        await ask(exchange, timeout=SHORT)


async def test_the_head_of_a_frame_left_over_does_not_hold_up_the_next_answer(
    exchange: Exchange[Frame], peer: Scripted
) -> None:
    longest = bytes.fromhex("68 610100000000 68 91 C8")
    peer.script = lambda _: [encode_frame(ANSWER) + longest * (len(peer.heard) == 1)]
    assert await ask(exchange) == ANSWER
    began = asyncio.get_running_loop().time()
    assert await ask(exchange) == ANSWER
    assert asyncio.get_running_loop().time() - began < 0.8 * PAUSE_S


async def test_a_pause_within_a_frame_is_waited_out(exchange: Exchange[Frame], peer: Scripted) -> None:
    whole = encode_frame(ANSWER)
    peer.script = lambda _: [whole[:9], 0.6 * PAUSE_S, whole[9:]]
    assert await ask(exchange) == ANSWER


async def test_a_frame_that_stops_is_told_before_the_timeout(exchange: Exchange[Frame], peer: Scripted) -> None:
    peer.script = lambda _: [encode_frame(ANSWER)[:14]]
    began = asyncio.get_running_loop().time()
    with pytest.raises(Nonsense, match="bytes of a frame, then silence"):
        await ask(exchange)
    assert asyncio.get_running_loop().time() - began < LONG


async def test_a_line_that_is_never_quiet_is_told_and_not_talked_over(
    exchange: Exchange[Frame], peer: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.transport.transaction.DRAIN_MOST_S", 0.2)
    loop = asyncio.get_running_loop()
    chatter = [loop.call_later(0.005 * n, peer.sends, b"\x55") for n in range(100)]
    await asyncio.sleep(SHORT)
    with pytest.raises(Nonsense, match=r"has not been quiet for 0\.2 s; who is talking"):
        await ask(exchange)
    assert peer.heard == []
    for each in chatter:
        each.cancel()
    assert await ask(exchange) == ANSWER


async def test_an_exchange_that_is_not_open_says_so(exchange: Exchange[Frame]) -> None:
    await exchange.close()
    with pytest.raises(LineDown, match="closed"):
        await ask(exchange)
    await exchange.open()
    assert await ask(exchange) == ANSWER
