"""What a host types at a module: echoed, gathered to lines, or taken as data after a prompt (V.250, 27.005)."""

import re
from collections.abc import Callable

MAX_LINE = 4096
ESCAPE = 0x1B
_COMMAND = re.compile(r"AT(?:([+&][A-Z0-9]+|[A-Z]\d?)(\?|=\?|=)?(.*))?", re.IGNORECASE | re.DOTALL)


class CommandLine:
    """`carry_out` gets a command's name with its `?` or `=`, and what stands behind; None for what is no command."""

    def __init__(self, write: Callable[[bytes], None], carry_out: Callable[[str | None, str], None]) -> None:
        self._write, self._carry_out = write, carry_out
        self.forget()

    def forget(self) -> None:
        """As a reboot does."""
        self.echo = True
        self._typed = bytearray()
        self._take_data: Callable[[bytes | None], None] | None = None
        self._wanted = 0

    def drop_typed(self) -> None:
        self._typed.clear()

    def ask_for_data(self, length: int, take: Callable[[bytes | None], None]) -> None:
        """Prompts, and hands the next `length` bytes to `take`, whatever they are; None where the host escapes."""
        self._take_data, self._wanted = take, length
        self._write(b"\r\n> ")

    def type(self, byte: int) -> None:
        if self._take_data is not None:
            self._type_data(byte)
            return
        if self.echo:
            self._write(bytes((byte,)))
        if byte not in b"\r\n":
            self._typed.append(byte)
            del self._typed[MAX_LINE:]
        elif self._typed:
            line = bytes(self._typed).decode("latin-1")
            self._typed.clear()
            # Noise before the first command of a line is not part of it (V.250 5.2.1 looks for AT).
            at = line.upper().find("AT")
            if at >= 0:
                parsed = _COMMAND.fullmatch(line, at)
                key = None if parsed is None else (parsed[1] or "").upper() + (parsed[2] or "")
                self._carry_out(key, "" if parsed is None else parsed[3] or "")

    def _type_data(self, byte: int) -> None:
        typed: bytes | None = None
        if byte != ESCAPE or self._typed:
            self._typed.append(byte)
            if len(self._typed) < self._wanted:
                return
            typed = bytes(self._typed)
        self._typed.clear()
        take, self._take_data = self._take_data, None
        if take is not None:
            take(typed)
