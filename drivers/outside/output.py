"""What a driver's child prints, as lines for the log: bounded in length and in number, whatever it does. Pure."""

import re

LONGEST = 500  # characters of a line
MOST = 120  # lines in
PERIOD_S = 60.0

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # would forge lines of the log


def one_line(text: str) -> str:
    """`text` as it may stand in a log, an event, or a device's health: PostgreSQL cannot even hold every character."""
    return _CONTROL.sub("?", text.rstrip(" \t\n\r\v\f"))[:LONGEST]


class Output:
    def __init__(self) -> None:
        self._rest = b""
        self._cut = False  # the rest is the end of a line whose beginning was given out
        self._began = 0.0
        self._given = 0
        self._left_out = 0

    def lines(self, data: bytes, now: float) -> list[str]:
        """The lines that `data` completes and the log has room for; `now` in seconds."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        if complete and self._cut:
            del complete[0]
            self._cut = False
        if len(self._rest) > 4 * LONGEST:
            complete += [] if self._cut else [self._rest]
            self._rest, self._cut = b"", True
        found = []
        if now - self._began >= PERIOD_S:
            if self._left_out:
                found.append(f"({self._left_out} more lines were left out)")
            self._began, self._given, self._left_out = now, 0, 0
        for line in filter(bytes.strip, complete):
            if self._given < MOST:
                self._given += 1
                found.append(one_line(line.decode("utf-8", "replace")))
            else:
                self._left_out += 1
        return found

    def end(self) -> list[str]:
        """What is left when nothing more comes."""
        found = [] if self._cut else self.lines(b"\n", self._began)
        if self._left_out:
            found.append(f"({self._left_out} more lines were left out)")
            self._left_out = 0
        return found
