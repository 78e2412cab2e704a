"""Frames of meters: 68, a header that tells the length, data, the sum of it all modulo 256, 16.

DL/T 645-2007 and CJ/T 188 share this shape. Neither parts its frames by silence, both allow FE in front to wake the
receiver. A sum of 8 bits is weak; what proves a frame is the sum together with all the fixed places.
"""

from abc import ABC, abstractmethod
from collections import deque
from enum import Enum
from typing import Generic, TypeVar

from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA, NeedData

START, END, WAKE = 0x68, 0x16, 0xFE
TAIL = 2  # sum and END

F = TypeVar("F")


def close_frame(body: bytes) -> bytes:
    """`body`, which begins with START, with its sum and END."""
    return body + bytes((sum(body) & 0xFF, END))


class Length(Enum):
    OPEN = "the bytes that tell the length are not here yet"
    IMPOSSIBLE = "no frame begins so"


class SumDecoder(ABC, Generic[F]):
    """Cuts a byte stream into frames. Where a frame is not proven it slides on by one byte and looks again, so that
    noise, a wrong sum or a frame cut short costs no frame behind it.

    `line_idle` says that the line has been silent: a frame that is not complete by then never will be. A burst that
    ends so without any frame is told once, by a RemoteProtocolError of `next_frame` with the first fault in it.
    Less than one frame of undecided bytes is kept. `skipped` counts the bytes given up since the beginning, but for
    the FE in front of frames.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.forget()

    def forget(self) -> None:
        """Drops all that came before: it cannot be the answer to a request that is still to be sent."""
        self._buffer = bytearray()
        self._ready: deque[F | RemoteProtocolError] = deque()
        self._begin_burst()

    def _begin_burst(self) -> None:
        self._fault = ""
        self._frames = 0

    def receive_data(self, data: bytes) -> None:
        self._buffer += data
        self._scan(ended=False)

    def line_idle(self) -> None:
        self._scan(ended=True)
        if self._fault and not self._frames:
            self._ready.append(RemoteProtocolError(self._fault))
        self._begin_burst()

    def next_frame(self) -> F | NeedData:
        if not self._ready:
            return NEED_DATA
        found = self._ready.popleft()
        if isinstance(found, RemoteProtocolError):
            raise found
        return found

    @abstractmethod
    def _measure(self, buffer: bytearray) -> int | Length:
        """The whole length of the frame at the head, which begins with START."""

    @abstractmethod
    def _build(self, frame: bytes) -> F:
        """The frame in `frame`, whose sum and fixed places are right."""

    @abstractmethod
    def _who(self, buffer: bytearray) -> str:
        """Whose frame it claims to be, for errors."""

    def _scan(self, ended: bool) -> None:
        buffer = self._buffer
        while buffer:
            start = buffer.find(START)
            if start:
                self._drop(len(buffer) if start < 0 else start)
                continue
            length = self._measure(buffer)
            if length is Length.OPEN or (isinstance(length, int) and len(buffer) < length):
                if not ended:
                    return
                self._blame(f"{len(buffer)} bytes of a frame, then silence ({buffer[:12].hex(' ')})")
            elif isinstance(length, int) and self._proven(buffer, length):
                self._frames += 1
                self._ready.append(self._build(bytes(buffer[:length])))
                del buffer[:length]
                continue
            self._drop(1)

    def _proven(self, buffer: bytearray, length: int) -> bool:
        got, computed = buffer[length - TAIL], sum(buffer[: length - TAIL]) & 0xFF
        if got != computed:
            self._blame(f"{self._who(buffer)}: sum {got:#04x}, computed {computed:#04x}")
            return False
        if buffer[length - 1] != END:
            self._blame(f"{self._who(buffer)}: ends with {buffer[length - 1]:#04x}, not {END:#04x}")
            return False
        return True

    def _drop(self, count: int) -> None:
        lost = self._buffer[:count]
        del self._buffer[:count]
        if noise := bytes(lost).replace(bytes((WAKE,)), b""):
            self.skipped += len(noise)
            self._blame(f"noise: {noise[:12].hex(' ')}")

    def _blame(self, fault: str) -> None:
        """The first fault of a burst is its cause; those found while sliding are its echo."""
        self._fault = self._fault or fault
