"""Things that arrive later, and in the order in which they were sent, whatever each one's delay."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pipe(Generic[T]):
    """Made in an event loop. Hands each item to `deliver` once its time has come."""

    def __init__(self, deliver: Callable[[T], None]) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, T]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: T, delay_s: float) -> None:
        due = self._loop.time() + delay_s
        if self._under_way:
            due = max(due, self._under_way[-1][0])
        self._under_way.append((due, item))
        self._arm()

    def clear(self) -> None:
        self._under_way.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._under_way:
            self._timer = self._loop.call_at(self._under_way[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._under_way and self._under_way[0][0] <= now:
            self._deliver(self._under_way.popleft()[1])
        self._arm()
