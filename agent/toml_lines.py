"""Where every table and key of a TOML file stands: tomllib gives values without places. Pure."""

import re
import tomllib
from typing import TypeAlias

Where: TypeAlias = tuple[str | int, ...]  # keys and, inside arrays of tables, numbers from 0

_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_STRING = re.compile(r'"{3}(?:[^\\]|\\.)*?"{3,5}|\'{3}.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")


def scan_lines(text: str) -> dict[Where, int]:
    """The line (from 1) of every table header and key: {("bus", 0, "device", 2, "unit"): 31}.

    `text` is TOML that tomllib has accepted; of anything else the answer means nothing.
    """
    lines: dict[Where, int] = {}
    tables: dict[Where, int] = {}  # how often an array of tables has been opened
    table: Where = ()
    at = _skip(_SPACE, text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            double = text.startswith("[[", at)
            parts, at = _dotted_key(text, at + 1 + double)
            table = _resolve(tables, (), parts, opens=double)
            lines.setdefault(table, line)
            at = text.index("]", at) + 1 + double
        else:
            parts, at = _dotted_key(text, at)
            lines.setdefault(_resolve(tables, table, parts), line)
            at = _skip_value(text, text.index("=", at) + 1)
        at = _skip(_SPACE, text, at)
    return lines


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _dotted_key(text: str, at: int) -> tuple[list[str], int]:
    parts: list[str] = []
    while True:
        at = _skip(_BLANK, text, at)
        match = _KEY.match(text, at)
        if match is None:
            return parts, at
        parts.append(_unquote(match.group()))
        at = _skip(_BLANK, text, match.end())
        if not text.startswith(".", at):
            return parts, at
        at += 1


def _unquote(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 0")))


def _resolve(tables: dict[Where, int], base: Where, parts: list[str], *, opens: bool = False) -> Where:
    where = base
    for number, part in enumerate(parts, 1):
        where = (*where, part)
        if opens and number == len(parts):
            tables[where] = tables.get(where, 0) + 1
        if where in tables:
            where = (*where, tables[where] - 1)
    return where


def _skip_value(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] in "\"'" and (string := _STRING.match(text, at)):
            at = string.end()
            continue
        match text[at]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "#":
                at = text.find("\n", at)
                if at < 0:
                    return len(text)
                continue
            case "\n" if depth == 0:
                return at
        at += 1
    return at
