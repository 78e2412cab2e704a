"""One serial line on which devices of several protocols hang: each hears only the answers to its own requests.

The physics allow it where speed, parity and stop bits are one, and no device takes another's frames for its own. The
owner of a line makes one call at a time, so whoever wrote last is whom the line answers.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from drivers.base import Line, Model, Reading, Span, Unit
from drivers.transport.stream import ByteStream

OnData = Callable[[bytes], None]
OnLost = Callable[[str], None]


class SharedLine:
    """A drivers.base.Line. `speak(stream, unit)` makes the line for the devices of `unit`'s family."""

    def __init__(self, stream: ByteStream, speak: Callable[[ByteStream, Unit], Line], units: Iterable[Unit]) -> None:
        self._stream = stream
        self._taps: list[_Tap] = []
        self._lines: dict[Unit, Line] = {}
        self._turn: _Tap | None = None
        for unit in units:
            tap = _Tap(stream, self._take_turn)
            self._taps.append(tap)
            self._lines[unit] = speak(tap, unit)

    async def open(self) -> None:
        await self._stream.open(self._heard, self._lost)
        for line in self._lines.values():
            await line.open()

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
        await self._stream.close()

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes:
        return await self._lines[unit].read(unit, span, timeout)

    async def write(self, unit: Any, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        return await self._lines[unit].write(unit, model, channel, value, timeout)

    def _take_turn(self, tap: "_Tap") -> None:
        self._turn = tap

    def _heard(self, data: bytes) -> None:
        if self._turn is not None and self._turn.on_data is not None:
            self._turn.on_data(data)

    def _lost(self, cause: str) -> None:
        for tap in self._taps:
            if tap.on_lost is not None:
                tap.on_lost(cause)


class _Tap:
    """What one protocol sees of the line."""

    def __init__(self, stream: ByteStream, take_turn: Callable[["_Tap"], None]) -> None:
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
        self._take_turn(self)
        self._stream.write(data)

    async def close(self) -> None:
        self.on_data = self.on_lost = None
