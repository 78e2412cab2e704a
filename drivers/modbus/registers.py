"""How a value stands in a device's tables: types, byte and word order, exact decimal scale."""

import struct
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE
from protocols.modbus.codes import Function


class Table(StrEnum):
    """The four tables of a Modbus device; a span's `space`."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def is_bits(self) -> bool:
        return self in (Table.COIL, Table.DISCRETE)


READ_FUNCTIONS = {
    Table.COIL: Function.READ_COILS,
    Table.DISCRETE: Function.READ_DISCRETE_INPUTS,
    Table.INPUT: Function.READ_INPUT_REGISTERS,
    Table.HOLDING: Function.READ_HOLDING_REGISTERS,
}


class NumberType(NamedTuple):
    """`code` is struct's; `tag` says how unscaled values travel; bounds are of integers only."""

    code: str
    registers: int
    tag: int
    lowest: int = 0
    highest: int = 0

    @property
    def is_float(self) -> bool:
        return self.tag in (F32LE, F64LE)


NUMBER_TYPES = {
    "u16": NumberType("H", 1, I32LE, 0, 2**16 - 1),
    "i16": NumberType("h", 1, I32LE, -(2**15), 2**15 - 1),
    "u32": NumberType("I", 2, I64LE, 0, 2**32 - 1),
    "i32": NumberType("i", 2, I32LE, -(2**31), 2**31 - 1),
    "u64": NumberType("Q", 4, I64LE, 0, 2**64 - 1),
    "i64": NumberType("q", 4, I64LE, -(2**63), 2**63 - 1),
    "f32": NumberType("f", 2, F32LE),
    "f64": NumberType("d", 4, F64LE),
}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def byte_order(order: str, registers: int) -> tuple[int, ...]:
    """Where in the wire's bytes those of the little-endian number stand, lowest first.

    A is the byte of highest value. ABCD: big-endian throughout (what the specification means); CDAB: the lowest
    register first; BADC: the bytes of each register swapped; DCBA: little-endian throughout. Longer numbers likewise.
    """
    words = list(range(registers))  # of the wire, the register of highest value first
    if order in ("CDAB", "DCBA"):
        words.reverse()
    swapped = order in ("BADC", "DCBA")
    high_first = [2 * word + (byte ^ swapped) for word in words for byte in (0, 1)]
    return tuple(reversed(high_first))


def to_wire(order: str, little: bytes) -> bytes:
    """The registers' bytes of a number given in little-endian."""
    wire = bytearray(len(little))
    for value, at in zip(little, byte_order(order, len(little) // 2), strict=True):
        wire[at] = value
    return bytes(wire)


def float_exactly(code: str, value: Decimal) -> float:
    """The float whose shortest decimal form is `value`. Raises ValueError when there is none.

    0.1 is accepted as f32, for the nearest f32 says 0.1 to who reads it back; 0.123456789 is not.
    """
    try:
        (stored,) = struct.unpack("<" + code, struct.pack("<" + code, float(value)))
    except OverflowError:
        raise ValueError(f"{value} is out of range") from None
    shortest = str(np.float32(stored)) if code == "f" else repr(stored)
    if Decimal(shortest) != value:
        raise ValueError(f"{value} is not exact as a float of {8 * struct.calcsize(code)} bits")
    return float(stored)
