"""A SenML record as it is sent (RFC 8428, 4): base fields, and at most one value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from protocols.errors import RemoteProtocolError
from protocols.senml.numbers import Number, is_number

Value: TypeAlias = Number | str | bool | bytes

VERSION = 10  # 4.1; RFC 9100 adds features as higher bits, of which we know none
MAX_BYTES = 65_536
MAX_RECORDS = 2048
MAX_TEXT = 1024  # characters of a name, unit or string value, and octets of a data value


@dataclass(frozen=True, slots=True)
class Record:
    """The type of `value` says which field it is: v, vs, vb or vd. What is None is not sent."""

    name: str | None = None
    unit: str | None = None
    value: Value | None = None
    sum: Number | None = None
    time: Number | None = None
    update_time: Number | None = None
    base_name: str | None = None
    base_time: Number | None = None
    base_unit: str | None = None
    base_value: Number | None = None
    base_sum: Number | None = None
    base_version: int | None = None

    @property
    def only_base(self) -> bool:
        """Whether it measures nothing and only sets the base of those behind it, as in the example of 5.1.7."""
        return all(field is None for field in (self.name, self.unit, self.value, self.sum, self.time, self.update_time))

    def fields(self) -> Iterator[tuple[str, Value]]:
        """Labels and values in the order in which the RFC's examples have them."""
        for label, attribute in _ORDER:
            value = getattr(self, attribute)
            if value is not None:
                yield (_value_label(value) if label == "v" else label), value


_ORDER = (
    ("bn", "base_name"),
    ("bt", "base_time"),
    ("bu", "base_unit"),
    ("bv", "base_value"),
    ("bs", "base_sum"),
    ("bver", "base_version"),
    ("n", "name"),
    ("u", "unit"),
    ("t", "time"),
    ("v", "value"),
    ("s", "sum"),
    ("ut", "update_time"),
)
_NUMBERS = {"bt": "base_time", "bv": "base_value", "bs": "base_sum", "t": "time", "s": "sum", "ut": "update_time"}
_TEXTS = {"bn": "base_name", "bu": "base_unit", "n": "name", "u": "unit"}
VALUES = ("v", "vs", "vb", "vd")
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL cannot hold NUL, UTF-8 no half of a surrogate pair


def _value_label(value: Value) -> str:
    if isinstance(value, bool):
        return "vb"
    if isinstance(value, str):
        return "vs"
    return "vd" if isinstance(value, bytes) else "v"


def record_of(fields: Mapping[str, object]) -> Record:
    """The record of these labels and values. Raises RemoteProtocolError with the field that cannot be.

    A label that is not known is left out, unless it ends in `_`: then the record may not be used without it (4.4).
    """
    values = [label for label in VALUES if label in fields]
    if len(values) > 1:
        raise RemoteProtocolError(f"one value a record, not {' and '.join(values)} (RFC 8428, 4.2)")
    known: dict[str, object] = {}
    for label, value in fields.items():
        if label in _NUMBERS:
            known[_NUMBERS[label]] = _checked(label, value, is_number(value), "a number in the range of doubles")
        elif label in _TEXTS:
            known[_TEXTS[label]] = _checked(label, value, _is_text(value), f"a text of at most {MAX_TEXT} characters")
        elif label in VALUES:
            known["value"] = _value(label, value)
        elif label == "bver":
            known["base_version"] = _checked(label, value, type(value) is int and value > 0, "a positive integer")
        elif label.endswith("_"):
            raise RemoteProtocolError(f"field {label!r} must be understood and is not (RFC 8428, 4.4)")
    return Record(**known)  # type: ignore[arg-type]


def _value(label: str, value: object) -> object:
    match label:
        case "v":
            return _checked(label, value, is_number(value), "a number in the range of doubles")
        case "vs":
            return _checked(label, value, _is_text(value), f"a text of at most {MAX_TEXT} characters")
        case "vb":
            return _checked(label, value, type(value) is bool, "true or false")
    return _checked(label, value, type(value) is bytes and len(value) <= MAX_TEXT, f"data of at most {MAX_TEXT} octets")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and not _UNWRITABLE.search(value)


def _checked(label: str, value: object, right: bool, expected: str) -> object:
    if not right:
        raise RemoteProtocolError(f"field {label!r} is not {expected}")
    return value
