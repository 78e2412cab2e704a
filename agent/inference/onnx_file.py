"""An ONNX file as it is taken in: of bounded size, of the digest that was told, and whole in itself.

A model may keep weights in other files, which it names by paths (onnx.proto, TensorProto.data_location): no digest of
the model's own file covers those, so they are refused. Looked for is nothing else: onnxruntime reads the rest.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 32 << 20
MAX_DEPTH = 64  # of graphs within graphs
_EXTERNAL = 1  # TensorProto.DataLocation
_DATA_LOCATION = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

# Of onnx.proto: the fields, by message and number, through which tensors are reached.
_WITHIN = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}


class NotUsable(Exception):
    """Why a model cannot be used, in words for whoever wrote the configuration."""


def read(path: Path, sha256: str) -> bytes:
    """Raises NotUsable."""
    try:
        if not path.is_file():
            raise NotUsable(f"there is no file {path}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotUsable(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise NotUsable(f"{path} is longer than {MAX_BYTES >> 20} MB")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotUsable(f"{path} is not the file of that digest; `sha256sum` tells its own")
    try:
        outside = any(_locations(memoryview(data), "Model", MAX_DEPTH))
    except ValueError:
        raise NotUsable(f"{path} is no ONNX model") from None
    if outside:
        raise NotUsable(f"{path} keeps weights in other files: export it whole")
    return data


def _locations(data: memoryview, message: str, depth: int) -> Iterator[bool]:
    """Of each tensor that says where its data lies, whether that is another file. Raises ValueError."""
    if not depth:
        raise ValueError("too deep")
    within = _WITHIN[message]
    for number, value in _fields(data):
        if isinstance(value, int):
            if message == "Tensor" and number == _DATA_LOCATION:
                yield value == _EXTERNAL
        elif number in within:
            yield from _locations(value, within[number], depth - 1)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers, with varints as numbers and all else as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > len(data):
            raise ValueError("cut off")
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("no number")
