"""The terminal that `hutong-agent top` draws on."""

import contextlib
import curses
import os
from collections.abc import Callable, Mapping
from typing import Any

from agent import control
from agent.diagnosis.top import View, render

EVERY_MS = 1000
NAMES = {"\n": "enter", "\r": "enter", "\x1b": "escape", "\x7f": "backspace", "\b": "backspace"}
CODES = {curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_BACKSPACE: "backspace", curses.KEY_ENTER: "enter"}
Report = Mapping[str, Any]


class UnknownTerminal(Exception):
    """Says which, and what to do."""


def run(fetch: Callable[[], Report]) -> None:
    """Until a key ends it. `fetch` raises NotRunning before anything was shown; later that is shown."""
    try:
        curses.setupterm()
    except curses.error:
        named = os.environ.get("TERM", "")
        raise UnknownTerminal(
            f"top does not know the terminal TERM={named!r}; try TERM=vt100, or `status`, which prints the same once"
        ) from None
    first = fetch()
    os.environ.setdefault("ESCDELAY", "50")
    curses.wrapper(_loop, fetch, first)


def _loop(window: Any, fetch: Callable[[], Report], report: Report) -> None:
    with contextlib.suppress(curses.error):  # some terminals cannot hide it
        curses.curs_set(0)
    window.timeout(EVERY_MS)
    view, lost = View(), ""
    while True:
        _draw(window, report, view, lost)
        key = _key(window)
        if key == "":  # a second is over
            try:
                report, lost = fetch(), ""
            except (control.NotRunning, control.Declined) as error:
                lost = str(error)
            continue
        pressed = view.press(key)
        if pressed is None:
            return
        view = pressed


def _key(window: Any) -> str:
    """The next key by its name; "" when none came."""
    try:
        key = window.get_wch()
    except curses.error:
        return ""
    if isinstance(key, int):
        return CODES.get(key, "other")
    return NAMES.get(key, str(key))


def _draw(window: Any, report: Report, view: View, lost: str) -> None:
    height, width = window.getmaxyx()
    lines = render(report, view, height, width)
    if lost:
        lines[0] = lost[:width]
    window.erase()
    for number, line in enumerate(lines):
        with contextlib.suppress(curses.error):  # of the last column: the cursor has no place behind it
            window.addstr(number, 0, line)
    window.refresh()
