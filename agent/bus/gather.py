"""Several requests of one poll under way at once, on lines that are configured for it; else one after another."""

from collections.abc import Sequence
from typing import Any, Protocol

from drivers.base import DeviceError, Line, Pipelined, Span, Unit


class Reads(Protocol):
    """What drivers.base.Line.read is."""

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes: ...


def gathered(line: Line, unit: Unit, spans: Sequence[Span]) -> Reads:
    """What to read `spans` of `unit` from: all of them are asked when the first is."""
    return Gathered(line, unit, tuple(spans)) if len(spans) > 1 and takes_many(line) else line


def takes_many(line: Line) -> bool:
    return isinstance(line, Pipelined) and line.depth > 1


class Gathered:
    """Each answer is given once; what else is read goes to the line."""

    def __init__(self, line: Line, unit: Unit, spans: tuple[Span, ...]) -> None:
        self._line = line
        self._unit = unit
        self._spans = spans
        self._answers: dict[Span, bytes | DeviceError] = {}

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes:
        """As Line.read."""
        spans, self._spans = self._spans, ()
        if spans and isinstance(self._line, Pipelined):
            asked = [(self._unit, each) for each in spans]
            self._answers = dict(zip(spans, await self._line.read_many(asked, timeout), strict=True))
        answer = self._answers.pop(span, None)
        if answer is None:
            return await self._line.read(unit, span, timeout)
        if isinstance(answer, DeviceError):
            raise answer
        return answer
