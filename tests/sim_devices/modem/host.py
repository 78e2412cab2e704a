"""Who types at a simulated modem, and who stands at the other end of its network."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sim_devices.modem.families import FAMILIES
from sim_devices.modem.modem import Modem
from sim_devices.modem.network import Network

WAIT_S = 5.0


class Host:
    """`said` are the lines of the modem since the last expect(); bytes that are no line yet are in `rest`."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.rest = b""
        self.raw = bytearray()
        self._news = asyncio.Event()
        self.modem: Modem

    def heard(self, data: bytes) -> None:
        self.raw += data
        *lines, self.rest = (self.rest + data).replace(b"\r", b"\n").split(b"\n")
        self.said += [line.decode("latin-1") for line in lines if line]
        self._news.set()

    def type(self, text: str) -> None:
        self.modem.receive(text.encode() + b"\r")

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WAIT_S):
            while not (found := condition()):
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._news.wait()
        return found

    async def expect(self, *lines: str) -> None:
        """Waits for these lines, the last of them last; others may stand between. Forgets all up to there."""

        def all_there() -> bool:
            rest = iter(self.said)
            return all(line in rest for line in lines)

        try:
            await self.until(all_there)
        except TimeoutError:
            raise AssertionError(f"{lines} did not come, but {self.said}") from None
        del self.said[: self.said.index(lines[-1]) + 1]

    async def ask(self, text: str, *lines: str) -> None:
        self.type(text)
        await self.expect(*lines)


@asynccontextmanager
async def typing_at(family: str, network: Network | None = None, **options: Any) -> AsyncIterator[Host]:
    """A module that has booted, without echo."""
    host = Host()
    host.modem = Modem(FAMILIES[family], network or Network(registration_s=0.0), host.heard, boot_s=0.0, **options)
    try:
        host.modem.power_on()
        await host.expect(FAMILIES[family].banner[-1])
        await host.ask("ATE0", "OK")
        await host.until(lambda: host.modem.is_registered or network)
        yield host
    finally:
        host.modem.close()


class UdpPeer(asyncio.DatagramProtocol):
    """Keeps what it gets, and answers as told."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.sender: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.append(data)
        self.sender = addr

    def send(self, data: bytes) -> None:
        self.transport.sendto(data, self.sender)


@asynccontextmanager
async def udp_peer() -> AsyncIterator[UdpPeer]:
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(UdpPeer, local_addr=("127.0.0.1", 0))
    try:
        yield peer
    finally:
        transport.close()


class TcpPeer(asyncio.Protocol):
    """One server for one connection at a time."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True

    def send(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


@asynccontextmanager
async def tcp_peer() -> AsyncIterator[tuple[TcpPeer, int]]:
    peer = TcpPeer()
    server = await asyncio.get_running_loop().create_server(lambda: peer, "127.0.0.1", 0)
    try:
        yield peer, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if peer.transport is not None:
            peer.transport.abort()
