"""A TOML table of a model, read key by key; a ModelError says file, place and what would be valid."""

import difflib
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from drivers.base import ModelError

T = TypeVar("T")
LANGUAGES = ("en", "zh")
MAX_EXPONENT = 38  # of f32, and more than any 64-bit register needs; 1E+999999999 would take all memory as an integer


class Section:
    def __init__(self, source: str, place: str, table: object, known: Collection[str]) -> None:
        """`place` says where the table stands in `source`; keys that are not `known` are refused."""
        self._source = source
        self._place = place
        if not isinstance(table, Mapping):
            raise self.wrong("", "is not a table")
        self._table: Mapping[str, object] = table
        self.allow(known)

    def allow(self, known: Collection[str]) -> None:
        """Raises ModelError for a key that is not `known`."""
        for key in self._table:
            if key not in known:
                raise self.wrong(key, f"is not a key here{nearest(key, known)}")

    def wrong(self, key: str, complaint: str) -> ModelError:
        where = ".".join(part for part in (self._place, key) if part)
        return ModelError(f"{self._source}: {where or 'the document'} {complaint}")

    def has(self, key: str) -> bool:
        return key in self._table

    def raw(self, key: str) -> object:
        if key not in self._table:
            raise self.wrong(key, "is missing")
        return self._table[key]

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self._table:
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not (value or default == ""):
            raise self.wrong(key, "must be a text")
        return value

    def boolean(self, key: str, default: bool) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.raw(key) if default is None else self._table.get(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"must be an integer from {low} to {high}, not {value!r}")
        return value

    def choice(self, key: str, choices: Mapping[str, T], default: str | None = None) -> T:
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(key, f"is {value!r}{nearest(value, choices)}; it must be one of {', '.join(choices)}")
        return choices[value]

    def decimal(self, key: str, default: str | None = None) -> Decimal:
        """Written as a text ("0.1") or an integer: a TOML float is binary, and would not be exact."""
        return self._decimal(key, self._table.get(key, default) if default is not None else self.raw(key))

    def decimals(self, key: str, count: int) -> tuple[Decimal, ...]:
        items = self.raw(key)
        if not isinstance(items, list) or len(items) != count:
            raise self.wrong(key, f"must be a list of {count} numbers")
        return tuple(self._decimal(key, item) for item in items)

    def words(self, key: str) -> dict[str, str]:
        """A text in each of our languages."""
        section = self.inner(key, LANGUAGES)
        return {language: section.text(language) for language in LANGUAGES}

    def inner(self, key: str, known: Collection[str]) -> "Section":
        return Section(self._source, f"{self._place}.{key}" if self._place else key, self.raw(key), known)

    def beside(self, place: str, table: object, known: Collection[str]) -> "Section":
        """A table of the same document."""
        return Section(self._source, place, table, known)

    def _decimal(self, key: str, value: object) -> Decimal:
        if isinstance(value, float):
            raise self.wrong(key, f'is a binary float; write it as a text: "{value}"')
        if isinstance(value, str) or type(value) is int:
            try:
                number = Decimal(value)
            except InvalidOperation:
                number = Decimal("NaN")
            if number.is_finite() and abs(number.adjusted()) <= MAX_EXPONENT:
                return number
        raise self.wrong(key, f'must be a decimal number as a text, such as "0.1", not {value!r}')


def nearest(word: str, known: Collection[str]) -> str:
    """' (did you mean x?)', or nothing when no known word is near."""
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
