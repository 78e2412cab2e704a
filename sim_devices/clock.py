"""Simulated time: the wall clock's, or faster, from a moment of one's own."""

import time
from typing import NamedTuple


class Now(NamedTuple):
    """One moment on three clocks: monotonic seconds (faults last by it), Unix ms (the journal), simulated Unix ms."""

    monotonic: float
    wall_ms: int
    sim_ms: int


class Clock:
    """Runs from `start_ms`, or from now, `speed` times as fast as the wall clock."""

    def __init__(self, start_ms: int | None = None, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"time cannot run {speed:g} times as fast")
        self.speed = speed
        self._origin = time.monotonic()
        self._start_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        # Undistorted, simulated time is the wall clock's itself, and follows when that is set.
        self._is_wall = start_ms is None and speed == 1.0

    def now(self) -> Now:
        monotonic, wall_ms = time.monotonic(), time.time_ns() // 1_000_000
        if self._is_wall:
            return Now(monotonic, wall_ms, wall_ms)
        return Now(monotonic, wall_ms, self._start_ms + int((monotonic - self._origin) * 1000.0 * self.speed))
