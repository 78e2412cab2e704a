"""Strict CBOR for messages from an untrusted side, and the field checks the message decoders share."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import cbor2

from protocols.errors import RemoteProtocolError

MAX_DEPTH = 16  # our deepest message nests 7 deep
T = TypeVar("T")


def load_one(data: bytes) -> object:
    """The one CBOR item that `data` consists of.

    Refused, with RemoteProtocolError: bad CBOR, bytes behind the item, indefinite lengths, duplicate map keys (both of
    which RFC 8949, 4.2.1 and 5.6 let a strict protocol refuse) and nesting deeper than MAX_DEPTH.
    """
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False, str_errors="strict"
    )
    try:
        item: object = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise RemoteProtocolError(f"not valid CBOR: {error}") from None
    behind = len(data) - stream.tell()
    if behind:
        raise RemoteProtocolError(f"{behind} bytes behind the CBOR item")
    return item


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
        if type(value) is not int or not low <= value <= high:
            raise self._bad(key, f"an integer in [{low}, {high}]")
        return value

    def number(self, key: int) -> float:
        value = self._map.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise self._bad(key, "a finite number")
        return float(value)

    def boolean(self, key: int) -> bool:
        return self._of_type(key, bool, "a boolean")

    def text(self, key: int, longest: int) -> str:
        value = self._of_type(key, str, "a text")
        if len(value) > longest:
            raise self._bad(key, f"a text of at most {longest} characters")
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
