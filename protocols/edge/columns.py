"""Groups of columns on a shared time axis: the body of a batch (docs/protocols/edge.md, section 4).

Numbers travel as RFC 8746 typed arrays, little-endian, so that a decoder needs no loop over values.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cbor2
import numpy as np
import numpy.typing as npt

from protocols.edge.cbor import is_whole
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
_AXIS_LIMIT = 2**31  # ms; an i32 holds it
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
            decoded = tuple(_decode_column(column, len(times)) for column in columns)
            if len({column.alias for column in decoded}) != len(decoded):
                raise RemoteProtocolError("a group has two columns of one alias")
            return Group(times, decoded)
    raise RemoteProtocolError("a group is [axis, [column, ...]] with at least one column")


def _encode_axis(times: npt.NDArray[np.int64]) -> object:
    if not 0 < len(times) <= MAX_SAMPLES:
        raise LocalProtocolError(f"a group has 1 to {MAX_SAMPLES} samples, not {len(times)}")
    steps = np.diff(times)
    if np.any(steps <= 0):
        raise LocalProtocolError("the times of a group must rise")
    if not -_AXIS_LIMIT < times[0] <= times[-1] < _AXIS_LIMIT:
        raise LocalProtocolError("the times of a group are within 24 days of the batch's")
    if len(times) == 1 or np.all(steps == steps[0]):
        return [int(times[0]), int(steps[0]) if len(steps) else 0, len(times)]
    return _typed(I32LE, times)


def _decode_axis(axis: object) -> npt.NDArray[np.int64]:
    match axis:
        case [first, step, count]:
            if not (is_whole(count, 1, MAX_SAMPLES) and is_whole(first, 1 - _AXIS_LIMIT, _AXIS_LIMIT - 1)):
                raise RemoteProtocolError("a regular axis is out of range")
            if not is_whole(step, 0, _AXIS_LIMIT - 1) or (step == 0) != (count == 1):
                raise RemoteProtocolError("a regular axis of several samples needs a step, of one sample none")
            if first + step * (count - 1) >= _AXIS_LIMIT:
                raise RemoteProtocolError("a regular axis ends out of range")
            return first + step * np.arange(count, dtype=np.int64)
        case cbor2.CBORTag():
            times = _untyped(axis, {I32LE}).astype(np.int64)
            if not 0 < len(times) <= MAX_SAMPLES or np.any(np.diff(times) <= 0):
                raise RemoteProtocolError("an axis has 1 to 65535 rising times")
            return times
    raise RemoteProtocolError("an axis is [first, step, count] or an array of i32")


def _encode_column(column: Column, samples: int) -> list[object]:
    # Small columns are the rule, so this counts numpy calls: a count costs a tenth of an all() or any().
    values, tag = column.values, column.tag
    if tag not in VALUE_TAGS:
        raise LocalProtocolError(f"column {column.alias}: tag {tag} is not one of f32, f64, i32, i64")
    count = np.count_nonzero(column.present)
    if len(column.present) != samples or len(values) != count:
        raise LocalProtocolError(f"column {column.alias}: values, presence and axis do not fit each other")
    wire = values if values.dtype is DTYPES[tag] else values.astype(DTYPES[tag])
    if tag in (F32LE, F64LE):
        if column.scale or np.count_nonzero(np.isfinite(wire)) != count:
            raise LocalProtocolError(f"column {column.alias}: a float has no scale and is finite")
    elif wire is not values and np.any(values != wire):
        raise LocalProtocolError(f"column {column.alias}: a value does not fit the column's integers")
    quality = None
    if column.quality:
        indexes = sorted(column.quality)
        if not 0 <= indexes[0] <= indexes[-1] < samples:
            raise LocalProtocolError(f"column {column.alias}: a quality without a sample")
        quality = [
            _typed(U16LE, np.array(indexes)),
            _typed(U16LE, np.array([column.quality[index] for index in indexes])),
        ]
    row: list[object] = [column.alias, column.scale, cbor2.CBORTag(tag, wire.tobytes())]
    if count != samples:
        row += [quality, np.packbits(column.present, bitorder="little").tobytes()]
    elif quality is not None:
        row.append(quality)
    return row


def _decode_column(item: object, samples: int) -> Column:
    match item:
        case [alias, scale, cbor2.CBORTag() as data, *rest] if len(rest) <= 2:
            quality, presence = (*rest, None, None)[:2]
        case _:
            raise RemoteProtocolError("a column is [alias, scale, values, quality?, presence?]")
    if not is_whole(alias, 0, 0xFFFF) or not is_whole(scale, -MAX_SCALE, MAX_SCALE):
        raise RemoteProtocolError("a column's alias or scale is out of range")
    where = f"column {alias}"
    values = _untyped(data, VALUE_TAGS)
    if data.tag in (F32LE, F64LE) and (scale or not np.isfinite(values).all()):
        raise RemoteProtocolError(f"{where}: a float has no scale and is finite; absence is a presence bit")
    present = _decode_presence(presence, samples, where)
    filled = samples if presence is None else np.count_nonzero(present)
    if len(values) != filled:
        raise RemoteProtocolError(f"{where}: {len(values)} values for {filled} samples")
    return Column(alias, data.tag, values, present, scale, _decode_quality(quality, samples, where))


def _decode_presence(item: object, samples: int, where: str) -> npt.NDArray[np.bool_]:
    if item is None:
        return _all_present(samples)
    if not isinstance(item, bytes) or len(item) != (samples + 7) // 8:
        raise RemoteProtocolError(f"{where}: presence is a bit for each sample")
    bits = np.unpackbits(np.frombuffer(item, np.uint8), bitorder="little")
    if np.any(bits[samples:]):
        raise RemoteProtocolError(f"{where}: presence bits behind the last sample")
    return bits[:samples].astype(bool)


@functools.lru_cache(64)
def _all_present(samples: int) -> npt.NDArray[np.bool_]:
    """Shared by the columns that are complete, most of them by far."""
    present = np.ones(samples, dtype=bool)
    present.flags.writeable = False
    return present


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
