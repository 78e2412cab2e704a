"""One serial line on which devices of several protocols hang: each protocol hears only the answers to its own requests.

The physics allow it where speed, parity and stop bits are one, and no device takes another's frames for its own. The
owner of a line makes one call at a time, so whoever wrote last is whom the line answers.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from drivers.base import Cost, Learning, Line, Model, Nonsense, Reading, Span, Timed, Unit
from drivers.transport.stream import ByteStream
from drivers.transport.transaction import DRAIN_MOST_S, DRAIN_QUIET_S

OnData = Callable[[bytes], None]
OnLost = Callable[[str], None]
S = TypeVar("S", bound=Hashable)


class SharedLine:
    """A drivers.base.Line. `speak(stream, speaker)` makes the line of one protocol, for all units that have it: what is
    owed by one device matters to the next.

    Each protocol keeps the silences that it needs between its own frames. Between those of two protocols they are kept
    here: neither has seen the other's.
    """

    def __init__(self, stream: ByteStream, speak: Callable[[ByteStream, S], Line], speakers: Mapping[Unit, S]) -> None:
        self._stream = stream
        self._taps: list[_Tap] = []
        self._turn: _Tap | None = None
        made: dict[S, Line] = {}
        for speaker in speakers.values():
            if speaker not in made:
                tap = _Tap(stream, self._take_turn)
                self._taps.append(tap)
                made[speaker] = speak(tap, speaker)
        self._made = tuple(made.values())
        self._lines = {unit: made[speaker] for unit, speaker in speakers.items()}
        self._last: Line | None = None  # whose call was the last one
        self._disturbed = False  # that call failed: an answer may yet be on its way
        self._active_at = 0.0  # when a byte was last on the wire

    async def open(self) -> None:
        self._last = None
        await self._stream.open(self._heard, self._lost)
        for line in self._made:
            await line.open()

    async def close(self) -> None:
        for line in self._made:
            await line.close()
        await self._stream.close()

    def cost(self, unit: Any, space: str) -> Cost:
        line = self._lines[unit]
        if not isinstance(line, Timed):
            raise TypeError(line)  # every protocol of drivers.transport.family is
        return line.cost(unit, space)

    def turnaround_ms(self, unit: Any) -> float | None:
        line = self._lines[unit]
        return line.turnaround_ms(unit) if isinstance(line, Learning) else None

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes:
        line = await self._hand_over(unit)
        answer = await line.read(unit, span, timeout)
        self._disturbed = False
        return answer

    async def write(self, unit: Any, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        line = await self._hand_over(unit)
        reading = await line.write(unit, model, channel, value, timeout)
        self._disturbed = False
        return reading

    async def _hand_over(self, unit: Unit) -> Line:
        """The line of `unit`'s protocol; where another's was used last, once there was silence. Raises Nonsense."""
        line, loop = self._lines[unit], asyncio.get_running_loop()
        began = loop.time()
        while self._last not in (None, line):
            silence = max(self._stream.idle_s, DRAIN_QUIET_S) if self._disturbed else self._stream.idle_s
            rest = self._active_at + silence - loop.time()
            if rest <= 0:
                break
            if loop.time() - began > DRAIN_MOST_S:
                raise Nonsense(f"{self._stream.where}: not quiet for {DRAIN_MOST_S:g} s; who is talking?")
            await asyncio.sleep(rest)
        self._last, self._disturbed = line, True
        return line

    def _take_turn(self, tap: "_Tap", sent: int) -> None:
        self._turn = tap
        self._active_at = asyncio.get_running_loop().time() + sent * self._stream.char_s

    def _heard(self, data: bytes) -> None:
        self._active_at = asyncio.get_running_loop().time()
        if self._turn is not None and self._turn.on_data is not None:
            self._turn.on_data(data)

    def _lost(self, cause: str) -> None:
        for tap in self._taps:
            if tap.on_lost is not None:
                tap.on_lost(cause)


class _Tap:
    """What one protocol sees of the line."""

    def __init__(self, stream: ByteStream, take_turn: Callable[["_Tap", int], None]) -> None:
        self._stream = stream
        self._take_turn = take_turn
        self.where = stream.where
        self.char_s = stream.char_s
        self.idle_s = stream.idle_s
        self.quiet_s = stream.quiet_s
        self.on_data: OnData | None = None
        self.on_lost: OnLost | None = None

    async def open(self, on_data: OnData, on_lost: OnLost) -> None:
        self.on_data, self.on_lost = on_data, on_lost

    def write(self, data: bytes) -> None:
        self._take_turn(self, len(data))
        self._stream.write(data)

    async def close(self) -> None:
        self.on_data = self.on_lost = None
