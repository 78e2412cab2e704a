"""Small ONNX models, written field by field as onnx.proto numbers them: the onnx package is not needed for that."""

import hashlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

FLOAT, INT64, BOOL = 1, 7, 9  # TensorProto.DataType


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def inside(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def tensor(name: str, kind: int, dims: Sequence[int], raw: bytes, *more: bytes) -> bytes:
    sizes = b"".join(number(1, size) for size in dims)
    return sizes + number(2, kind) + inside(8, name) + inside(9, raw) + b"".join(more)


def floats(name: str, dims: Sequence[int], values: Sequence[float]) -> bytes:
    return tensor(name, FLOAT, dims, struct.pack(f"<{len(values)}f", *values))


def integers(name: str, dims: Sequence[int], values: Sequence[int]) -> bytes:
    return tensor(name, INT64, dims, struct.pack(f"<{len(values)}q", *values))


def value(name: str, kind: int, dims: Sequence[int | str]) -> bytes:
    sizes = b"".join(inside(1, inside(2, size) if isinstance(size, str) else number(1, size)) for size in dims)
    return inside(1, name) + inside(2, inside(1, number(1, kind) + inside(2, sizes)))


def node(operator: str, inputs: Iterable[str], outputs: Iterable[str], *attributes: bytes) -> bytes:
    names = b"".join(inside(1, one) for one in inputs) + b"".join(inside(2, one) for one in outputs)
    return names + inside(4, operator) + b"".join(inside(5, one) for one in attributes)


def whole_number(name: str, given: int) -> bytes:
    return inside(1, name) + number(3, given) + number(20, 2)


def sub_graph(name: str, graph: bytes) -> bytes:
    return inside(1, name) + inside(6, graph) + number(20, 5)


def graph(
    nodes: Iterable[bytes], inputs: Iterable[bytes], outputs: Iterable[bytes], tensors: Iterable[bytes] = ()
) -> bytes:
    return (
        b"".join(inside(1, one) for one in nodes)
        + inside(2, "g")
        + b"".join(inside(5, one) for one in tensors)
        + b"".join(inside(11, one) for one in inputs)
        + b"".join(inside(12, one) for one in outputs)
    )


def model(body: bytes) -> bytes:
    """With operator set 13."""
    return number(1, 8) + inside(7, body) + inside(8, inside(1, "") + number(2, 13))


def mean(shape: Sequence[int | str], kind: int = FLOAT) -> bytes:
    """The mean of all numbers of its input: one output, [1, 1]."""
    axes = len(shape) - 1
    first = [node("Flatten", ["x"], ["f"], whole_number("axis", 1))] if axes > 1 else []
    reduce = node("ReduceMean", ["f" if axes > 1 else "x"], ["y"], inside(1, "axes") + number(8, 1) + number(20, 7))
    return model(graph([*first, reduce], [value("x", kind, shape)], [value("y", kind, ["n", 1])]))


def first_and_last(window: int, channels: int) -> bytes:
    """The first tick's first channel, and the last tick's last: shows what lies where in [1, window, channels]."""
    size = window * channels
    pick = floats(
        "w", (size, 2), [float((at, side) in ((0, 0), (size - 1, 1))) for at in range(size) for side in (0, 1)]
    )
    flat = node("Flatten", ["x"], ["f"], whole_number("axis", 1))
    return model(
        graph(
            [flat, node("MatMul", ["f", "w"], ["y"])],
            [value("x", FLOAT, (1, window, channels))],
            [value("y", FLOAT, (1, 2))],
            [pick],
        )
    )


def logarithm(window: int) -> bytes:
    """Of the mean of one channel: NaN below 0, minus infinity at 0."""
    flat = node("Flatten", ["x"], ["f"], whole_number("axis", 1))
    reduce = node("ReduceMean", ["f"], ["m"], inside(1, "axes") + number(8, 1) + number(20, 7))
    return model(
        graph(
            [flat, reduce, node("Log", ["m"], ["y"])], [value("x", FLOAT, (1, window, 1))], [value("y", FLOAT, (1, 1))]
        )
    )


def endless(window: int) -> bytes:
    """The mean of one channel, which it goes on counting down from, without an end, if that is above 0."""
    flat = node("Flatten", ["x"], ["f"], whole_number("axis", 1))
    reduce = node("ReduceMean", ["f"], ["m"], inside(1, "axes") + number(8, 1) + number(20, 7))
    above = node("Greater", ["m", "zero"], ["above"])
    scalar = node("Squeeze", ["above"], ["go"])
    body = graph(
        [node("Identity", ["on"], ["on_out"]), node("Identity", ["v"], ["v_out"])],
        [value("i", INT64, ()), value("on", BOOL, ()), value("v", FLOAT, (1, 1))],
        [value("on_out", BOOL, ()), value("v_out", FLOAT, (1, 1))],
    )
    loop = node("Loop", ["", "go", "m"], ["y"], sub_graph("body", body))
    return model(
        graph(
            [flat, reduce, above, scalar, loop],
            [value("x", FLOAT, (1, window, 1))],
            [value("y", FLOAT, (1, 1))],
            [floats("zero", (), [0.0])],
        )
    )


def write(folder: Path, data: bytes, name: str = "model.onnx") -> str:
    """Its digest."""
    (folder / name).write_bytes(data)
    return hashlib.sha256(data).hexdigest()
