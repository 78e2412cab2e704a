"""Questions on a line that is in use: one at a time, between two polls, for a small share of the line.

`fits` and `rested_at` are the decision, and pure; `Guest` asks.
"""

import asyncio
import math
from typing import NamedTuple

from agent.clock import boottime_ms
from drivers.base import LineDown
from drivers.transport.tap import QUIET_S, Tap

SHARE = 0.1  # of the line, at most
SLACK_MS = 20  # before the next poll: a loaded machine wakes late


def fits(now: int, idle_until: int | None, takes_ms: float) -> bool:
    """Whether what takes at most `takes_ms` is over before the line is wanted at `idle_until` (None: never)."""
    return idle_until is None or now + takes_ms + SLACK_MS <= idle_until


def rested_at(began: int, ended: int) -> int:
    """When the line has rested long enough from a question, for it to have had SHARE of the time."""
    return ended + math.ceil((ended - began) * (1 / SHARE - 1))


class Wish(NamedTuple):
    """`takes_ms` at most, the answer's end and the silence behind it among it."""

    request: bytes
    timeout_s: float
    takes_ms: float
    told: asyncio.Future[bytes]


class Guest:
    """The owner of the line tells it when the line is free."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._wish: Wish | None = None
        self._free_at = 0

    @property
    def waits(self) -> bool:
        return self._wish is not None and not self._wish.told.done()

    def wish(self, request: bytes, longest: int, timeout_s: float) -> asyncio.Future[bytes]:
        """Everything that comes behind `request`, whose answer has `longest` bytes; one at a time. May raise
        LineDown; cancelled, the wish is given up."""
        on_wire_s = (len(request) + longest) * self._tap.char_s
        told = asyncio.get_running_loop().create_future()
        self._wish = Wish(request, timeout_s, 1000 * (on_wire_s + timeout_s + 2 * QUIET_S), told)
        return told

    def wake_at(self, now: int, idle_until: int | None) -> int | None:
        """When it would ask; None where it does not wish to, or cannot before `idle_until`."""
        if self._wish is None or not fits(max(now, self._free_at), idle_until, self._wish.takes_ms):
            return None
        return max(now, self._free_at)

    async def ask(self) -> None:
        """Raises LineDown, which whoever wished is told as well."""
        wish, self._wish = self._wish, None
        if wish is None or wish.told.done():
            return
        began, reply = boottime_ms(), b""
        try:
            async with asyncio.timeout(wish.takes_ms / 1000):
                reply = await self._tap.ask(wish.request, wish.timeout_s)
        except TimeoutError:
            pass  # somebody speaks without end: that is no answer
        except LineDown as error:
            wish.told.set_exception(error)
            raise
        finally:
            self._free_at = rested_at(began, boottime_ms())
            if not wish.told.done():
                wish.told.set_result(reply)
