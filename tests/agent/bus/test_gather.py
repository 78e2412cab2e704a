from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from agent.bus.gather import gathered
from drivers.base import DeviceError, Model, Reading, Refused, Span

SPANS = [Span("input", address, 2) for address in (0, 10, 20)]


class Wide:
    """A line that answers each span with its address, and refuses address 10; `asked` are the spans of each call."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.asked: list[list[Span]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self, unit: Any, span: Span, timeout: float) -> bytes:
        (answer,) = await self.read_many([(unit, span)], timeout)
        assert isinstance(answer, bytes)
        return answer

    async def read_many(self, asked: Sequence[tuple[Any, Span]], timeout: float) -> list[bytes | DeviceError]:
        assert timeout
        self.asked.append([span for _, span in asked])
        return [Refused("no", 2) if span.address == 10 else bytes((span.address,)) for _, span in asked]

    async def write(self, unit: Any, model: Model, channel: int, value: Decimal, timeout: float) -> Reading:
        raise NotImplementedError


async def test_all_spans_of_a_poll_are_asked_with_the_first_and_each_has_its_own_answer() -> None:
    line = Wide(4)
    reads = gathered(line, 1, SPANS)
    assert await reads.read(1, SPANS[2], 1.0) == b"\x14"
    with pytest.raises(Refused):
        await reads.read(1, SPANS[1], 1.0)
    assert await reads.read(1, SPANS[0], 1.0) == b"\x00"
    assert line.asked == [SPANS]


async def test_what_is_read_beyond_the_plan_is_asked_alone() -> None:
    line = Wide(4)
    reads = gathered(line, 1, SPANS)
    await reads.read(1, SPANS[0], 1.0)
    await reads.read(1, Span("input", 11, 1), 1.0)
    await reads.read(1, SPANS[0], 1.0)
    assert line.asked[1:] == [[Span("input", 11, 1)], [SPANS[0]]]


def test_a_line_that_takes_one_at_a_time_is_asked_as_ever() -> None:
    narrow, wide = Wide(1), Wide(4)
    assert gathered(narrow, 1, SPANS) is narrow
    assert gathered(wide, 1, SPANS[:1]) is wide
