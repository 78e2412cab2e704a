"""Where simulated sensors meet the machine: a UDP socket of its own for each, and a timer."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from protocols.errors import RemoteProtocolError
from sim_devices.clock import Now
from sim_devices.coap.device import SenmlDevice
from sim_devices.coap.message import decode
from sim_devices.coap.sender import Sender
from sim_devices.conversation import Conversation, LineProtocol, Record, Slaves
from sim_devices.faults import Faults, Send
from sim_devices.models.base import Device, Unit

log = logging.getLogger(__name__)

LOOK_S = 1.0
KIND = "push"


class Sensors:
    """The devices of one network by unit: nobody asks them anything. `requests` counts what they sent."""

    def __init__(
        self,
        units: Mapping[Unit, Device],
        faults: Faults,
        advance: Callable[[int], None],
        record: Record | None = None,  # noqa: ARG002 - of what is read, and nothing is
    ) -> None:
        self.units: dict[Unit, SenmlDevice] = {
            unit: device for unit, device in units.items() if isinstance(device, SenmlDevice)
        }
        self.advance = advance
        self.senders = {
            unit: Sender(unit, device, faults, np.random.default_rng(device.rng.integers(0, 1 << 32)))
            for unit, device in self.units.items()
        }

    @property
    def requests(self) -> Mapping[str, int]:
        return {sender.device.code: sender.sent for sender in self.senders.values()}

    def converse(self, kind: str) -> Conversation:
        raise TypeError(f"sensors that push are not reached by {kind}")


class Pusher:
    """A sim_devices.servers.Server, though it is they who call: `address` is the gateway that they push to."""

    def __init__(self, name: str, host: str, port: int, sensors: Sensors, now: Callable[[], Now]) -> None:
        self.name, self.now = name, now
        self.slaves: Slaves = sensors
        self._sensors = sensors
        self._to = (host, port)
        self._sockets: list[_Socket] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        return f"{self._to[0]}:{self._to[1]}"

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for sender in self._sensors.senders.values():
            socket = _Socket(sender, self.now)
            await self._loop.create_datagram_endpoint(lambda socket=socket: socket, remote_addr=self._to)  # type: ignore[misc]
            self._sockets.append(socket)
        self._look()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for socket in self._sockets:
            socket.transport.close()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_S, self._look)
        now = self.now()
        self._sensors.advance(now.sim_ms)
        for socket in self._sockets:
            socket.send(socket.sender.look(now))


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, sender: Sender, now: Callable[[], Now]) -> None:
        self.sender = sender
        self._now = now
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _: object) -> None:
        try:
            message = decode(data)
        except RemoteProtocolError as error:
            log.info("%s: %s", self.sender.unit, error)
            return
        self.send(self.sender.heard(message, self._now()))

    def error_received(self, error: Exception) -> None:
        log.debug("%s: nobody listens there: %s", self.sender.unit, error)

    def send(self, sends: list[Send]) -> None:
        for send in sends:
            if send.data:  # a fault that hangs up is lost on a socket that has no connection
                self._loop.call_later(send.after, self._write, send.data)

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(data)


def _unit(given: Unit) -> Unit:
    if not isinstance(given, str) or not given or not given[0].isalnum():
        raise ValueError(f"is to be the name that the device's records begin with, not {given!r}")
    return given


PROTOCOL = LineProtocol((KIND,), _unit, Sensors)
