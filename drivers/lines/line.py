"""A line on which devices speak in text: asks for what has a prompt, and listens for what comes of itself."""

import asyncio
from collections import deque
from decimal import Decimal
from typing import NamedTuple

from drivers.base import Cost, LineDown, Model, Nonsense, NotSent, Reading, Span, Unit, Unreachable
from drivers.lines.sentence import Sentence
from drivers.transport.stream import ByteStream
from protocols.errors import RemoteProtocolError
from protocols.lines.reader import LONGEST, NEED_DATA, LineReader

KEPT = 64  # lines: of a device that sends many kinds, each is still there when its turn comes
LIKELY_LONGEST = LONGEST // 8
QUIET_S = 0.05  # after a question without an answer: the silence before the next one
QUIET_MOST_S = 1.0


class _Heard(NamedTuple):
    number: int
    at: float
    line: bytes


class TextLine:
    """A drivers.base.Line.

    An answer to a prompt carries nothing that tells which question it answers. So what came before a question is
    dropped, and after one without an answer the line is let fall quiet; an answer that is later still is taken for the
    next one, and is then one period old.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._heard: deque[_Heard] = deque(maxlen=KEPT)
        self._count = 0
        self._given: dict[tuple[Unit, Sentence], int] = {}  # the number of the line that was given last
        self._fault = ""  # the first of what was heard since the last reading
        self._more: asyncio.Future[None] | None = None
        self._down = "not open"
        self._disturbed = False
        self._active_at = 0.0
        self._reader = LineReader()

    async def open(self) -> None:
        await self.close()
        # What came before we listened ends somewhere in the middle: the first line may be half a one.
        self._reader = LineReader(from_next_line=True)
        self._heard.clear()
        await self._stream.open(self._receive, self._lose)
        self._down = ""

    async def close(self) -> None:
        self._lose(self._down or "closed")
        await self._stream.close()

    def cost(self, unit: Unit, space: str) -> Cost:
        """Nothing for what comes of itself: who waits for it asks for nothing."""
        assert isinstance(space, Sentence)  # noqa: S101
        question = space.question(unit)
        bytes_ = 0 if question is None else len(question) + LIKELY_LONGEST
        return Cost(1000 * bytes_ * self._stream.char_s, 0.0)

    async def read(self, unit: Unit, span: Span, timeout: float) -> bytes:
        assert isinstance(span.space, Sentence)  # noqa: S101
        sentence, loop = span.space, asyncio.get_running_loop()
        question = sentence.question(unit)
        if question is None:
            allowed = timeout + sentence.every_s
            since, after = loop.time() - allowed, self._given.get((unit, sentence), -1)
        else:
            await self._settle()
            self._reader.drop()
            allowed = timeout + (len(question) + LIKELY_LONGEST) * self._stream.char_s
            since, after = loop.time(), self._count - 1
            self._check()
            self._fault = ""
            self._stream.write(question)
        try:
            async with asyncio.timeout(allowed):
                return await self._wait(sentence, unit, since, after)
        except TimeoutError:
            self._disturbed = question is not None
            if self._fault:
                raise Nonsense(f"{self._of(unit)}: {self._fault}") from None
            raise Unreachable(f"{self._of(unit)}: no {sentence} within {allowed:g} s") from None
        finally:
            self._fault = ""

    async def write(self, unit: Unit, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:  # noqa: ARG002
        raise NotSent(f"{self._of(unit)}: {model.name} is only read")

    async def _wait(self, sentence: Sentence, unit: Unit, since: float, after: int) -> bytes:
        """The newest such line that came at `since` or later and is behind number `after`."""
        while True:
            for heard in reversed(self._heard):
                if heard.number <= after or heard.at < since:
                    break
                try:
                    found = sentence.extract(heard.line, unit)
                except RemoteProtocolError as error:
                    self._fault = self._fault or str(error)
                    continue
                if found is not None:
                    self._given[unit, sentence] = heard.number
                    return found
            after = max(after, self._count - 1)
            self._check()
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    async def _settle(self) -> None:
        """After a question without an answer, waits until the line has been quiet. Raises Nonsense if it never is."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._disturbed:
            rest = max(self._active_at, began) + QUIET_S - loop.time()
            if rest <= 0:
                self._disturbed = False
            elif loop.time() - began > QUIET_MOST_S:
                raise Nonsense(f"{self._stream.where}: not quiet for {QUIET_MOST_S:g} s; who is talking?")
            else:
                await asyncio.sleep(rest)

    def _receive(self, data: bytes) -> None:
        self._active_at = asyncio.get_running_loop().time()
        self._reader.receive_data(data)
        while True:
            try:
                line = self._reader.next_line()
            except RemoteProtocolError as error:
                self._fault = self._fault or str(error)
                continue
            if line is NEED_DATA:
                break
            self._heard.append(_Heard(self._count, self._active_at, line))
            self._count += 1
        self._wake()

    def _lose(self, cause: str) -> None:
        self._down = cause
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _check(self) -> None:
        if self._down:
            raise LineDown(f"{self._stream.where}: {self._down}")

    def _of(self, unit: Unit) -> str:
        return f"{self._stream.where} unit {unit}"
