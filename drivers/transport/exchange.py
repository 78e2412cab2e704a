"""One request at a time on a byte stream, for protocols whose answers say whose they are.

The protocol judges each frame that comes: it is the answer, an older one that came late, or neither. Nothing is ever
taken for an answer because of the time at which it came.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from drivers.base import DeviceError, LineDown, Nonsense, Unreachable
from drivers.transport.stream import ByteStream
from protocols.errors import RemoteProtocolError
from protocols.stream import NEED_DATA, NeedData

DRAIN_QUIET_S = 0.03  # after a fault: longer than the 16 ms in which a USB adapter hands over what it has
DRAIN_MOST_S = 1.0

F_co = TypeVar("F_co", covariant=True)
F = TypeVar("F")
T = TypeVar("T")


class Decoder(Protocol[F_co]):
    """A codec's decoder, such as protocols.sum_frames.SumDecoder."""

    def receive_data(self, data: bytes) -> None: ...

    def line_idle(self) -> None: ...

    def forget(self) -> None: ...

    def next_frame(self) -> F_co | NeedData: ...


@dataclass
class _Asked:
    accept: Callable[[Any], Any]
    answer: "asyncio.Future[Any]"
    complaint: str = ""


class Exchange(Generic[F]):
    """`pause_s` is how long a device may pause within a frame, at most. `sent` tells whether the last request went out:
    one that did not is owed no answer. `unasked` is told of bytes that come while nothing is asked, and of frames
    behind the answer; where it returns True the line is listened to before it is used again."""

    def __init__(
        self,
        stream: ByteStream,
        decoder: Decoder[F],
        pause_s: float,
        unasked: Callable[[bytes | F], bool] = lambda _: False,
    ) -> None:
        self.where = stream.where
        self._stream = stream
        self._decoder = decoder
        self._quiet_s = None if stream.quiet_s is None else max(stream.quiet_s, pause_s)
        self._unasked = unasked
        self.sent = False
        self._asked: _Asked | None = None
        self._down = "not open"
        self._disturbed = False  # something went wrong: the line is listened to before it is used again
        self._active_at = 0.0  # when a byte was last on the wire
        self._quiet: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        await self.close()
        await self._stream.open(self._receive, self._lose)
        self._down = ""
        self._disturbed = True

    async def close(self) -> None:
        self._down = self._down or "closed"
        self._fail(LineDown(f"{self.where}: {self._down}"))
        await self._stream.close()

    def wire_ms(self, sent: int, received: int) -> float:
        """What a request and its answer of so many bytes take on the wire, each with the silence behind it."""
        return 1000 * ((sent + received) * self._stream.char_s + 2 * self._stream.idle_s)

    def bytes_ms(self, count: float) -> float:
        return 1000 * count * self._stream.char_s

    async def ask(self, who: str, request: bytes, longest: int, accept: Callable[[F], T | None], timeout: float) -> T:
        """What `accept` makes of the frame that answers `request`; `longest` is how many bytes an answer may have.

        For a late answer `accept` returns None, for a frame that answers nothing it raises RemoteProtocolError; both
        are passed over, but if no answer comes the latter makes it Nonsense. A DeviceError of `accept` ends the wait.
        `timeout` counts from when the request has left the wire, and the answer's own time on the wire is added. Raises
        DeviceError.
        """
        self.sent = False
        await self._settle()
        if self._down:
            raise LineDown(f"{self.where}: {self._down}")
        loop = asyncio.get_running_loop()
        asked = self._asked = _Asked(accept, loop.create_future())
        self._decoder.forget()
        sent_s = len(request) * self._stream.char_s
        self._active_at = loop.time() + sent_s
        allowed = sent_s + timeout + longest * self._stream.char_s
        timer = loop.call_later(allowed, self._give_up, asked, who, timeout)
        try:
            self._stream.write(request)
            self.sent = True
            answer: T = await asked.answer
        except BaseException:
            self._disturbed = True
            raise
        finally:
            timer.cancel()
            self._asked = None
            self._stop_listening_for_quiet()
        return answer

    async def _settle(self) -> None:
        """Waits for the silence before a frame; after a fault, until the line has been quiet for longer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self._down:
            silence = max(self._stream.idle_s, DRAIN_QUIET_S) if self._disturbed else self._stream.idle_s
            rest = self._active_at + silence - loop.time()
            if rest <= 0:
                self._disturbed = False
                return
            if loop.time() - began > DRAIN_MOST_S:
                raise Nonsense(f"{self.where}: the line has not been quiet for {DRAIN_MOST_S:g} s; who is talking?")
            await asyncio.sleep(rest)

    def _receive(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._active_at = loop.time()
        if self._asked is None:
            self._disturbed |= self._unasked(data)
            return
        self._decoder.receive_data(data)
        self._look_for_frames()
        self._stop_listening_for_quiet()
        if self._quiet_s is not None and not self._asked.answer.done():
            self._quiet = loop.call_later(self._quiet_s, self._fall_quiet)

    def _fall_quiet(self) -> None:
        self._decoder.line_idle()
        self._look_for_frames()

    def _stop_listening_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
            self._quiet = None

    def _give_up(self, asked: _Asked, who: str, timeout: float) -> None:
        self._fall_quiet()
        if asked.complaint:
            self._fail(Nonsense(f"{who}: {asked.complaint}"))
        self._fail(Unreachable(f"{who}: no answer within {timeout:g} s"))

    def _look_for_frames(self) -> None:
        try:
            while (frame := self._decoder.next_frame()) is not NEED_DATA:
                self._take(frame)
        except RemoteProtocolError as error:
            self._fail(Nonsense(f"{self.where}: {error}"))

    def _take(self, frame: F) -> None:
        asked = self._asked
        if asked is None or asked.answer.done():
            self._disturbed |= self._unasked(frame)
            return
        try:
            answer = asked.accept(frame)
        except RemoteProtocolError as error:
            asked.complaint = str(error)
            return
        except DeviceError as error:
            self._fail(error)
            return
        if answer is not None:
            asked.answer.set_result(answer)

    def _lose(self, cause: str) -> None:
        self._down = cause
        self._fail(LineDown(f"{self.where}: {cause}"))

    def _fail(self, error: DeviceError) -> None:
        if self._asked is not None and not self._asked.answer.done():
            self._asked.answer.set_exception(error)
