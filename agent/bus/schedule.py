"""When each device is due. Pure: `now` is CLOCK_BOOTTIME in ms.

All devices of one period share their ticks, the multiples of the period, so that one wake-up serves them all
(measured: aligned ticks cost a third of one timer per device).
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Due(NamedTuple):
    """Device `device` is to be read for `tick`; `missed` ticks before it have passed unread and are not made up for."""

    device: int
    tick: int
    missed: int


class Schedule:
    """The order of reads: of the devices that are due, the one whose next tick comes first.

    After a stall every device is due once, for its newest tick: never a burst. Where the line is too slow for all, the
    longest overdue goes first, so all lose alike and none starves.
    """

    def __init__(self, periods_ms: Sequence[int], now: int) -> None:
        if any(period <= 0 for period in periods_ms):
            raise ValueError("a period is at least 1 ms")
        self._periods = tuple(periods_ms)
        self._waiting = [(now // period * period + period, device) for device, period in enumerate(periods_ms)]
        self._ready: list[tuple[int, int, int]] = []  # (deadline, device, first pending tick)
        heapq.heapify(self._waiting)

    def pop(self, now: int) -> Due | None:
        """The next device to read, which counts as read; None while nothing is due."""
        while self._waiting and self._waiting[0][0] <= now:
            tick, device = heapq.heappop(self._waiting)
            heapq.heappush(self._ready, (tick + self._periods[device], device, tick))
        if not self._ready:
            return None
        _, device, pending = heapq.heappop(self._ready)
        period = self._periods[device]
        tick = now // period * period
        heapq.heappush(self._waiting, (tick + period, device))
        return Due(device, tick, (tick - pending) // period)

    def next_at(self) -> int | None:
        """When something will be due; in the past if it is already. None without devices."""
        if self._ready:
            return self._ready[0][2]
        return self._waiting[0][0] if self._waiting else None
