"""TOML read key by key, so that every mistake in a file is reported at once, with its line and the nearest valid key.

What stands inside an inline table or an array has the line of the key it belongs to.
"""

import difflib
import math
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.toml_lines import Where, scan_lines

# Line breaks and other controls, and those that turn the direction of writing: a name with one of them would forge
# lines of a log and columns of a table; PostgreSQL cannot hold NUL at all.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class ConfigError(Exception):
    """A configuration was refused; `problems` are whole sentences, each naming file, line and key."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Document:
    """A TOML file, the overrides laid over it, and the problems found in both while it is read."""

    def __init__(
        self, path: Path, environ: Mapping[str, str], prefix: str, overridable: Iterable[str], text: str | None = None
    ) -> None:
        """Variables PREFIX_TABLE_KEY replace keys of the `overridable` tables. `text` stands in for what the file
        holds. Raises ConfigError if not TOML."""
        self.path = path
        self._problems: list[tuple[int, str]] = []
        try:
            self.text = path.read_text("utf-8") if text is None else text
            values = tomllib.loads(self.text)
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror or error}"]) from None
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: not UTF-8 text ({error.reason} at byte {error.start})"]) from None
        except (ValueError, RecursionError) as error:  # the latter of hundreds of brackets
            raise ConfigError([f"{path}: not valid TOML: {error}"]) from None
        self._lines = scan_lines(self.text)
        self.variables = _override(values, environ, prefix, overridable)
        self._values: Any = values
        self.root = Table(self, values, ())

    def complain(self, where: Where, message: str) -> None:
        name = spell(where)
        if variable := self.variables.get(where):
            self._problems.append((0, f"{variable} (environment): {message}"))
            return
        message += self._whose(where)
        line = self._line(where)
        self._problems.append((line, f"{self.path}:{line}: {name}: {message}" if name else f"{self.path}: {message}"))

    @property
    def complaints(self) -> int:
        return len(self._problems)

    @property
    def is_wrong(self) -> bool:
        return bool(self._problems)

    def refuse_if_wrong(self) -> None:
        """Raises ConfigError with every complaint so far, in the order of the file's lines."""
        if self._problems:
            raise ConfigError(message for _, message in sorted(self._problems, key=lambda problem: problem[0]))

    def _whose(self, where: Where) -> str:
        """The name and the code of the innermost table around the place that has both: people know devices by them."""
        found, value = "", self._values
        for part in where:
            try:
                value = value[part]
            except (LookupError, TypeError):
                break
            if isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("name", "code")):
                found = f" ({value['name']}, {value['code']})"
        return "" if _CONTROL.search(found) else found

    def _line(self, where: Where) -> int:
        while where and where not in self._lines:
            where = where[:-1]
        return self._lines.get(where, 1)


def _override(
    values: dict[str, Any], environ: Mapping[str, str], prefix: str, tables: Iterable[str]
) -> dict[Where, str]:
    variables: dict[Where, str] = {}
    for table in tables:
        start = f"{prefix}_{table.upper()}_"
        for variable in sorted(environ):
            if not variable.startswith(start):
                continue
            keys = values.setdefault(table, {})
            if isinstance(keys, dict):
                key = variable.removeprefix(start).lower()
                keys[key] = environ[variable]
                variables[(table, key)] = variable
    return variables


