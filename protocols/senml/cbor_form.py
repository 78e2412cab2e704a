"""SenML in CBOR, `application/senml+cbor` (RFC 8428, 6)."""

import math
import struct
from collections.abc import Iterable, Mapping
from decimal import Decimal

from protocols.edge.cbor import MAX_EXPONENT, load_one
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.senml.numbers import from_float
from protocols.senml.pack import checked, records_of
from protocols.senml.record import MAX_BYTES, Record, Value

CONTENT_FORMAT = 112  # of CoAP, RFC 8428, 12.3

# Table 4: "conclusive", so an integer that is not in it is a label that we do not know and may leave out.
_LABELS = {
    -6: "bs",
    -5: "bv",
    -4: "bu",
    -3: "bt",
    -2: "bn",
    -1: "bver",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
_KEYS = {label: key for key, label in _LABELS.items()}


def decode_cbor(data: bytes) -> list[Record]:
    """The records of one pack. Raises RemoteProtocolError.

    A float stands for the shortest decimal that is that double, a decimal fraction (tag 4) for itself. Indefinite
    lengths are refused: 6 has them for streams only, which are another media type.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a pack of {len(data)} bytes; {MAX_BYTES} are allowed")
    return records_of(load_one(data), _fields)


def encode_cbor(records: Iterable[Record]) -> bytes:
    """One pack. Raises LocalProtocolError, also for a number that neither double nor decimal fraction holds exactly.

    A decimal that is a double's shortest goes as the shortest float of that value, as in the example of 6; any other as
    a decimal fraction, so nothing is ever rounded.
    """
    pack = checked(records)
    out = bytearray(_head(4, len(pack)))
    for record in pack:
        fields = list(record.fields())
        out += _head(5, len(fields))
        for label, value in fields:
            out += _integer(_KEYS[label]) + _item(value)
    return bytes(out)


def _fields(item: Mapping[object, object]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key, value in item.items():
        label = _LABELS.get(key, "") if isinstance(key, int) else str(key)
        if not label:
            continue
        if label in fields or (isinstance(key, str) and label in _KEYS):
            # 6: the integer takes the place of the text; with both allowed a record could say two things.
            raise RemoteProtocolError(f"field {label!r} under its text instead of its integer")
        fields[label] = _number(label, value) if isinstance(value, float) else value
    return fields


def _number(label: str, value: float) -> Decimal:
    try:
        return from_float(value)
    except ValueError as error:
        raise RemoteProtocolError(f"field {label!r}: {error}") from None


def _head(major: int, argument: int) -> bytes:
    """The head of an item in its shortest form (RFC 8949, 3)."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for width, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if argument < 1 << 8 * width:
            return bytes((major << 5 | info,)) + argument.to_bytes(width, "big")
    raise LocalProtocolError(f"{argument} does not fit 64 bits")


def _integer(value: int) -> bytes:
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _item(value: Value) -> bytes:
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    return _decimal(value)


def _decimal(value: Decimal) -> bytes:
    double = float(value)
    if math.isfinite(double) and from_float(double) == value:
        return _float(double)
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT:
        raise LocalProtocolError(f"{value} is no double, and its exponent is beyond {MAX_EXPONENT}")
    mantissa = int("".join(map(str, digits)))
    return _head(6, 4) + _head(4, 2) + _integer(exponent) + _integer(-mantissa if sign else mantissa)


def _float(value: float) -> bytes:
    for code, head in (("e", b"\xf9"), ("f", b"\xfa")):
        try:
            packed: bytes = struct.pack(f">{code}", value)
        except OverflowError:
            continue
        if struct.unpack(f">{code}", packed)[0] == value:
            return head + packed
    return b"\xfb" + struct.pack(">d", value)
