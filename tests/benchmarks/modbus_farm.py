"""Many Modbus TCP devices in one process, as cheap as can be: the load of the edge benchmarks, not a simulator.

    python -m tests.benchmarks.modbus_farm DEVICES REGISTERS PORTS_FILE

Each device is a port; every read of its input registers answers float32 values that change with each poll.
"""

import asyncio
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path


class Device(asyncio.Protocol):
    def __init__(self, registers: int) -> None:
        self._values = registers // 2
        self._polls = 0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 12:
            transaction, _, _, unit, function, start, count = struct.unpack(">HHHBBHH", self._buffer[:12])
            self._buffer = self._buffer[12:]
            self._polls += 1
            values = [index + self._polls * 0.25 for index in range(self._values)]
            body = struct.pack(f">{self._values}f", *values)[2 * start : 2 * (start + count)]
            head = struct.pack(">HHHBBB", transaction, 0, 3 + len(body), unit, function, len(body))
            self._transport.write(head + body)


async def serve(devices: int, registers: int, announce: Callable[[str], object]) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Device(registers), "127.0.0.1", 0) for _ in range(devices)]
    announce(json.dumps([server.sockets[0].getsockname()[1] for server in servers]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).write_text))
