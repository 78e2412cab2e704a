"""Modbus RTU devices that answer late, twice, truncated and corrupted. Pure: their time is given.

Each answer's registers tell which request they answer, so that a value of another request shows exactly.
"""

import heapq
import random
from collections import Counter
from itertools import count

from protocols.modbus.codes import Function
from protocols.modbus.frame import NEED_DATA, Frame
from protocols.modbus.parse import parse_request
from protocols.modbus.pdu import (
    ExceptionResponse,
    ReadBits,
    ReadBitsResponse,
    ReadRegisters,
    ReadRegistersResponse,
    Request,
)
from protocols.modbus.rtu import RtuRequestDecoder, encode_rtu

HOLDING, INPUT, COILS = Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS, Function.READ_COILS
REQUESTS: list[Request] = [
    ReadRegisters(HOLDING, 0, 2),
    ReadRegisters(HOLDING, 10, 2),
    ReadRegisters(HOLDING, 20, 7),
    ReadRegisters(INPUT, 0, 2),
    ReadBits(COILS, 0, 32),
]
CEILING_S = 0.5
FAULTS = ("late", "twice", "truncated", "corrupted", "lost", "refused", "noisy")


def proof(number: int, request: Request) -> bytes:
    """The PDU that answers request `number`: its number over and over, as far as there is room."""
    match request:
        case ReadRegisters(function, _, quantity):
            words = [number >> 16 & 0xFFFF, number & 0xFFFF] if quantity > 1 else [number & 0xFFFF]
            return ReadRegistersResponse.of(function, (words * quantity)[:quantity]).encode()
        case ReadBits(function, _, quantity):
            data = (number.to_bytes(4, "big") * 63)[: (quantity + 7) // 8]
            return ReadBitsResponse(function, data).encode()
    return request.encode()


class Devices:
    """All units of a line, in virtual time. A unit answers in order; what it sends twice it sends before it goes on."""

    def __init__(
        self, seed: int, share: float, thinks_s: tuple[float, float] = (0.002, 0.02), late_s: float = 3 * CEILING_S
    ) -> None:
        self.now = 0.0
        self.asked = 0
        self.did: Counter[str] = Counter()
        self.choose = random.Random(seed)
        self.share = share
        self._thinks_s = thinks_s
        self._late_s = late_s
        self._decoder = RtuRequestDecoder()
        self._free_at: dict[int, float] = {}
        self._coming: list[tuple[float, int, bytes]] = []
        self._order = count()

    def hear(self, data: bytes) -> None:
        self._decoder.receive_data(data)
        while (frame := self._decoder.next_frame()) is not NEED_DATA:
            self.asked += 1
            self._answer(frame, proof(self.asked, parse_request(frame.pdu)))

    def _answer(self, frame: Frame, pdu: bytes) -> None:
        choose = self.choose
        fault = choose.choice(FAULTS) if choose.random() < self.share else ""
        self.did[fault] += 1
        if fault == "refused":
            pdu = ExceptionResponse(frame.pdu[0], 4).encode()
        adu = encode_rtu(Frame(frame.unit, pdu))
        at = max(self.now, self._free_at.get(frame.unit, 0.0)) + choose.uniform(*self._thinks_s)
        if fault == "late":
            at += choose.uniform(0.0, self._late_s)
        if fault == "truncated":
            adu = adu[: choose.randrange(len(adu))]
        if fault == "corrupted":
            spot = choose.randrange(len(adu))
            adu = adu[:spot] + bytes((adu[spot] ^ choose.randrange(1, 256),)) + adu[spot + 1 :]
        if fault == "noisy":
            adu = choose.randbytes(choose.randrange(1, 6)) + adu
        if fault != "lost":
            at = self._send(at, adu)
        if fault == "twice":
            at = self._send(at + self._late_s * choose.choice([0.0, 0.001, 0.01, 0.1, 0.3]), adu)
        self._free_at[frame.unit] = at

    def _send(self, at: float, adu: bytes) -> float:
        cut = self.choose.randrange(len(adu) + 1) if self.choose.random() < 0.1 else 0
        for piece in (adu[:cut], adu[cut:]):
            if piece:
                heapq.heappush(self._coming, (at, next(self._order), piece))
                at += 0.001
        return at

    def next_at(self) -> float:
        return self._coming[0][0] if self._coming else float("inf")

    def take(self) -> bytes:
        return heapq.heappop(self._coming)[2]
