"""A broker that breaks MQTT itself: the gateway hangs up on it, and its event loop stays free."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.spool import Spool
from agent.uplink import Broker, Uplink
from protocols.edge import cose
from protocols.edge.messages import Clock, ClockState, Origin, State

GATEWAY = "D1101149001000077A"
KEY = bytes(range(32))
CLOCK = Clock(ClockState.UNSET)
CONNACK = bytes((0x20, 3, 0, 0, 0))


def publish(topic: bytes) -> bytes:
    body = struct.pack(">H", len(topic)) + topic + b"\0junk"
    return bytes((0x30, len(body))) + body


class Hostile:
    """Lets a client in, sends it `packets` for as long as it listens, and counts those who hung up."""

    def __init__(self, packets: bytes) -> None:
        self.packets = packets
        self.heard = 0
        self.left = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += 1
        try:
            await reader.read(4096)
            writer.write(CONNACK)
            identifier = (await reader.read(4096))[2:4]
            writer.write(bytes((0x90, 5)) + identifier + bytes((0, 1, 1)))
            for _ in range(5):
                writer.write(self.packets)
                await writer.drain()
                await asyncio.sleep(0.01)
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        finally:
            self.left += 1
            writer.close()


def state(connection: int, number: int, online: bool) -> State:
    return State(GATEWAY, 1, bytes(16), connection, number, online, 1, CLOCK, 1, 1)


@asynccontextmanager
async def running(port: int, folder: Path) -> AsyncIterator[Uplink]:
    async def ignore(_: object) -> None:
        pass

    async with Spool(folder / "spool.db", 1 << 24) as spool, asyncio.TaskGroup() as tasks:
        uplink = Uplink(
            Broker("127.0.0.1", port, username=GATEWAY, password="x"),
            GATEWAY,
            {cose.key_id(KEY): KEY},
            spool,
            state,
            lambda: Origin(GATEWAY, 0, 0, bytes(16), 1, CLOCK),
            ignore,
            str,
        )
        task = tasks.create_task(uplink.run())
        yield uplink
        task.cancel()


@pytest.mark.parametrize(
    "packets", [publish(b"a/#") * 20, publish(b"+") * 20, b"\xf0\x00" * 20, b"\x30\x02\xff\xff" * 20]
)
async def test_a_broker_that_sends_what_mqtt_forbids_is_hung_up_on(
    packets: bytes, tmp_path: Path, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = Hostile(packets)
    server = await asyncio.start_server(hostile.serve, "127.0.0.1", 0)
    async with running(server.sockets[0].getsockname()[1], tmp_path) as uplink:
        await until(lambda: uplink.counters.failures >= 2)
        await until(lambda: hostile.left >= 2)
        assert uplink.fault
    server.close()
    await server.wait_closed()
    assert len(caplog.records) < 100, "no packet is read over and over"
