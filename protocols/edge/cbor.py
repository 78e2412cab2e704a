"""Strict CBOR for messages from an untrusted side, and the field checks the message decoders share."""

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NoReturn, TypeGuard, TypeVar

import cbor2

from protocols.errors import RemoteProtocolError

MAX_DEPTH = 16  # our deepest message nests 7 deep
MAX_EXPONENT = 18  # of a decimal fraction, either way
T = TypeVar("T")

# The tags that cbor2 turns into Python objects by itself: dates, big numbers, regular expressions, references, MIME.
# No message has any but decimal fractions, and an untrusted side gets no parser to play with.
_ELSEWHERE = (0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def load_one(data: bytes) -> object:
    """The one CBOR item that `data` consists of.

    Refused, with RemoteProtocolError: bad CBOR, bytes behind the item, indefinite lengths, duplicate map keys (both of
    which RFC 8949, 4.2.1 and 5.6 let a strict protocol refuse), keys that are neither integer nor text (to Python 1,
    1.0 and true are one key), nesting deeper than MAX_DEPTH, and tags that no message has.
    """
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        object_hook=_check_keys,
        semantic_decoders=_DECODERS,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        str_errors="strict",
    )
    try:
        item: object = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise RemoteProtocolError(f"not valid CBOR: {error}{cause}") from None
    behind = len(data) - stream.tell()
    if behind:
        raise RemoteProtocolError(f"{behind} bytes behind the CBOR item")
    return item


def is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    """Whether `value` is an integer in [low, high]; true and false are none."""
    return type(value) is int and low <= value <= high


def is_text(value: object, longest: int) -> TypeGuard[str]:
    """Whether `value` is a text of at most `longest` characters without NUL, which PostgreSQL cannot hold."""
    return type(value) is str and len(value) <= longest and "\0" not in value


def _check_keys(item: Mapping[object, object], _immutable: bool) -> Mapping[object, object]:
    for key in item:
        if type(key) is not int and type(key) is not str:
            raise ValueError("a map's keys are integers or texts")
    return item


def _decimal(value: object, _immutable: bool) -> Decimal:
    match value:
        case [exponent, mantissa] if is_whole(exponent, -MAX_EXPONENT, MAX_EXPONENT) and type(mantissa) is int:
            return Decimal(mantissa).scaleb(exponent)
    raise ValueError(f"a decimal fraction is [exponent, mantissa], exponents end at {MAX_EXPONENT}")


def _refuse(_value: object, _immutable: bool) -> NoReturn:
    raise ValueError("not a tag of this protocol")


_DECODERS = dict.fromkeys(_ELSEWHERE, _refuse) | {4: _decimal}


class Fields:
    """A CBOR map with integer keys, read field by field; every miss says what was expected of which field."""

    def __init__(self, item: object, what: str) -> None:
        if not isinstance(item, Mapping):
            raise RemoteProtocolError(f"{what}: expected a map")
        self._map = item
        self._what = what

    def has(self, key: int) -> bool:
        return self._map.get(key) is not None

    def integer(self, key: int, low: int, high: int) -> int:
        value = self._map.get(key)
        if not is_whole(value, low, high):
            raise self._bad(key, f"an integer in [{low}, {high}]")
        return value

    def boolean(self, key: int) -> bool:
        return self._of_type(key, bool, "a boolean")

    def text(self, key: int, longest: int) -> str:
        value = self._map.get(key)
        if not is_text(value, longest):
            raise self._bad(key, f"a text of at most {longest} characters, none of them NUL")
        return value

    def octets(self, key: int, length: int | None = None) -> bytes:
        value = self._of_type(key, bytes, "a byte string")
        if length is not None and len(value) != length:
            raise self._bad(key, f"{length} bytes")
        return value

    def array(self, key: int, most: int) -> Sequence[object]:
        value = self._of_type(key, list, "an array")
        if len(value) > most:
            raise self._bad(key, f"an array of at most {most} items")
        return value

    def mapping(self, key: int) -> Mapping[object, object]:
        value = self._map.get(key)
        if not isinstance(value, Mapping):
            raise self._bad(key, "a map")
        return value

    def raw(self, key: int) -> object:
        return self._map.get(key)

    def _of_type(self, key: int, kind: type[T], words: str) -> T:
        value = self._map.get(key)
        if type(value) is not kind:
            raise self._bad(key, words)
        return value

    def _bad(self, key: int, expected: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self._what}: field {key} is not {expected}")
