"""The keys that say what may go over a link to the server, of [uplink] and each [[uplink.other]]. Imports no numpy."""

import re
from typing import NamedTuple

from agent.toml import Table

KINDS = ("ethernet", "cellular", "nbiot")  # agent.uplink.policy.KINDS; a test holds the two together
_WINDOW = re.compile("([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


class LinkKeys(NamedTuple):
    kind: str
    budget_bytes: int | None
    windows: tuple[tuple[int, int], ...]


def read_link(table: Table, *, modem: bool) -> LinkKeys:
    """`modem`: whether a module of the gateway carries the link; it is then one of NB-IoT unless told otherwise."""
    kind = table.choice("kind", KINDS, "nbiot" if modem else "ethernet")
    budget = table.number("budget_mb_day", low=0.01, high=1e6) if table.has("budget_mb_day") else None
    windows = tuple(found for text in table.texts("windows") if (found := _window(table, text)) is not None)
    return LinkKeys(kind, None if budget is None else round(budget * 1e6), windows)


def _window(table: Table, text: str) -> tuple[int, int] | None:
    match = _WINDOW.fullmatch(text)
    if match is None:
        table.complain("windows", f'expected "HH:MM-HH:MM" in UTC, not {text!r}')
        return None
    hours = list(map(int, match.groups()))
    start, end = 60 * hours[0] + hours[1], 60 * hours[2] + hours[3]
    if start == end:
        table.complain("windows", f"{text!r} is no time at all; leave windows out for a link that is always open")
        return None
    return start, end
