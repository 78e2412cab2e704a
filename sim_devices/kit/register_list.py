"""A vendor's register list, as CSV, into a template of registers. No row is left out without being told."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim_devices.kit import register_words as words
from sim_devices.kit.register_row import RowError, channel

ENCODINGS = ("utf-8-sig", "gb18030")
COLUMNS = words.lookup(words.COLUMNS)


class Unreadable(Exception):
    """The file as a whole cannot be used; says why."""


@dataclass
class Imported:
    """`refused` are (line of the file, why); `notes` what was decided that the list does not say."""

    channels: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(raw: bytes, base: str = "auto", table: str | None = None) -> Imported:
    """`base` says what the list calls the first address: "0", "1", or "auto": 40001 and the like as old manuals have
    them, others from 0. `table` is for lists that do not name one. Raises Unreadable."""
    rows = _rows(raw)
    at, columns, unused = _header(rows)
    result = Imported()
    if at:
        result.notes.append(f"lines 1 to {rows[at - 1][0]} are before the header, and were passed over")
    if unused:
        result.notes.append(f"columns without a meaning here: {', '.join(unused)}")
    names: dict[str, int] = {}
    for line, cells in rows[at + 1 :]:
        if not any(cells):
            continue
        row = {word: cells[index] for word, index in columns.items() if index < len(cells) and cells[index]}
        try:
            found = channel(row, base, table, result.notes, line)
            if found["name"] in names:
                raise RowError(f"the name {found['name']!r} stands on line {names[found['name']]} already")
        except RowError as error:
            result.refused.append((line, str(error)))
            continue
        names[found["name"]] = line
        result.channels.append(found)
    return result


def render(model: str, imported: Imported) -> str:
    """The template as TOML (docs/devices.md). `imported` has channels."""
    title = json.dumps(model.replace("_", " ").capitalize(), ensure_ascii=False)
    parts = [f"name = {json.dumps(model)}\ntitle = {{ en = {title}, zh = {title} }}\n"]
    for each in imported.channels:
        lines = [f"{key} = {_toml(value)}" for key, value in each.items() if value is not None]
        parts.append("[[channel]]\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def _rows(raw: bytes) -> list[tuple[int, list[str]]]:
    """Each row with the line on which it begins."""
    for encoding in ENCODINGS:
        try:
            text = raw.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise Unreadable("neither UTF-8 nor GB18030: save it as CSV in one of them")
    if "\0" in text:
        raise Unreadable("no text: save the list as CSV, not as a spreadsheet")
    delimiter = max(",;\t", key=text.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, line = [], 1
    try:
        for cells in reader:
            rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"line {line}: {error}") from None
    return rows


def _header(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, dict[str, int], list[str]]:
    """Which row it is, the index of each column that is known, and the names of the others."""
    for at, (_, cells) in enumerate(rows):
        columns: dict[str, int] = {}
        unused = []
        for index, cell in enumerate(cells):
            word = COLUMNS.get(words.plain(cell))
            if word is not None and word not in columns:
                columns[word] = index
            elif cell:
                unused.append(cell)
        if "address" in columns and columns.keys() & {"name", "en", "zh"}:
            return at, columns, unused
    raise Unreadable("no header: a row is needed with a column for the address (address, 地址, ...) and one for the "
                     "name (name, description, 名称, ...)")  # fmt: skip
