"""Groups of columns on a shared time axis: the body of a batch (docs/protocols/edge.md, section 4).

Numbers travel as RFC 8746 typed arrays, little-endian, so that a decoder needs no loop over values.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cbor2
import numpy as np
import numpy.typing as npt

from protocols.errors import LocalProtocolError, RemoteProtocolError

U16LE, I32LE, I64LE, F32LE, F64LE = 69, 78, 79, 85, 86  # RFC 8746, table 1

DTYPES: dict[int, np.dtype[Any]] = {
    U16LE: np.dtype("<u2"),
    I32LE: np.dtype("<i4"),
    I64LE: np.dtype("<i8"),
    F32LE: np.dtype("<f4"),
    F64LE: np.dtype("<f8"),
}
VALUE_TAGS = frozenset({I32LE, I64LE, F32LE, F64LE})
MAX_SAMPLES = 65_535  # a quality index is a u16
MAX_SCALE = 18  # 10**18 is the largest power of ten in an i64

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Column:
    """One channel's samples on its group's axis.

    `present` is a boolean array over the axis; `values` holds the present samples only, in order, and `quality` maps
    axis indexes to OPC UA codes that are not Good. An index without a value may still have a quality: that is how a
    reading that failed is told. `scale` is the decimal exponent of integer values (21, -1 is 2.1) and 0 for floats.
    """

    alias: int
    tag: int
    values: Array
    present: npt.NDArray[np.bool_]
    scale: int = 0
    quality: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Group:
    """Columns that share an axis; `times` are ms after the batch's t0 (i64, strictly rising)."""

    times: npt.NDArray[np.int64]
    columns: tuple[Column, ...]


def encode_group(group: Group) -> list[object]:
    """The CBOR form [axis, [column, ...]]. Raises LocalProtocolError for what the contract does not allow."""
    return [_encode_axis(group.times), [_encode_column(column, len(group.times)) for column in group.columns]]


def decode_group(item: object) -> Group:
    match item:
        case [axis, [_, *_] as columns]:
            times = _decode_axis(axis)
            return Group(times, tuple(_decode_column(column, len(times)) for column in columns))
    raise RemoteProtocolError("a group is [axis, [column, ...]] with at least one column")


def _encode_axis(times: npt.NDArray[np.int64]) -> object:
    if not 0 < len(times) <= MAX_SAMPLES:
        raise LocalProtocolError(f"a group has 1 to {MAX_SAMPLES} samples, not {len(times)}")
    steps = np.diff(times)
    if np.any(steps <= 0):
        raise LocalProtocolError("the times of a group must rise")
    if len(times) == 1 or np.all(steps == steps[0]):
        return [int(times[0]), int(steps[0]) if len(steps) else 0, len(times)]
    return _typed(I32LE, times)


def _decode_axis(axis: object) -> npt.NDArray[np.int64]:
    limit = 2**31
    match axis:
        case [int(first), int(step), int(count)]:
            if not (0 < count <= MAX_SAMPLES and abs(first) < limit and 0 <= step < limit):
                raise RemoteProtocolError("a regular axis is out of range")
            if step == 0 and count > 1:
                raise RemoteProtocolError("a regular axis of several samples needs a step")
            return first + step * np.arange(count, dtype=np.int64)
        case cbor2.CBORTag():
            times = _untyped(axis, {I32LE}).astype(np.int64)
            if not 0 < len(times) <= MAX_SAMPLES or np.any(np.diff(times) <= 0):
                raise RemoteProtocolError("an axis has 1 to 65535 rising times")
            return times
    raise RemoteProtocolError("an axis is [first, step, count] or an array of i32")


