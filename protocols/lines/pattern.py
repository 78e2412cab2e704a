"""A line's pattern: text as it stands, and named fields in braces, as in `$TEMP,{temperature:decimal},{state:word}`.

Not regular expressions: those can take time without bound on a hostile line, say nothing of types, and cannot write a
line. Here every field ends where the text behind it first stands, so a line is read once from left to right.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from protocols.errors import LocalProtocolError, RemoteProtocolError

Value: TypeAlias = int | Decimal | str

BLANKS = b" \t"


class FieldType(Enum):
    """What a field may hold, as an expression whose every part is bounded."""

    DECIMAL = ("decimal", rb"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?")
    INTEGER = ("integer", rb"[+-]?\d{1,19}")
    HEX = ("hex", rb"[0-9A-Fa-f]{1,16}")
    WORD = ("word", rb"[!-~]{1,40}")
    ANY = ("any", rb".{0,1024}")

    def __init__(self, word: str, expression: bytes) -> None:
        self.word = word
        self.expression = re.compile(expression, re.DOTALL)


_TYPES = {kind.word: kind for kind in FieldType}
_FIELD = re.compile(r"\{(?:(?P<name>[a-z][a-z0-9_]{0,39})?:(?P<type>[a-z]+)(?P<optional>\?)?)\}")
_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[^{}]+")


@dataclass(frozen=True, slots=True)
class Field:
    """`name` is None for what is passed over. An optional field may be empty; `until` is the text behind it."""

    name: str | None
    kind: FieldType
    optional: bool
    until: bytes


class Pattern:
    """A compiled pattern. Raises LocalProtocolError for one that could be read in two ways, or not at all.

    `{name:type}` with type decimal, integer, hex, word or any; `{:any}` passes over; `?` behind the type lets the field
    be empty; `{{` and `}}` are braces. Blanks around a field do not count.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.head, self.fields = _compile(text)
        names = [field.name for field in self.fields if field.name]
        if not names:
            raise LocalProtocolError(f"pattern {text!r} has no named field, such as {{temperature:decimal}}")
        if len(set(names)) < len(names):
            raise LocalProtocolError(f"pattern {text!r} has two fields of one name")
        self.names: Sequence[str] = tuple(names)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def parse(self, line: bytes) -> dict[str, Value] | None:
        """The fields by name, without those that are empty; None for a line that begins in another way.

        Raises RemoteProtocolError for a line that begins as the pattern does and does not go on so.
        """
        line = line.rstrip(BLANKS)
        if not line.startswith(self.head):
            return None
        at = len(self.head)
        values: dict[str, Value] = {}
        for field in self.fields:
            while line[at : at + 1] in (b" ", b"\t"):
                at += 1
            end = line.find(field.until, at) if field.until else len(line)
            if end < 0:
                raise RemoteProtocolError(f"{_shown(line)}: no {_shown(field.until)} behind {_called(field)}")
            taken = line[at:end].rstrip(BLANKS)
            if not (field.optional and not taken):
                if not field.kind.expression.fullmatch(taken):
                    raise RemoteProtocolError(
                        f"{_shown(line)}: {_called(field)} is {_shown(taken)}, no {field.kind.word}"
                    )
                if field.name:
                    values[field.name] = _value(field.kind, taken)
            at = end + len(field.until)
        if at < len(line):
            raise RemoteProtocolError(f"{_shown(line)}: {_shown(line[at:])} behind the pattern's end")
        return values

    def format(self, values: Mapping[str, Value]) -> bytes:
        """The line that `parse` reads as `values`; a field without a value is empty. Raises LocalProtocolError."""
        line = self.head
        for field in self.fields:
            if field.name is not None and field.name in values:
                line += _written(field.kind, values[field.name])
            line += field.until
        try:
            if self.parse(line) == dict(values):
                return line
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from None
        raise LocalProtocolError(f"{self.text!r} does not hold {dict(values)}")


def _compile(text: str) -> tuple[bytes, list[Field]]:
    head = b""
    fields: list[Field] = []
    literal = b""
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise LocalProtocolError(f"pattern {text!r}: a lone {text[at]!r} at {at + 1}; a brace is written twice")
        at = token.end()
        field = _FIELD.fullmatch(token[0])
        if field is None:
            literal += _literal(text, token[0])
            continue
        if not fields:
            head = literal
        elif literal:
            fields[-1] = _ending(fields[-1], literal)
        else:
            raise LocalProtocolError(f"pattern {text!r}: nothing parts {token[0]} from the field before it")
        literal = b""
        kind = _TYPES.get(field["type"])
        if kind is None:
            raise LocalProtocolError(f"pattern {text!r}: no type {field['type']!r}; there are {', '.join(_TYPES)}")
        fields.append(Field(field["name"], kind, field["optional"] is not None, b""))
    if fields:
        fields[-1] = _ending(fields[-1], literal.rstrip(BLANKS))
    return head, fields


def _literal(text: str, token: str) -> bytes:
    if token in ("{{", "}}"):
        return token[:1].encode()
    if token.startswith("{"):
        raise LocalProtocolError(f"pattern {text!r}: {token} is no field; one is written {{name:type}}")
    if re.search(r"[\r\n]", token):
        raise LocalProtocolError(f"pattern {text!r}: a line has no line end inside")
    return token.encode()


def _ending(field: Field, until: bytes) -> Field:
    if field.optional and until.startswith((b" ", b"\t")):
        raise LocalProtocolError(
            f"{_called(field)} may be empty, and then the blank behind it cannot be told from padding"
        )
    return Field(field.name, field.kind, field.optional, until)


def _value(kind: FieldType, taken: bytes) -> Value:
    match kind:
        case FieldType.DECIMAL:
            return Decimal(taken.decode())
        case FieldType.INTEGER:
            return int(taken)
        case FieldType.HEX:
            return int(taken, 16)
    return taken.decode("utf-8", "backslashreplace")


def _written(kind: FieldType, value: Value) -> bytes:
    if kind is FieldType.HEX:
        return b"%X" % value if isinstance(value, int) else b"?"
    return str(value).encode()


def _called(field: Field) -> str:
    return field.name or f"a field of type {field.kind.word}"


def _shown(data: bytes) -> str:
    text = data[:60].decode("ascii", "backslashreplace")
    return repr(text) + ("..." if len(data) > 60 else "")
