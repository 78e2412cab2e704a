"""One request at a time on a byte stream, without the stream: times and bytes in, bytes and a result out. Pure.

The protocol judges each frame that comes: it is the answer, an older one that came late, or neither. Nothing is ever
taken for an answer because of the time at which it came.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from drivers.base import DeviceError, LineDown, Nonsense, Unreachable
from drivers.transport.echo import Echo
from drivers.transport.wire import Wire
from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA

if TYPE_CHECKING:
    from drivers.transport.exchange import Decoder

DRAIN_QUIET_S = 0.03  # after a fault: longer than the 16 ms in which a USB adapter hands over what it has
DRAIN_MOST_S = 1.0

F = TypeVar("F")


class Asked(NamedTuple):
    """`who` names the device in errors; `longest` is how many bytes an answer may have.

    For a late answer `accept` returns None, for a frame that answers nothing it raises RemoteProtocolError; both are
    passed over, but if no answer comes the latter makes it Nonsense. A DeviceError of `accept` ends the wait. `timeout`
    counts from when the request has left the wire, and the answer's own time on the wire is added. `mirrored`: the
    answer may be the request's own bytes.
    """

    who: str
    request: bytes
    longest: int
    accept: Callable[[Any], Any]
    timeout: float
    mirrored: bool = False


class Transaction(Generic[F]):
    """`wake_at` is when to call wake(), if nothing comes before; `result` is there once the request has one.

    `pause_s` is how long a device may pause within a frame, at most. `unasked` is told of bytes that come while nothing
    is asked, and of frames behind the answer; where it returns True the line is listened to before it is used again.
    `sent_at` is when the last request had left the wire, and None if it never went out: then no answer is owed.
    """

    def __init__(
        self,
        wire: Wire,
        decoder: "Decoder[F]",
        pause_s: float,
        unasked: Callable[[bytes | F], bool] = lambda _: False,
    ) -> None:
        self.wire = wire
        self.result: Any | DeviceError | None = None
        self.wake_at = math.inf
        self.sent_at: float | None = None
        self._decoder = decoder
        self._quiet_s = None if wire.quiet_s is None else max(wire.quiet_s, pause_s)
        self._unasked = unasked
        self._echo = Echo()
        self._output = b""
        self._asked: Asked | None = None
        self._complaint = ""
        self._down = "not open"
        self._disturbed = False  # something went wrong: the line is listened to before it is used again
        self._active_at = 0.0  # when a byte was last on the wire
        self._began = 0.0
        self._quiet_at = self._deadline = math.inf

    def opened(self) -> None:
        self._down, self._disturbed = "", True

    def lost(self, cause: str) -> None:
        self._down = self._down or cause
        self._finish(LineDown(f"{self.wire.where}: {self._down}"))

    def begin(self, now: float, asked: Asked) -> None:
        self.result, self.sent_at = None, None
        self._asked, self._complaint, self._began = asked, "", now
        self._settle(now)

    def abandon(self) -> None:
        """Nobody waits any more. The answer may still come."""
        self._asked, self._disturbed = None, True
        self.wake_at = math.inf

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def receive(self, now: float, data: bytes) -> None:
        self._active_at = now
        if self._asked is None or self.sent_at is None:
            self._disturbed |= self._unasked(data)
            return
        if data := self._echo.strip(data):
            self._decoder.receive_data(data)
            self._look_for_frames()
        self._quiet_at = math.inf if self._quiet_s is None else now + self._quiet_s
        if self._asked is not None:
            self.wake_at = min(self._quiet_at, self._deadline)

    def wake(self, now: float) -> None:
        if self._asked is None:
            return
        if self.sent_at is None:
            self._settle(now)
            return
        late = now >= self._deadline
        if late or now >= self._quiet_at:
            self._quiet_at = math.inf
            self._decoder.receive_data(self._echo.release())
            self._decoder.line_idle()
            self._look_for_frames()
        if late:
            self._give_up()
        elif self._asked is not None:
            self.wake_at = min(self._quiet_at, self._deadline)

    def expect_by(self, moment: float) -> None:
        """Waits no longer than until `moment`."""
        self._deadline = min(self._deadline, moment)

    def _settle(self, now: float) -> None:
        """Waits for the silence before a frame; after a fault, until the line has been quiet for longer."""
        where = self.wire.where
        if self._down:
            self._finish(LineDown(f"{where}: {self._down}"))
            return
        silence = max(self.wire.idle_s, DRAIN_QUIET_S) if self._disturbed else self.wire.idle_s
        quiet_at = self._active_at + silence
        if now >= quiet_at:
            self._disturbed = False
            self._send(now)
        elif now - self._began > DRAIN_MOST_S:
            self._finish(Nonsense(f"{where}: the line has not been quiet for {DRAIN_MOST_S:g} s; who is talking?"))
        else:
            self.wake_at = quiet_at

    def _send(self, now: float) -> None:
        assert self._asked is not None  # noqa: S101 - it is what is sent
        asked, char_s = self._asked, self.wire.char_s
        self._decoder.forget()
        self._echo.expect(asked.request, asked.mirrored)
        self._output = asked.request
        self.sent_at = self._active_at = now + len(asked.request) * char_s
        self._quiet_at = math.inf
        self.wake_at = self._deadline = self.sent_at + asked.timeout + asked.longest * char_s

    def _give_up(self) -> None:
        if self._asked is not None:
            who, complaint = self._asked.who, self._complaint
            silent = f"{who}: no answer within {self._asked.timeout:.3g} s"
            self._finish(Nonsense(f"{who}: {complaint}") if complaint else Unreachable(silent))

    def _look_for_frames(self) -> None:
        try:
            while (frame := self._decoder.next_frame()) is not NEED_DATA:
                self._take(frame)
        except RemoteProtocolError as error:
            self._finish(Nonsense(f"{self.wire.where}: {error}"))

    def _take(self, frame: F) -> None:
        if self._asked is None:
            self._disturbed |= self._unasked(frame)
            return
        try:
            answer = self._asked.accept(frame)
        except RemoteProtocolError as error:
            self._complaint = str(error)
        except DeviceError as error:
            self._finish(error)
        else:
            if answer is not None:
                self._finish(answer)

    def _finish(self, result: Any | DeviceError) -> None:
        if self._asked is not None:
            self._asked, self.result, self.wake_at = None, result, math.inf
            self._disturbed |= isinstance(result, DeviceError)