class Table:
    """One TOML table. A reader that meets a wrong value complains and returns a stand-in, so that reading goes on."""

    def __init__(self, document: Document, values: Mapping[str, Any], where: Where) -> None:
        self.document = document
        self.where = where
        self._values = values
        self._asked: set[str] = set()

    @property
    def name(self) -> str:
        return spell(self.where)

    def complain(self, key: str | None, message: str) -> None:
        self.document.complain(self.where if key is None else (*self.where, key), message)

    def has(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._values

    def text(self, key: str, default: str | None = None, *, longest: int = 200) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not (value or default == ""):
            self._expected(key, value, "a text in quotes")
            return default or ""
        if len(value) > longest:
            self.complain(key, f"at most {longest} characters, not {len(value)}")
        if control := _CONTROL.search(value):
            self.complain(key, f"holds the control character U+{ord(control.group()):04X}")
            return default or ""
        return value

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        value, names = self.text(key, default), list(choices)
        if value and value not in names:
            self.complain(key, f"{value!r} is not known{nearest(value, names)}; one of {', '.join(names)}")
        return value

    def number(self, key: str, default: float | None = None, *, low: float, high: float) -> float:
        value = self._get(key, default)
        if isinstance(value, str) and self._is_variable(key):
            value = _parsed(float, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._expected(key, value, "a number")
            return low if default is None else default
        if not low <= value <= high:
            self.complain(key, f"{value:g} is not between {low:g} and {high:g}")
            return low
        return float(value)

    def integer(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        value = self._get(key, default)
        if isinstance(value, str) and self._is_variable(key):
            value = _parsed(int, value)
        if type(value) is not int:
            self._expected(key, value, "a whole number")
            return low if default is None else default
        if not low <= value <= high:
            self.complain(key, f"{value} is not between {low} and {high}")
            return low
        return value

    def number_or_text(self, key: str, default: int) -> int | str:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | str):
            self._expected(key, value, "a whole number, or a text in quotes")
            return default
        return value

    def anything(self, key: str) -> Mapping[str, Any]:
        """A table whose keys somebody else checks; empty where there is none."""
        value = self._get(key, {})
        if not isinstance(value, Mapping):
            self._expected(key, value, "a table")
            return {}
        return value

    def raw(self) -> Mapping[str, Any]:
        """The whole table: somebody else checks its keys."""
        self._asked.update(self._values)
        return self._values

    def boolean(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if isinstance(value, str) and self._is_variable(key):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            self._expected(key, value, "true or false")
            return default
        return value

    def numbers(self, key: str, count: int) -> tuple[float, ...] | None:
        """`count` finite numbers in an array; None if the key is absent or wrong."""
        value = self._get(key, ())
        if value == ():
            return None
        if not isinstance(value, list) or len(value) != count or not all(_is_finite(item) for item in value):
            self._expected(key, value, f"an array of {count} numbers")
            return None
        return tuple(float(item) for item in value)

    def some_numbers(self, key: str) -> tuple[float, ...]:
        """A finite number, or several in an array; none if the key is absent."""
        value = self._get(key, [])
        listed = value if isinstance(value, list) else [value]
        if not all(_is_finite(item) for item in listed):
            self._expected(key, value, "a number, or an array of numbers")
            return ()
        return tuple(float(item) for item in listed)

    def pairs(self, key: str) -> tuple[tuple[float, float], ...]:
        """Pairs of finite numbers, [[1, 2], [3, 4]]; none if the key is absent."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(
            isinstance(item, list) and len(item) == 2 and all(_is_finite(number) for number in item) for item in value
        ):
            self._expected(key, value, "an array of pairs of numbers, [[10, 100], [100, 500]]")
            return ()
        return tuple((float(first), float(last)) for first, last in value)

    def switch_or_choice(self, key: str, choices: Iterable[str]) -> bool | str:
        """Off, on, or the name of which; off if the key is absent."""
        if isinstance(self._get(key, False), str):
            return self.choice(key, choices) or False
        return self.boolean(key, False)

    def texts(self, key: str) -> tuple[str, ...]:
        """Texts in an array; none if it is absent."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self._expected(key, value, "an array of texts in quotes")
            return ()
        return tuple(value)

    def table(self, key: str) -> "Table":
        """The table at `key`; an empty one if it is absent."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            self.complain(key, f"expected a table [{key}]")
            value = {}
        return Table(self.document, value, (*self.where, key))

    def tables(self, key: str) -> list["Table"]:
        """The tables of the array [[key]]; none if it is absent."""
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.complain(key, f"expected tables, each under its own [[{key}]]")
            return []
        return [Table(self.document, item, (*self.where, key, number)) for number, item in enumerate(value)]

    def named_tables(self, key: str) -> dict[str, "Table"]:
        outer = self.table(key)
        return {name: outer.table(name) for name in outer._values}  # noqa: SLF001

    def done(self) -> None:
        """Complains of every key that nothing asked for."""
        for key in self._values:
            if key not in self._asked:
                self.complain(key, f"there is no such key here{nearest(key, sorted(self._asked))}")

    def _get(self, key: str, default: object) -> Any:
        self._asked.add(key)
        return self._values.get(key, default)

    def _is_variable(self, key: str) -> bool:
        return (*self.where, key) in self.document.variables

    def _expected(self, key: str, value: object, words: str) -> None:
        if key not in self._values:
            self.complain(None, f"{key!r} is missing: expected {words}")
        else:
            self.complain(key, f"expected {words}, " + (f"not {value!r}" if value != "" else "and it is empty"))


def spell(where: Where) -> str:
    """How people write the place: bus[0].device[2].unit."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean "period_s"?` if one of `names` is near, else nothing."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _is_finite(value: object) -> bool:
    """Whether it is a number, and a float can hold it: TOML's whole numbers know no end."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _parsed(kind: type[int] | type[float], text: str) -> int | float | str:
    try:
        return kind(text)
    except ValueError:
        return text
