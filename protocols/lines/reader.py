"""Lines of a byte stream, whichever way they end."""

from collections import deque
from enum import Enum
from typing import Final, Literal, TypeAlias

from protocols.errors import RemoteProtocolError

LONGEST = 1024  # bytes; weather stations send some 300, NMEA 0183 at most 82


class _Need(Enum):
    NEED_DATA = "the line at the head of the stream has not ended"


NEED_DATA: Final = _Need.NEED_DATA
NeedData: TypeAlias = Literal[_Need.NEED_DATA]


class LineReader:
    """Lines end with CR, LF or both; empty ones are left out. Never more than `longest` bytes of an open line are kept.

    Who joins in the middle of a stream gets half a line first: `from_next_line` drops everything up to a line's end.
    """

    def __init__(self, longest: int = LONGEST, *, from_next_line: bool = False) -> None:
        self._longest = longest
        self._lines: deque[bytes | None] = deque()  # None for one that was too long
        self._open = bytearray()
        self._skipping = from_next_line

    def receive_data(self, data: bytes) -> None:
        *ended, rest = data.replace(b"\r", b"\n").split(b"\n")
        for piece in ended:
            self._append(piece)
            if self._open:
                self._lines.append(bytes(self._open))
            self._open.clear()
            self._skipping = False
        self._append(rest)

    def next_line(self) -> bytes | NeedData:
        """The next line without its end. Raises RemoteProtocolError once for every line that was too long."""
        if not self._lines:
            return NEED_DATA
        line = self._lines.popleft()
        if line is None:
            raise RemoteProtocolError(f"a line of more than {self._longest} bytes")
        return line

    def drop(self) -> None:
        """Forgets what was received: it cannot be the answer to a question which is still to be asked."""
        self._lines.clear()
        self._open.clear()
        self._skipping = False

    def _append(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._open) + len(piece) > self._longest:
            self._open.clear()
            self._skipping = True
            self._lines.append(None)
            return
        self._open += piece
