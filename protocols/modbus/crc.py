"""The check of RTU frames: CRC-16, from FFFF, reflected polynomial A001 (Modbus over serial line 1.02, 6.2.2)."""

from array import array
from struct import unpack

import numpy as np


def _table(bits: int) -> "array[int]":
    """What `bits` shifts make of each 16-bit state."""
    state = np.arange(0x10000, dtype=np.uint16)
    for _ in range(bits):
        state = np.where(state & 1, state >> 1 ^ 0xA001, state >> 1).astype(np.uint16)
    return array("H", state.tobytes())


# Two bytes a look-up: a frame of 256 bytes takes 128 steps. The table is 128 KB.
_TWO_BYTES = _table(16)
_ONE_BYTE = _table(8)


def crc16(data: bytes | bytearray) -> int:
    """Its low byte is sent first, so that the CRC over a frame with its CRC is 0."""
    state = 0xFFFF
    words = len(data) // 2
    for word in unpack(f"<{words}H", data[: 2 * words]):
        state = _TWO_BYTES[state ^ word]
    if len(data) % 2:
        state = _ONE_BYTE[state ^ data[-1]]
    return state