def _encode_column(column: Column, samples: int) -> list[object]:
    if column.tag not in VALUE_TAGS:
        raise LocalProtocolError(f"column {column.alias}: tag {column.tag} is not one of f32, f64, i32, i64")
    if len(column.present) != samples or len(column.values) != np.count_nonzero(column.present):
        raise LocalProtocolError(f"column {column.alias}: values, presence and axis do not fit each other")
    if column.tag in (F32LE, F64LE):
        if column.scale or not np.all(np.isfinite(column.values)):
            raise LocalProtocolError(f"column {column.alias}: a float has no scale and is finite")
    elif np.any(column.values != column.values.astype(DTYPES[column.tag])):
        raise LocalProtocolError(f"column {column.alias}: a value does not fit the column's integers")
    quality = None
    if column.quality:
        indexes = sorted(column.quality)
        quality = [
            _typed(U16LE, np.array(indexes)),
            _typed(U16LE, np.array([column.quality[index] for index in indexes])),
        ]
    presence = None if column.present.all() else np.packbits(column.present, bitorder="little").tobytes()
    row: list[object] = [column.alias, column.scale, _typed(column.tag, column.values), quality, presence]
    while row[-1] is None:
        row.pop()
    return row


def _decode_column(item: object, samples: int) -> Column:
    match item:
        case [int(alias), int(scale), cbor2.CBORTag() as data, *rest] if len(rest) <= 2 and type(alias) is int:
            quality, presence = (*rest, None, None)[:2]
        case _:
            raise RemoteProtocolError("a column is [alias, scale, values, quality?, presence?]")
    where = f"column {alias}"
    if not (0 <= alias <= 0xFFFF and abs(scale) <= MAX_SCALE):
        raise RemoteProtocolError(f"{where}: alias or scale out of range")
    values = _untyped(data, VALUE_TAGS)
    if data.tag in (F32LE, F64LE) and (scale or not np.all(np.isfinite(values))):
        raise RemoteProtocolError(f"{where}: a float has no scale and is finite; absence is a presence bit")
    present = _decode_presence(presence, samples, where)
    if len(values) != np.count_nonzero(present):
        raise RemoteProtocolError(f"{where}: {len(values)} values for {np.count_nonzero(present)} samples")
    return Column(alias, data.tag, values, present, scale, _decode_quality(quality, samples, where))


def _decode_presence(item: object, samples: int, where: str) -> npt.NDArray[np.bool_]:
    if item is None:
        return np.ones(samples, dtype=bool)
    if not isinstance(item, bytes) or len(item) != (samples + 7) // 8:
        raise RemoteProtocolError(f"{where}: presence is a bit for each sample")
    bits = np.unpackbits(np.frombuffer(item, np.uint8), bitorder="little")
    if np.any(bits[samples:]):
        raise RemoteProtocolError(f"{where}: presence bits behind the last sample")
    return bits[:samples].astype(bool)


def _decode_quality(item: object, samples: int, where: str) -> dict[int, int]:
    if item is None:
        return {}
    match item:
        case [cbor2.CBORTag() as indexes, cbor2.CBORTag() as codes]:
            at, code = _untyped(indexes, {U16LE}), _untyped(codes, {U16LE})
            if len(at) != len(code) or np.any(at >= samples) or np.any(np.diff(at.astype(np.int64)) <= 0):
                raise RemoteProtocolError(f"{where}: quality needs a code for each rising index")
            return dict(zip(at.tolist(), code.tolist(), strict=True))
    raise RemoteProtocolError(f"{where}: quality is [indexes, codes]")


def _typed(tag: int, values: Array) -> cbor2.CBORTag:
    return cbor2.CBORTag(tag, values.astype(DTYPES[tag]).tobytes())


def _untyped(item: cbor2.CBORTag, allowed: frozenset[int] | set[int]) -> Array:
    if item.tag not in allowed or not isinstance(item.value, bytes):
        raise RemoteProtocolError(f"CBOR tag {item.tag}: not an array type allowed here")
    dtype = DTYPES[item.tag]
    if len(item.value) % dtype.itemsize:
        raise RemoteProtocolError(f"{len(item.value)} bytes are no whole number of {dtype.itemsize}-byte values")
    array: Array = np.frombuffer(item.value, dtype)
    return array
