"""Datagrams between sensors in the mobile network and a UDP server on this machine, through a module's socket."""

import asyncio
import logging
from typing import Any, NoReturn, TypeAlias

from drivers.base import DeviceError
from drivers.nbiot.modem import Modem
from drivers.nbiot.socket import Address, ModemSocket
from protocols.at.dialect import Kind

log = logging.getLogger(__name__)

Answers: TypeAlias = "asyncio.Queue[tuple[bytes, Address | None]]"
AGAIN_S = 5.0
MOST_ANSWERS = 64
MOST_SENDERS = 256  # each has a socket here, so that the server tells them apart; the one longest silent goes first
# An empty confirmable message, "CoAP ping" (RFC 7252, 4.3): networks let the peer's datagrams in for as long as ours
# went out, and a ping is answered by whoever speaks CoAP and ignored by others.
PING, PING_S = bytes.fromhex("40000000"), 60.0


class Relay:
    """`server` listens here. `source` is the one peer whose datagrams are relayed, or the module's port on which
    anybody's are, where the family can listen."""

    def __init__(self, modem: Modem, source: Address | int, server: Address, *, again_s: float = AGAIN_S) -> None:
        self._modem, self._source, self._server = modem, source, server
        self._again_s = again_s

    async def run(self) -> NoReturn:
        """Never returns; what fails is begun again."""
        while True:
            await self._modem.ready()
            try:
                if isinstance(self._source, int):
                    await self._carry(await self._modem.listen(self._source), ping=False)
                else:
                    await self._carry(await self._modem.open_socket(Kind.UDP, *self._source), ping=True)
            except* (DeviceError, OSError) as group:
                log.warning("modem %s: relay: %s", self._modem.where, group.exceptions[0])
            await asyncio.sleep(self._again_s)

    async def _carry(self, socket: ModemSocket, *, ping: bool) -> None:
        answers: Answers = asyncio.Queue(MOST_ANSWERS)
        senders = _Senders(self._server, answers)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_down(socket, senders, only_one=ping))
                tasks.create_task(_up(answers, socket, ping=ping))
        finally:
            senders.close()
            await socket.close()


class _Senders:
    """A socket here for each sender there; None stands for the one peer."""

    def __init__(self, server: Address, answers: Answers) -> None:
        self._server, self._answers = server, answers
        self._transports: dict[Address | None, asyncio.DatagramTransport] = {}

    async def of(self, sender: Address | None) -> asyncio.DatagramTransport:
        transport = self._transports.pop(sender, None)
        if transport is None:
            if len(self._transports) >= MOST_SENDERS:
                self._transports.pop(next(iter(self._transports))).close()
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Answering(self._answers, sender), remote_addr=self._server
            )
        self._transports[sender] = transport  # the latest stands last
        return transport

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()


class _Answering(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers, sender: Address | None) -> None:
        self._answers, self._sender = answers, sender

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002 - of a connected socket
        if not self._answers.full():  # a datagram may be lost; memory may not grow
            self._answers.put_nowait((data, self._sender))

    def error_received(self, exc: Exception) -> None:
        log.debug("relay: %s", exc)  # nobody listens yet


async def _down(socket: ModemSocket, senders: _Senders, *, only_one: bool) -> NoReturn:
    while True:
        data, sender = await socket.receive_from()
        (await senders.of(None if only_one else sender)).sendto(data)


async def _up(answers: Answers, socket: ModemSocket, *, ping: bool) -> NoReturn:
    while True:
        if ping:
            await socket.send(PING)
        try:
            async with asyncio.timeout(PING_S):
                while True:
                    await socket.send(*await answers.get())
        except TimeoutError:
            pass
