"""Groups of columns on a shared time axis: the body of a batch (docs/protocols/edge.md, section 4).

Numbers travel as RFC 8746 typed arrays, little-endian, so that a decoder needs no loop over values.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

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
FLOAT_TAGS = frozenset({F32LE, F64LE})
VALUE_TAGS = FLOAT_TAGS | {I32LE, I64LE}
MAX_SAMPLES = 65_535  # a quality index is a u16
_AXIS_LIMIT = 2**31  # ms; an i32 holds it
MAX_SCALE = 18  # 10**18 is the largest power of ten in an i64

ALL_GOOD: Mapping[int, int] = MappingProxyType({})

Array: TypeAlias = npt.NDArray[Any]


class Column(NamedTuple):
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
    quality: Mapping[int, int] = ALL_GOOD


class Run(NamedTuple):
    """Complete columns, all Good, whose aliases follow each other from `first`: `values` is (columns, samples)."""

    first: int
    tag: int
    values: Array
    scale: int = 0

    def columns(self) -> Iterator[Column]:
        present = all_present(self.values.shape[1])
        for place, row in enumerate(self.values):
            yield Column(self.first + place, self.tag, row, present, self.scale)


@dataclass(frozen=True, eq=False)
class Group:
    """Columns that share an axis; `times` are ms after the batch's t0 (i64, strictly rising).

    What a sender has side by side it may give as `runs`, which cost a call each and not one a column; decode_group
    always gives columns.
    """

    times: npt.NDArray[np.int64]
    columns: tuple[Column, ...]
    runs: tuple[Run, ...] = ()


def encode_groups(groups: Sequence[Group]) -> list[list[object]]:
    """The CBOR forms [axis, [column, ...]]. Raises LocalProtocolError for what the contract does not allow."""
    forms: list[list[object]] = []
    axes: dict[int, object] = {}  # groups that share an array of times share its form
    for group in groups:
        axis = axes.get(id(group.times))
        if axis is None:
            axis = axes[id(group.times)] = _encode_axis(group.times)
        samples = len(group.times)
        rows = [_encode_run(run, samples) for run in group.runs]
        if group.columns:
            rows += _encode_columns(group.columns, samples)
        forms.append([axis, rows])
    return forms


def decode_group(item: object) -> Group:
    match item:
        case [axis, [_, *_] as columns]:
            times = _decode_axis(axis)
            decoded = _decode_columns(columns, len(times))
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


# A batch has hundreds of small columns, and a call into numpy takes as long as all else that one needs. So what is
# complete is recognised by its bytes, and looked through for NaN together with the others of its tag.


def _encode_columns(columns: Sequence[Column], samples: int) -> list[list[object]]:
    everywhere, every_byte = all_present(samples), b"\1" * samples
    rows: list[list[object]] = []
    floats: dict[int, list[bytes]] = {}
    run: list[bytes] = []  # the values of complete columns that go into one row
    begins = follows = (-1, 0, 0)  # alias, scale and tag of the run's first column, and of one that would continue it
    for column in columns:
        alias, tag, values, present, scale, quality = column
        full = present is everywhere or present.tobytes() == every_byte
        whole = full and len(values) == samples and not quality
        if not whole or tag not in VALUE_TAGS or values.dtype is not DTYPES[tag] or (scale and tag in FLOAT_TAGS):
            if run:
                rows.append(_join(begins, run))
                run = []
            rows.append(_encode_column(column, samples))
            continue
        wire = values.tobytes()
        if tag in FLOAT_TAGS:
            floats.setdefault(tag, []).append(wire)
        if run and (alias, scale, tag) == follows:
            run.append(wire)
        else:
            if run:
                rows.append(_join(begins, run))
            begins, run = (alias, scale, tag), [wire]
        follows = alias + 1, scale, tag
    if run:
        rows.append(_join(begins, run))
    for tag, wires in floats.items():
        if not np.isfinite(np.frombuffer(b"".join(wires), DTYPES[tag])).all():
            raise LocalProtocolError("a float is finite")
    return rows


def _encode_run(run: Run, samples: int) -> list[object]:
    values, tag = run.values, run.tag
    if tag not in VALUE_TAGS or values.dtype is not DTYPES[tag] or values.ndim != 2 or values.shape[1] != samples:
        raise LocalProtocolError(f"columns from {run.first}: tag, numbers and axis do not fit each other")
    if tag in FLOAT_TAGS and (run.scale or not np.isfinite(values).all()):
        raise LocalProtocolError(f"columns from {run.first}: a float has no scale and is finite")
    return _row(run.first, len(values), run.scale, tag, values.tobytes())


def _join(begins: tuple[int, int, int], run: list[bytes]) -> list[object]:
    alias, scale, tag = begins
    return _row(alias, len(run), scale, tag, b"".join(run))


def _row(first: int, count: int, scale: int, tag: int, values: bytes) -> list[object]:
    """A column's row, or that of several with aliases in succession."""
    return [first if count == 1 else [first, count], scale, cbor2.CBORTag(tag, values)]


def _encode_column(column: Column, samples: int) -> list[object]:
    """Of any kind: with gaps, with qualities, with numbers that are yet to be brought into the column's type."""
    values, tag = column.values, column.tag
    if tag not in VALUE_TAGS:
        raise LocalProtocolError(f"column {column.alias}: tag {tag} is not one of f32, f64, i32, i64")
    count = np.count_nonzero(column.present)
    if len(column.present) != samples or len(values) != count:
        raise LocalProtocolError(f"column {column.alias}: values, presence and axis do not fit each other")
    wire = values if values.dtype is DTYPES[tag] else values.astype(DTYPES[tag])
    if tag in FLOAT_TAGS:
        if column.scale or not np.isfinite(wire).all():
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


