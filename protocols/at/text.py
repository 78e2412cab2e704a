"""Lines of a modem: their name and fields, and hexadecimal payloads whose declared length is not to be believed."""

import re
from typing import NamedTuple

from protocols.errors import LocalProtocolError, RemoteProtocolError

# V.250 5.4.4.2: information text is free. `+CSQ: 13,99`, `+CSQ:13,99` and `Signal power:-758` are all in use.
_NAMED = re.compile(r"([+*^%#]?[A-Za-z][A-Za-z0-9 _]*?) ?: ?(.*)", re.DOTALL)
_FIELD = re.compile(r'\s*("[^"]*"|[^,"]*)\s*(,|$)')
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")


class Line(NamedTuple):
    """`name` is "" for a line of fields alone. Fields keep their quotes: `1` and `"1"` mean different things."""

    name: str
    fields: tuple[str, ...]

    def integer(self, index: int) -> int:
        return integer(self.field(index))

    def text(self, index: int) -> str:
        return unquote(self.field(index))

    def field(self, index: int) -> str:
        if index >= len(self.fields):
            raise RemoteProtocolError(f"{self.name or 'a line'} has {len(self.fields)} fields, {index + 1} are needed")
        return self.fields[index]


def parse_line(line: str) -> Line:
    """Raises RemoteProtocolError where quotes do not pair."""
    named = _NAMED.fullmatch(line)
    name, rest = (named[1], named[2]) if named else ("", line)
    return Line(name, split_fields(rest))


def split_fields(text: str) -> tuple[str, ...]:
    """At commas outside quotes; quotes are kept. Raises RemoteProtocolError where quotes do not pair."""
    fields, at = [], 0
    while True:
        found = _FIELD.match(text, at)
        if found is None:
            raise RemoteProtocolError(f"fields with quotes that do not pair: {text[:80]!r}")
        fields.append(found[1].strip())
        at = found.end()
        if found[2] != ",":
            return tuple(fields)


def integer(field: str) -> int:
    if not _INTEGER.fullmatch(field):
        raise RemoteProtocolError(f"{field[:40]!r} is no integer")
    return int(field)


def unquote(field: str) -> str:
    return field[1:-1] if len(field) >= 2 and field[0] == field[-1] == '"' else field


def quote(text: str) -> str:
    """Raises LocalProtocolError for what no quoted string can hold."""
    if '"' in text or not text.isascii() or not text.isprintable():
        raise LocalProtocolError(f"{text!r} cannot be written in quotes")
    return f'"{text}"'


def from_hex(digits: str, length: int) -> bytes:
    """The payload of `digits`, which must be of `length` bytes. Raises RemoteProtocolError.

    Families count in bytes or in digits (docs/protocols/nbiot.md), so the caller converts, and a length that does not
    fit is an error: cut off or padded, the payload would be another.
    """
    if not _HEX.fullmatch(digits):
        raise RemoteProtocolError(f"a payload that is not hexadecimal: {digits[:40]!r}")
    if len(digits) != 2 * length:
        raise RemoteProtocolError(f"a payload of {len(digits) // 2} bytes was announced as {length}")
    return bytes.fromhex(digits)
