import asyncio
from pathlib import Path
from typing import Any, Self

import pytest

from drivers.base import LineDown
from drivers.transport.tap import Tap
from drivers.transport.tcp_stream import TcpStream


class Talk(asyncio.Protocol):
    def __init__(self, peer: "Peer") -> None:
        self.peer = peer

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.peer.talks.append(self)

    def data_received(self, data: bytes) -> None:
        if not self.peer.silent:
            self.transport.write(b"told:" + data)


class Peer:
    """Answers "ask" with "told:ask", unless it is silent."""

    def __init__(self) -> None:
        self.silent = False
        self.talks: list[Talk] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Talk(self), "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self.talks:
            talk.transport.abort()
        await self._server.wait_closed()


async def test_all_bytes_are_noted_both_ways_and_go_where_they_went_before() -> None:
    noted: list[tuple[str, bytes]] = []
    got = asyncio.Queue[bytes]()
    tap = Tap(lambda data: noted.append(("sent", data)), lambda data: noted.append(("heard", data)))
    async with Peer() as peer:
        stream = tap(TcpStream(peer.address))
        await stream.open(got.put_nowait, lambda _: None)
        stream.write(b"a")
        assert await got.get() == b"told:a"
        await stream.close()
    assert noted == [("sent", b"a"), ("heard", b"told:a")]


async def test_what_is_asked_past_the_protocol_is_not_heard_by_it() -> None:
    noted: list[bytes] = []
    got = asyncio.Queue[bytes]()
    tap = Tap(noted.append, noted.append)
    async with Peer() as peer:
        stream = tap(TcpStream(peer.address))
        await stream.open(got.put_nowait, lambda _: None)
        assert await tap.ask(b"who", 2.0) == b"told:who"
        assert got.empty()
        stream.write(b"b")
        assert await got.get() == b"told:b"
        await stream.close()
    assert noted == [b"who", b"told:who", b"b", b"told:b"]


async def test_silence_is_no_answer_and_takes_no_longer_than_allowed() -> None:
    tap = Tap(lambda _: None, lambda _: None)
    async with Peer() as peer:
        peer.silent = True
        stream = tap(TcpStream(peer.address))
        await stream.open(lambda _: None, lambda _: None)
        async with asyncio.timeout(10):
            assert await tap.ask(b"who", 0.05) == b""
        await stream.close()


async def test_a_line_that_is_down_is_not_asked(tmp_path: Path) -> None:
    tap = Tap(lambda _: None, lambda _: None)
    could = [tap.can_ask]
    with pytest.raises(LineDown, match="lets nobody ask"):
        await tap.ask(b"who", 0.1)
    stream = tap(TcpStream("127.0.0.1:1"))
    assert [*could, tap.can_ask] == [False, True]
    with pytest.raises(LineDown):
        await stream.open(lambda _: None, lambda _: None)
    with pytest.raises(LineDown, match="not open"):
        await tap.ask(b"who", 0.1)
