"""A serial line in virtual time, with Modbus devices on it that take as long as real ones: characters, silences,
turnaround."""

import asyncio
import struct
from collections.abc import Callable, Iterable

from protocols.modbus.crc import crc16
from protocols.modbus.rtu import char_time, idle_time

READ_COILS, READ_HOLDING, READ_INPUT, WRITE_REGISTER = 1, 3, 4, 6
ILLEGAL_ADDRESS = 2


class VirtualLine:
    """A drivers.transport.stream.ByteStream. Each unit has 65,536 registers; `absent` are addresses that none has.

    `busy_s` is how long frames were on the wire; `requests` are (unit, function, address, count or value).
    """

    def __init__(self, baud: int, units: Iterable[int], turnaround_s: float = 0.01) -> None:
        self.where = f"virtual line at {baud}"
        self.char_s = char_time(baud, "N", 1)
        self.idle_s = idle_time(baud)
        self.quiet_s: float | None = self.idle_s
        self.units = set(units)
        self.dead: set[int] = set()
        self.absent: set[int] = set()
        self.turnaround_s = turnaround_s
        self.registers: dict[tuple[int, int], int] = {}
        self.requests: list[tuple[int, int, int, int]] = []
        self.busy_s = 0.0
        self.wrote_at = 0.0

    async def open(self, on_data: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:  # noqa: ARG002
        self._on_data = on_data

    async def close(self) -> None: ...

    def write(self, data: bytes) -> None:
        sent_s = len(data) * self.char_s
        self.busy_s += sent_s
        answer = self._answer(data)
        if answer is not None:
            self.busy_s += len(answer) * self.char_s + self.idle_s
            loop = asyncio.get_running_loop()
            loop.call_later(sent_s + self.turnaround_s + len(answer) * self.char_s, self._on_data, answer)

    def _answer(self, adu: bytes) -> bytes | None:
        unit, function, address, count = struct.unpack(">BBHH", adu[:6])
        self.requests.append((unit, function, address, count))
        if unit in self.dead or unit not in self.units:
            return None
        if function == WRITE_REGISTER:
            self.registers[unit, address] = count
            self.wrote_at = asyncio.get_running_loop().time()
            return adu
        if self.absent & set(range(address, address + count)):
            body = bytes((unit, function | 0x80, ILLEGAL_ADDRESS))
        elif function == READ_COILS:
            body = bytes((unit, function, (count + 7) // 8)) + bytes((count + 7) // 8)
        else:
            values = [self.registers.get((unit, at), 0) for at in range(address, address + count)]
            body = struct.pack(f">BBB{count}H", unit, function, 2 * count, *values)
        return body + crc16(body).to_bytes(2, "little")