class _Wire(NamedTuple):
    """A column as it came, its head checked."""

    alias: int
    scale: int
    tag: int
    values: bytes
    quality: object
    presence: object


def _decode_columns(items: Sequence[object], samples: int) -> tuple[Column, ...]:
    wires = [wire for item in items for wire in _take_apart(item, samples)]
    return tuple(
        [_decode_column(wire, values, samples) for wire, values in zip(wires, _decode_values(wires), strict=True)]
    )


def _take_apart(item: object, samples: int) -> list[_Wire]:
    if not isinstance(item, list) or not 3 <= len(item) <= 5 or not isinstance(item[2], cbor2.CBORTag):
        raise RemoteProtocolError("a column is [alias, scale, values, quality?, presence?]")
    alias, scale, data, quality, presence = (*item, None, None)[:5]
    if isinstance(alias, list):
        return _take_run_apart(alias, scale, data, samples, len(item))
    if not is_whole(alias, 0, 0xFFFF) or not is_whole(scale, -MAX_SCALE, MAX_SCALE):
        raise RemoteProtocolError("a column's alias or scale is out of range")
    if scale and data.tag in FLOAT_TAGS:
        raise RemoteProtocolError(f"column {alias}: a float has no scale")
    return [_Wire(alias, scale, data.tag, _array_bytes(data, VALUE_TAGS), quality, presence)]


def _take_run_apart(
    aliases: list[object], scale: object, data: cbor2.CBORTag, samples: int, fields: int
) -> list[_Wire]:
    match aliases:
        case [first, count] if is_whole(first, 0, 0xFFFF) and is_whole(count, 2, 0x10000 - first):
            pass
        case _:
            raise RemoteProtocolError("the columns of a row are [first alias, how many], two at least")
    if fields != 3 or not is_whole(scale, -MAX_SCALE, MAX_SCALE) or (scale and data.tag in FLOAT_TAGS):
        raise RemoteProtocolError(f"columns from {first}: several in one row are complete, Good, and of one scale")
    values = _array_bytes(data, VALUE_TAGS)
    size = samples * DTYPES[data.tag].itemsize
    if len(values) != count * size:
        raise RemoteProtocolError(f"columns from {first}: {len(values)} bytes for {count} times {samples} values")
    return [
        _Wire(first + place, scale, data.tag, values[place * size : (place + 1) * size], None, None)
        for place in range(count)
    ]


def _decode_values(wires: Sequence[_Wire]) -> list[Array]:
    """Each column's numbers: views of one array for each tag."""
    found: dict[int, Array] = {}
    for tag in {wire.tag for wire in wires}:
        joined: Array = np.frombuffer(b"".join([wire.values for wire in wires if wire.tag == tag]), DTYPES[tag])
        finite = tag not in FLOAT_TAGS or np.isfinite(joined).all()
        start = 0
        for place, wire in enumerate(wires):
            if wire.tag == tag:
                end = start + len(wire.values) // joined.itemsize
                values = found[place] = joined[start:end]
                start = end
                if not finite and not np.isfinite(values).all():
                    raise RemoteProtocolError(f"column {wire.alias}: a float is finite; absence is a presence bit")
    return [found[place] for place in range(len(wires))]


def _decode_column(wire: _Wire, values: Array, samples: int) -> Column:
    alias, presence = wire.alias, wire.presence
    present = all_present(samples) if presence is None else _decode_presence(presence, samples, f"column {alias}")
    filled = samples if presence is None else np.count_nonzero(present)
    if len(values) != filled:
        raise RemoteProtocolError(f"column {alias}: {len(values)} values for {filled} samples")
    quality = ALL_GOOD if wire.quality is None else _decode_quality(wire.quality, samples, f"column {alias}")
    return Column(alias, wire.tag, values, present, wire.scale, quality)


def _decode_presence(item: object, samples: int, where: str) -> npt.NDArray[np.bool_]:
    if not isinstance(item, bytes) or len(item) != (samples + 7) // 8:
        raise RemoteProtocolError(f"{where}: presence is a bit for each sample")
    bits = np.unpackbits(np.frombuffer(item, np.uint8), bitorder="little")
    if np.any(bits[samples:]):
        raise RemoteProtocolError(f"{where}: presence bits behind the last sample")
    return bits[:samples].astype(bool)


@functools.lru_cache(64)
def all_present(samples: int) -> npt.NDArray[np.bool_]:
    """Shared by the columns that are complete, most of them by far."""
    present = np.ones(samples, dtype=bool)
    present.flags.writeable = False
    return present


def _decode_quality(item: object, samples: int, where: str) -> dict[int, int]:
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
    array: Array = np.frombuffer(_array_bytes(item, allowed), DTYPES[item.tag])
    return array


def _array_bytes(item: cbor2.CBORTag, allowed: frozenset[int] | set[int]) -> bytes:
    tag, value = item.tag, item.value
    if tag not in allowed or not isinstance(value, bytes):
        raise RemoteProtocolError(f"CBOR tag {tag}: not an array type allowed here")
    if len(value) % DTYPES[tag].itemsize:
        raise RemoteProtocolError(f"{len(value)} bytes are no whole number of {DTYPES[tag].itemsize}-byte values")
    return value
