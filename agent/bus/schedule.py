"""When each device is due. Pure: `now` is CLOCK_BOOTTIME in ms.

All devices of one period share their ticks, the multiples of the period, so that one wake-up serves them all
(measured: aligned ticks cost a third of one timer per device).
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple


class Priority(Enum):
    """The share of its period after which a reading counts as overdue."""

    HIGH = 0.25
    NORMAL = 1.0
    LOW = 2.0


class Due(NamedTuple):
    """Device `device` is to be read for `tick`; `missed` ticks before it have passed unread and are not made up for."""

    device: int
    tick: int
    missed: int


class _Pending(NamedTuple):
    """Of those with one deadline the one goes first whose last turn is longest ago: else it would always be the same
    ones that a slow line has no time for."""

    deadline: int
    last_turn: int
    device: int
    tick: int  # the first that is pending


class Schedule:
    """The order of reads: of the devices that are due, the one that will be overdue first (earliest deadline first).

    One of low priority is read only where that is over before another's tick comes, until it is overdue. After a stall
    every device is due once, for its newest tick: never a burst. Where the line is too slow for all, the longest
    overdue goes first, whatever its priority, so that none starves.
    """

    def __init__(self, periods_ms: Sequence[int], now: int, priorities: Sequence[Priority] = ()) -> None:
        if any(period <= 0 for period in periods_ms):
            raise ValueError("a period is at least 1 ms")
        self._periods = tuple(periods_ms)
        priorities = priorities or [Priority.NORMAL] * len(periods_ms)
        self._allowed = [
            round(period * priority.value) for period, priority in zip(periods_ms, priorities, strict=True)
        ]
        self._yields = [priority is Priority.LOW for priority in priorities]
        self._waiting = [(now // period * period + period, device) for device, period in enumerate(periods_ms)]
        self._ready: list[_Pending] = []
        self._patient: list[_Pending] = []  # of low priority
        heapq.heapify(self._waiting)
        self._turn = 0
        self._turns = [0] * len(periods_ms)

    def pop(self, now: int, takes_ms: Callable[[int], float] = lambda _: 0.0) -> Due | None:
        """The next device to read, which counts as read; None while nothing is due, or nothing that fits.

        `takes_ms` tells how long a device's reading is expected to take.
        """
        while self._waiting and self._waiting[0][0] <= now:
            tick, device = heapq.heappop(self._waiting)
            queue = self._patient if self._yields[device] else self._ready
            heapq.heappush(queue, _Pending(tick + self._allowed[device], self._turns[device], device, tick))
        chosen = self._choose(now, takes_ms)
        if chosen is None:
            return None
        _, _, device, pending = heapq.heappop(chosen)
        self._turn += 1
        self._turns[device] = self._turn
        period = self._periods[device]
        tick = now // period * period
        heapq.heappush(self._waiting, (tick + period, device))
        return Due(device, tick, (tick - pending) // period)

    def _choose(self, now: int, takes_ms: Callable[[int], float]) -> list[_Pending] | None:
        if self._patient:
            deadline, device = self._patient[0].deadline, self._patient[0].device
            if self._ready:
                fits = deadline <= now and deadline <= self._ready[0].deadline
            else:
                fits = deadline <= now or not self._waiting or now + takes_ms(device) <= self._waiting[0][0]
            if fits:
                return self._patient
        return self._ready or None

    def go_on(self, old: "Schedule", places: Mapping[int, int]) -> None:
        """Takes over what `old` held pending for its devices: `places` says where each stands here, by where it stood.
        Its period and priority are the same; a tick that was due and not yet popped still is."""
        pending = [(tick, device) for tick, device in old._waiting if device in places]  # noqa: SLF001
        pending += [(one.tick, one.device) for one in (*old._ready, *old._patient) if one.device in places]  # noqa: SLF001
        kept = set(places.values())
        self._waiting = [entry for entry in self._waiting if entry[1] not in kept]
        self._waiting += [(tick, places[device]) for tick, device in pending]
        heapq.heapify(self._waiting)
        self._turn = old._turn  # noqa: SLF001
        for was, place in places.items():
            self._turns[place] = old._turns[was]  # noqa: SLF001

    def next_at(self) -> int | None:
        """When something will be due; in the past if it is already. None without devices."""
        if self._ready:
            return self._ready[0].tick
        moments = [self._waiting[0][0]] if self._waiting else []
        if self._patient:
            moments.append(self._patient[0].deadline)
        return min(moments, default=None)
