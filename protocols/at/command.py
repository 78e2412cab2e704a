"""What is asked of a modem and what it says: a command, its response, and who refused what."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from protocols.errors import LocalProtocolError, RemoteProtocolError

T = TypeVar("T")
MAX_COMMAND = 4096  # above any payload in hexadecimal that a family takes
_CME = re.compile(r"\+CM[ES] ERROR ?: ?(.*)")


@dataclass(frozen=True, slots=True)
class Command:
    """`answer` is a regular expression for the information lines that belong to it: whatever else comes meanwhile is
    unsolicited. `completion` matches a line that tells how it went, beside the final result and mostly behind it.
    `data` is what the modem's prompt asks for. `patience_s` is how long the module's maker lets it take.
    """

    text: str
    answer: str = ""
    completion: str = ""
    data: bytes = b""
    patience_s: float = 5.0

    def __post_init__(self) -> None:
        if not (self.text.isascii() and self.text.isprintable() and self.text[:2].upper() == "AT"):
            raise LocalProtocolError(f"{self.text!r} is no AT command")
        if len(self.text) > MAX_COMMAND:
            raise LocalProtocolError(f"a command of {len(self.text)} characters")

    def encode(self) -> bytes:
        return self.text.encode("ascii") + b"\r"


class Response(NamedTuple):
    """`final` is OK, ERROR, or +CME ERROR with its reason; "" where the modem began anew and never answered."""

    command: Command
    final: str
    lines: tuple[str, ...] = ()
    completion: str = ""


class CommandRefused(RemoteProtocolError):
    """The modem answered that it will not. `code` is that of +CME ERROR, None where it told none in numbers."""

    def __init__(self, response: Response) -> None:
        reason = _CME.fullmatch(response.final)
        self.code = int(reason[1]) if reason and reason[1].isdecimal() else None
        said = response.completion if response.final == "OK" else response.final
        super().__init__(f"{response.command.text[:60]}: {said or 'the modem began anew'}")


Procedure: TypeAlias = Generator[Command, Response, T]


def is_final(line: str) -> bool:
    return line in ("OK", "ERROR") or _CME.fullmatch(line) is not None


def lines_of(response: Response) -> tuple[str, ...]:
    """The information lines. Raises CommandRefused unless the final result is OK."""
    if response.final != "OK":
        raise CommandRefused(response)
    return response.lines


def line_of(response: Response) -> str:
    """The one information line. Raises RemoteProtocolError where there is none."""
    lines = lines_of(response)
    if not lines:
        raise RemoteProtocolError(f"{response.command.text[:60]}: OK, without the line it was asked for")
    return lines[0]
