"""Frames found in a byte stream, whatever the pieces it comes in.

The sum of 8 bits is weak, and E5 has none at all. So an acknowledgement and a short frame are believed only at the head
of what was received since the line was last silent, or behind a good frame; behind noise only a long frame is, whose
two starts, two lengths, sum and stop must all be right.
"""

from collections import deque

from protocols.errors import RemoteProtocolError
from protocols.mbus.frame import (
    LONG,
    MIN_L,
    OVERHEAD,
    SHORT,
    SHORT_LENGTH,
    SINGLE,
    STOP,
    Ack,
    Frame,
    LongFrame,
    ShortFrame,
)
from protocols.stream import NEED_DATA, NeedData

_IMPOSSIBLE = 0  # in place of a length: no frame begins so
_HEAD = 4
NOISE_TOLD = 8


class FrameDecoder:
    """`line_idle` says that the line has been silent: what is not complete by then never will be. A burst that ends so
    without any frame is told once, by a RemoteProtocolError of `next_frame` with the first fault in it.

    Less than one frame of undecided bytes is kept. `skipped` counts the bytes given up since the beginning.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self.forget()

    def forget(self) -> None:
        """Drops all that came before: it cannot be the answer to a request that is still to be sent."""
        self._buffer = bytearray()
        self._ready: deque[Frame | RemoteProtocolError] = deque()
        self._begin_burst()

    def _begin_burst(self) -> None:
        self._aligned = True
        self._fault = ""
        self._noise = bytearray()
        self._frames = 0

    def receive_data(self, data: bytes) -> None:
        self._buffer += data
        self._scan(ended=False)

    def line_idle(self) -> None:
        self._scan(ended=True)
        if self._noise and not self._frames:
            self._ready.append(RemoteProtocolError(self._fault or f"noise: {self._noise.hex(' ')}"))
        self._begin_burst()

    def next_frame(self) -> Frame | NeedData:
        if not self._ready:
            return NEED_DATA
        found = self._ready.popleft()
        if isinstance(found, RemoteProtocolError):
            raise found
        return found

    def _scan(self, ended: bool) -> None:
        buffer = self._buffer
        while buffer:
            length = self._measure()
            if length is None or len(buffer) < length:
                if not ended:
                    return
                self._blame(f"{len(buffer)} bytes of a frame, then silence ({buffer[:8].hex(' ')})")
            elif length != _IMPOSSIBLE and self._proven(length):
                self._ready.append(_build(bytes(buffer[:length])))
                del buffer[:length]
                self._frames += 1
                self._aligned = True
                continue
            self._slide()

    def _measure(self) -> int | None:
        """The length of the frame at the head; None while the bytes that tell it are not all here."""
        head = self._buffer
        match head[0]:
            case start if start == SINGLE:
                return 1 if self._aligned else _IMPOSSIBLE
            case start if start == SHORT:
                return SHORT_LENGTH if self._aligned else _IMPOSSIBLE
            case start if start == LONG:
                if len(head) >= 2 and head[1] < MIN_L:
                    return _IMPOSSIBLE
                if len(head) >= 3 and head[1] != head[2]:
                    return _IMPOSSIBLE
                if len(head) < _HEAD:
                    return None
                return head[1] + OVERHEAD if head[3] == LONG else _IMPOSSIBLE
        return _IMPOSSIBLE

    def _proven(self, length: int) -> bool:
        if length == 1:
            return True
        frame = self._buffer[:length]
        body = frame[1:-2] if length == SHORT_LENGTH and frame[0] == SHORT else frame[_HEAD:-2]
        got, computed = frame[-2], sum(body) & 0xFF
        if got != computed:
            self._blame(f"address {body[1]}: sum {got:#04x}, computed {computed:#04x}")
            return False
        if frame[-1] != STOP:
            self._blame(f"address {body[1]}: the frame ends with {frame[-1]:#04x}, not {STOP:#04x}")
            return False
        return True

    def _slide(self) -> None:
        if len(self._noise) < NOISE_TOLD:
            self._noise.append(self._buffer[0])
        del self._buffer[0]
        self.skipped += 1
        self._aligned = False

    def _blame(self, fault: str) -> None:
        """The first fault of a burst is its cause; those found while sliding are its echo."""
        self._fault = self._fault or fault


def _build(frame: bytes) -> Frame:
    if frame[0] == SINGLE:
        return Ack()
    if frame[0] == SHORT:
        return ShortFrame(frame[1], frame[2])
    return LongFrame(frame[4], frame[5], frame[6], frame[7:-2])
