"""A CoAP server of ours on a real socket, and a sensor's socket that talks to it in frames written elsewhere."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.coap.model import SenmlModel, parse_model
from sim_devices.coap.message import Message, Type, decode, post

JSON, CBOR = 110, 112
METER = "urn:dev:ow:10e2073a01080063"

POWER = """
name = "power"
title = { en = "Power", zh = "电源" }
[[channel]]
name = "voltage"
title = { en = "Voltage", zh = "电压" }
quantity = "voltage"
unit = "V"
kind = "gauge"
decimals = 1
[[channel]]
name = "current"
title = { en = "Current", zh = "电流" }
quantity = "current"
unit = "A"
kind = "gauge"
decimals = 1
[[channel]]
name = "energy"
record = "power"
field = "sum"
sent_unit = "W"
title = { en = "Energy", zh = "电能" }
quantity = "energy"
unit = "J"
kind = "counter"
[[channel]]
name = "door"
title = { en = "Door", zh = "门" }
quantity = "digital_input"
kind = "state"
words = { shut = 0, ajar = 2 }
"""


@pytest.fixture
def power() -> SenmlModel:
    return parse_model(POWER, "power.toml")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Sensor(asyncio.DatagramProtocol):
    """Every request has a new message id and token."""

    def __init__(self) -> None:
        self._next = 1
        self.answers: asyncio.Queue[Message] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _: object) -> None:
        self.answers.put_nowait(decode(data))

    def request(self, path: str, pack: object, content_format: int = JSON, type_: Type = Type.CON) -> Message:
        payload = pack if isinstance(pack, bytes) else json.dumps(pack).encode()
        self._next += 1
        return post(self._next, self._next.to_bytes(2, "big"), path, content_format, payload, type_)

    async def exchange(self, message: Message) -> Message:
        self.transport.sendto(message.encode())
        async with asyncio.timeout(5):
            return await self.answers.get()

    async def post(self, path: str, pack: object, content_format: int = JSON) -> Message:
        return await self.exchange(self.request(path, pack, content_format))


Connect = Callable[[int], Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[Sensor] = []

    async def to(port: int) -> Sensor:
        loop = asyncio.get_running_loop()
        _, sensor = await loop.create_datagram_endpoint(Sensor, remote_addr=("127.0.0.1", port))
        made.append(sensor)
        return sensor

    yield to
    for sensor in made:
        sensor.transport.close()


@pytest.fixture
def context(tmp_path: Path) -> Callable[[str, bytes, bytes], Path]:
    """Makes the folder of an OSCORE context; the other side's has the ids exchanged."""

    def make(name: str, sender: bytes, recipient: bytes) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        secret = folder / "secret.json"
        # The master secret and salt of RFC 8613, C.1.
        secret.write_text(
            json.dumps(
                {
                    "secret_hex": "0102030405060708090a0b0c0d0e0f10",
                    "salt_hex": "9e7ca92223786340",
                    "sender-id_hex": sender.hex(),
                    "recipient-id_hex": recipient.hex(),
                }
            )
        )
        secret.chmod(0o600)
        return folder

    return make
