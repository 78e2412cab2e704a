"""A timer for one request after another, moved instead of made anew: an answer in time costs it nothing."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls `expire` once the seconds given to set() are over, or the loop's time is that given to set_at(), unless
    clear() comes before. Made in an event loop."""

    def __init__(self, expire: Callable[[], None]) -> None:
        self._expire = expire
        self._loop = asyncio.get_running_loop()
        self._at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        self.set_at(self._loop.time() + seconds)

    def set_at(self, moment: float) -> None:
        self._at = moment
        if self._timer is not None and self._at < self._timer.when():
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._at, self._ring)

    def clear(self) -> None:
        self._at = math.inf

    def close(self) -> None:
        self.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        """The deadline of some request: of the present one, or of one before that was answered long ago."""
        self._timer = None
        if self._loop.time() >= self._at:
            self._at = math.inf
            self._expire()
        elif self._at < math.inf:
            self._timer = self._loop.call_at(self._at, self._ring)
