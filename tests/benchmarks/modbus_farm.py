"""Many Modbus TCP devices in one process, as cheap as can be: the load of the benchmarks, not a simulator.

    python -m tests.benchmarks.modbus_farm DEVICES REGISTERS PORTS_FILE

Each device is a port; every read of its input registers answers float32 values that change with each poll. Answers are
made once, and what came together is answered together, so that a client is what is measured.
"""

import asyncio
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

REQUEST = 12  # bytes
ROUND = 64  # polls after which the values come again


class Device(asyncio.BufferedProtocol):
    def __init__(self, registers: int) -> None:
        values = registers // 2
        self._tables = [struct.pack(f">{values}f", *(n + poll * 0.25 for n in range(values))) for poll in range(ROUND)]
        self._made: dict[bytes, list[bytes]] = {}  # by what stands behind the transaction of a request
        self._polls = 0
        self._rest = b""
        self._buffer = bytearray(16384)
        self._view = memoryview(self._buffer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, _: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        data = self._rest + bytes(self._view[:count])
        whole = len(data) - len(data) % REQUEST
        self._rest = data[whole:]
        parts = []
        for at in range(0, whole, REQUEST):
            asked = data[at + 2 : at + REQUEST]
            answers = self._made.get(asked) or self._make(asked)
            self._polls += 1
            parts += [data[at : at + 2], answers[self._polls % ROUND]]
        self._transport.write(b"".join(parts))

    def _make(self, asked: bytes) -> list[bytes]:
        _, _, unit, function, start, count = struct.unpack(">HHBBHH", asked)
        bodies = [table[2 * start : 2 * (start + count)] for table in self._tables]
        head = struct.pack(">HHBBB", 0, 3 + 2 * count, unit, function, 2 * count)
        self._made[asked] = [head + body for body in bodies]
        return self._made[asked]


async def serve(devices: int, registers: int, announce: Callable[[str], object]) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Device(registers), "127.0.0.1", 0) for _ in range(devices)]
    announce(json.dumps([server.sockets[0].getsockname()[1] for server in servers]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).write_text))
