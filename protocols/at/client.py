"""A modem's bytes to events: responses, unsolicited lines, prompts, reboots, noise (V.250, 3GPP TS 27.007).

The stream carries no frames and no numbers. Three rules keep an answer from being taken for another's:
one command at a time; only lines that the command's own pattern knows are its information; and once the echo is known
to be on, nothing is an answer before the command's echo is complete, so that a late answer cannot be.
"""

import re
from collections import deque
from typing import NamedTuple, TypeAlias

from protocols.at.command import Command, Response, is_final
from protocols.errors import LocalProtocolError

MAX_LINE = 4096  # the longest payload of a family, in hexadecimal, with what stands around it
_ENDS = re.compile(rb"[\r\n]")
_TEXT = re.compile(rb"[\x20-\x7e\t]*")
_URC = re.compile(r"[+*^%#][A-Z]")
ESCAPE = b"\x1b"  # leaves a prompt without sending anything


class Unsolicited(NamedTuple):
    line: str


class Stale(NamedTuple):
    """An answer to a command that was given up, or to none."""

    line: str


class Prompt(NamedTuple):
    """The modem waits for `data`; write it."""

    data: bytes


class Booted(NamedTuple):
    """The modem began anew: its sockets and settings are gone."""

    line: str


class Noise(NamedTuple):
    """A line with bytes that are no text, or too long to be one: its first 64 bytes."""

    data: bytes


Event: TypeAlias = Response | Unsolicited | Stale | Prompt | Booted | Noise


class AtClient:
    """`boot` is a regular expression for the lines with which the modem tells that it began anew."""

    def __init__(self, boot: str) -> None:
        self._boot = re.compile(boot)
        self._buffer = bytearray()
        self._flooded = False  # the line in the buffer was too long; the rest of it is not kept
        self._events: deque[Event] = deque()
        self._echoes = False
        self._forget()

    def _forget(self) -> None:
        self._command: Command | None = None
        self._echo = ""  # what is still to come of the echo
        self._lines: list[str] = []
        self._final = ""
        self._completion = ""
        self._prompted = False

    @property
    def echoes(self) -> bool:
        return self._echoes

    def expect_echo(self, echoes: bool) -> None:
        """After ATE1 and ATE0. Until told, an echo is swallowed where one comes and not missed where none does."""
        self._echoes = echoes

    def send(self, command: Command) -> bytes:
        """What to write. Raises LocalProtocolError while another command waits for its response."""
        if self._command is not None:
            raise LocalProtocolError(f"{self._command.text[:60]} has not been answered yet")
        self._forget()
        self._command, self._echo = command, command.text
        return command.encode()

    def abandon(self) -> None:
        """Gives the command up; what answers it later is stale."""
        self._forget()

    def receive_data(self, data: bytes) -> None:
        start = 0
        for end in _ENDS.finditer(data):
            self._keep(data[start : end.start()])
            self._take_line()
            start = end.end()
        self._keep(data[start:])
        self._look_for_prompt()

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    def _keep(self, data: bytes) -> None:
        if not self._flooded:
            self._buffer += data
        if len(self._buffer) > MAX_LINE:
            self._flooded = True
            del self._buffer[MAX_LINE:]

    def _take_line(self) -> None:
        self._look_for_prompt()
        raw, flooded = bytes(self._buffer), self._flooded
        self._buffer.clear()
        self._flooded = False
        if not raw:
            return
        if flooded or not _TEXT.fullmatch(raw):
            self._events.append(Noise(raw[:64]))
            return
        self._hear(raw.decode("ascii"))

    def _look_for_prompt(self) -> None:
        """A prompt ends with no line end (27.005 3.5.1: <CR><LF>>space), and is known by its first character."""
        command = self._command
        if command is None or not command.data or self._prompted or (self._echoes and self._echo):
            return
        if self._buffer.startswith(b">"):
            del self._buffer[:1]
            self._prompted = True
            self._events.append(Prompt(command.data))

    def _hear(self, line: str) -> None:
        if self._boot.match(line):
            command = self._command
            self._forget()
            self._echoes = False
            self._events.append(Booted(line))
            if command is not None:
                self._events.append(Response(command, ""))
            return
        line = self._without_echo(line)
        if line := line.strip():
            self._assign(line)

    def _without_echo(self, line: str) -> str:
        """The echo may be cut by an unsolicited line at any place, with or without a line end between the two.

        It may also begin again: what came of it before was left over from a command that was given up.
        """
        if not self._echo or self._command is None:
            return line
        for echo in (self._echo, self._command.text):
            if echo.startswith(line):
                self._echo = echo[len(line) :]
                return ""
            for length in range(min(len(line), len(echo)), 0, -1):
                if echo.startswith(line[:length]) and _URC.match(line, length):
                    self._echo = echo[length:]
                    return line[length:]
        return line

    def _assign(self, line: str) -> None:
        command = self._command
        early = self._echoes and bool(self._echo)  # the echo is owed: nothing answers this command yet
        if is_final(line):
            if command is None or early or self._final:
                self._events.append(Stale(line))
                return
            self._echo = ""
            self._final = line
        elif command is not None and not early and _matches(command.completion, line):
            self._completion = line
        elif command is not None and not early and not self._final and _matches(command.answer, line):
            self._echo = ""
            self._lines.append(line)
            return
        else:
            self._events.append(Unsolicited(line))
            return
        self._finish(command)

    def _finish(self, command: Command) -> None:
        if not self._final or (self._final == "OK" and command.completion and not self._completion):
            return
        self._events.append(Response(command, self._final, tuple(self._lines), self._completion))
        self._forget()


def _matches(pattern: str, line: str) -> bool:
    return bool(pattern) and re.fullmatch(pattern, line) is not None
