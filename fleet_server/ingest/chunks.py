"""A chunk: one device's readings of one hour or less, as columnar bytes.

Little-endian, times in ms after the chunk's t0:

    body   := 0x01 group*
    group  := samples:u32 columns:u16 axis:u8  AXIS  (index:u16 type:u8 scale:i8 flags:u8){columns}  DATA{columns}
    AXIS   := first:i32 step:u32 when axis is 0, else time:i32{samples}
    DATA   := presence bits when flags & 1, then count:u16 index:u16{count} quality:u16{count} when flags & 2,
              then the values of the present samples
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE, Array, Column

VERSION = b"\x01"
HOUR_MS = 3_600_000
MAX_SAMPLES = 65_535  # an index into an axis is a u16

_GROUP = struct.Struct("<IHB")
_REGULAR = struct.Struct("<iI")
_COLUMN = struct.Struct("<HBbB")
_COUNT = struct.Struct("<H")
_TAGS = (F32LE, F64LE, I32LE, I64LE)  # a type is its place here
_TYPE_OF = {tag: place for place, tag in enumerate(_TAGS)}
_DTYPES = (np.dtype("<f4"), np.dtype("<f8"), np.dtype("<i4"), np.dtype("<i8"))
_U16 = np.dtype("<u2")
_I32 = np.dtype("<i4")
_SPARSE, _QUALITY = 1, 2


class BrokenChunk(Exception):
    """A stored body does not read back: the disk or a program damaged it."""


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of one device on a shared axis; `times` are UTC ms, rising; a column's alias is its channel's index."""

    times: npt.NDArray[np.int64]
    columns: Sequence[Column]


def encode(t0: int, blocks: Iterable[Block]) -> bytes:
    parts = [VERSION]
    for block in blocks:
        offsets = block.times - t0
        parts.append(_encode_axis(offsets, len(block.columns)))
        data: list[bytes] = []
        for column in block.columns:
            flags = 0
            if len(column.values) != len(offsets):
                flags = _SPARSE
                data.append(np.packbits(column.present, bitorder="little").tobytes())
            if column.quality:
                flags |= _QUALITY
                data.append(_encode_quality(column.quality))
            parts.append(_COLUMN.pack(column.alias, _TYPE_OF[column.tag], column.scale, flags))
            data.append(column.values.tobytes())
        parts += data
    return b"".join(parts)


def decode(t0: int, body: bytes) -> list[Block]:
    if body[:1] != VERSION:
        raise BrokenChunk(f"version {body[:1].hex() or 'missing'}")
    try:
        return list(_decode(t0, body))
    except (struct.error, ValueError, IndexError) as error:
        raise BrokenChunk(str(error)) from error


def by_hour(blocks: Iterable[Block]) -> dict[int, list[Block]]:
    """The blocks cut where an hour of UTC begins, by that hour's first ms."""
    hours: dict[int, list[Block]] = {}
    for block in blocks:
        first, last = int(block.times[0]) // HOUR_MS, int(block.times[-1]) // HOUR_MS
        if first == last:
            hours.setdefault(first * HOUR_MS, []).append(block)
            continue
        for hour in range(first, last + 1):
            low, high = np.searchsorted(block.times, (hour * HOUR_MS, (hour + 1) * HOUR_MS))
            if low < high:
                hours.setdefault(hour * HOUR_MS, []).append(_slice(block, int(low), int(high)))
    return hours


def _slice(block: Block, low: int, high: int) -> Block:
    return Block(block.times[low:high], [_slice_column(column, low, high) for column in block.columns])


def _slice_column(column: Column, low: int, high: int) -> Column:
    before = int(np.count_nonzero(column.present[:low]))
    present = column.present[low:high]
    values = column.values[before : before + int(np.count_nonzero(present))]
    quality = {index - low: code for index, code in column.quality.items() if low <= index < high}
    return Column(column.alias, column.tag, values, present, column.scale, quality)


def _encode_axis(offsets: npt.NDArray[np.int64], columns: int) -> bytes:
    count = len(offsets)
    step = int(offsets[1] - offsets[0]) if count > 1 else 0
    if count < 3 or bool((np.diff(offsets) == step).all()):
        return _GROUP.pack(count, columns, 0) + _REGULAR.pack(int(offsets[0]), step)
    return _GROUP.pack(count, columns, 1) + offsets.astype(_I32).tobytes()


def _encode_quality(quality: Mapping[int, int]) -> bytes:
    indexes = sorted(quality)
    codes = [quality[index] for index in indexes]
    return _COUNT.pack(len(indexes)) + np.array(indexes, _U16).tobytes() + np.array(codes, _U16).tobytes()


def _decode(t0: int, body: bytes) -> Iterator[Block]:
    at = len(VERSION)
    while at < len(body):
        count, columns, axis = _GROUP.unpack_from(body, at)
        if not 0 < count <= MAX_SAMPLES:
            raise BrokenChunk(f"{count} samples on one axis")
        at += _GROUP.size
        if axis == 0:
            first, step = _REGULAR.unpack_from(body, at)
            at += _REGULAR.size
            times = t0 + first + step * np.arange(count, dtype=np.int64)
        else:
            times = t0 + np.frombuffer(body, _I32, count, at).astype(np.int64)
            at += count * _I32.itemsize
        table = [_COLUMN.unpack_from(body, at + i * _COLUMN.size) for i in range(columns)]
        at += columns * _COLUMN.size
        decoded = []
        for index, kind, scale, flags in table:
            present = np.ones(count, bool)
            if flags & _SPARSE:
                size = (count + 7) // 8
                bits = np.unpackbits(np.frombuffer(body, np.uint8, size, at), bitorder="little")
                present = bits[:count].astype(bool)
                at += size
            quality: dict[int, int] = {}
            if flags & _QUALITY:
                quality, at = _decode_quality(body, at)
            filled = int(np.count_nonzero(present))
            values: Array = np.frombuffer(body, _DTYPES[kind], filled, at) if filled else np.empty(0, _DTYPES[kind])
            at += filled * _DTYPES[kind].itemsize
            decoded.append(Column(index, _TAGS[kind], values, present, scale, quality))
        yield Block(times, decoded)


def _decode_quality(body: bytes, at: int) -> tuple[dict[int, int], int]:
    (count,) = _COUNT.unpack_from(body, at)
    both = np.frombuffer(body, _U16, 2 * count, at + _COUNT.size).tolist()
    return dict(zip(both[:count], both[count:], strict=True)), at + _COUNT.size + 4 * count
