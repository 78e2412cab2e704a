"""What differs between two texts, for people. Pure."""

from collections.abc import Iterator
from difflib import unified_diff
from typing import Literal, NamedTuple, TypeAlias

Mark: TypeAlias = Literal["same", "added", "removed", "place"]
MAX_LINES = 6000  # of both; to compare more takes too long
AROUND = 2
_MARKS: dict[str, Mark] = {" ": "same", "+": "added", "-": "removed", "@": "place"}


class Line(NamedTuple):
    mark: Mark
    text: str


def compare(before: str, after: str) -> list[Line] | None:
    """None for texts that are too long to compare."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > MAX_LINES:
        return None
    return list(_lines(old, new))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    for number, line in enumerate(unified_diff(old, new, n=AROUND, lineterm="")):
        if number >= 2:  # the first two name the files
            yield Line(_MARKS[line[0]], line if line[0] == "@" else line[1:])
