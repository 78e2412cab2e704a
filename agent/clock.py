"""Time as the gateway knows it: CLOCK_BOOTTIME for order, UTC for people, and how far UTC can be trusted.

A box without a battery starts in 1970 or at the date of its image and jumps when the network comes. So readings are
scheduled and stamped by CLOCK_BOOTTIME, every batch says how good UTC was, and `Watch` tells when a clock that could
not be trusted became synchronised: the server then re-stamps what was taken before (contracts.md, Time).
"""

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from protocols.edge.messages import Clock, ClockState

FLOOR_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)  # before this program was written: not set
STEP_MS = 500  # UTC moving by more than this against CLOCK_BOOTTIME between two looks is a step, not slewing
FREE_RUNNING_PPM = 50  # a common crystal's tolerance: what an undisciplined clock may lose or gain
_STA_UNSYNC = 0x0040  # linux/timex.h
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class Now(NamedTuple):
    """One look at the clocks: `boottime_ms` and `utc_ms` belong to the same moment."""

    boottime_ms: int
    utc_ms: int
    clock: Clock

    def utc_of(self, boottime_ms: int) -> int:
        return self.utc_ms - (self.boottime_ms - boottime_ms)


@dataclass(frozen=True)
class Discipline:
    """What the kernel says: whether anything synchronises the clock, and the largest error it computes, in ms."""

    synchronised: bool
    max_error_ms: int


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as libc lays it out; `modes` = 0 only reads."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),  # more than any libc's struct has left
    )


def boottime_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> bytes:
    """The 16 bytes that name this boot of the machine."""
    return UUID(path.read_text("ascii").strip()).bytes


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def read_discipline() -> Discipline:
    """The kernel's opinion; where it gives none (a libc without adjtimex, a sandbox), not synchronised."""
    timex = _Timex()
    try:
        result = _libc().adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return Discipline(False, 0)
    trusted = result not in (-1, _TIME_ERROR) and not timex.status & _STA_UNSYNC
    return Discipline(trusted, timex.maxerror // 1000)


def judge(utc_ms: int, discipline: Discipline, unsynchronised_for_ms: int | None = None) -> Clock:
    """The state of a clock that shows `utc_ms`. `unsynchronised_for_ms` is how long ago it was last synchronised.

    A UTC before FLOOR_MS is unset whatever the kernel says: a time server on the same dead battery says so too.
    """
    if utc_ms < FLOOR_MS:
        return Clock(ClockState.UNSET)
    if discipline.synchronised:
        return Clock(ClockState.SYNCHRONISED, discipline.max_error_ms)
    if unsynchronised_for_ms is None:
        return Clock(ClockState.FREE_RUNNING)
    drift = unsynchronised_for_ms * FREE_RUNNING_PPM // 1_000_000
    return Clock(ClockState.FREE_RUNNING, discipline.max_error_ms + drift)


class Fix(NamedTuple):
    """That at `boottime_ms` of this boot it was `utc_ms`, to within `bound_ms`."""

    boottime_ms: int
    utc_ms: int
    bound_ms: int


class Watch:
    """Follows the clock from look to look. Pure: the looks are given to it."""

    def __init__(self) -> None:
        self._last: Now | None = None
        self._synchronised_at: int | None = None  # CLOCK_BOOTTIME, ms
        self.steps = 0

    def see(self, boottime: int, utc: int, discipline: Discipline) -> tuple[Now, Fix | None]:
        """The clock's judged state, and a Fix when it has just become trustworthy or was stepped while it was."""
        last = self._last
        stepped = last is not None and abs((utc - boottime) - (last.utc_ms - last.boottime_ms)) > STEP_MS
        self.steps += stepped
        if stepped and not discipline.synchronised:
            self._synchronised_at = None  # set by hand: nothing is known of it any more
        since = None if self._synchronised_at is None else boottime - self._synchronised_at
        now = self._last = Now(boottime, utc, judge(utc, discipline, since))
        if now.clock.state is not ClockState.SYNCHRONISED:
            return now, None
        self._synchronised_at = boottime
        fresh = last is None or last.clock.state is not ClockState.SYNCHRONISED
        return now, Fix(boottime, utc, now.clock.bound_ms or 0) if fresh or stepped else None


class SystemClock:
    """This machine's clocks under a Watch; `now` may be called at any time, `look` decides what is told of them."""

    def __init__(self) -> None:
        self._watch = Watch()
        self._clock = Clock(ClockState.UNSET)
        self.first_fix = self.look()

    @property
    def steps(self) -> int:
        return self._watch.steps

    def now(self) -> Now:
        """The present time under the state of the last look: a batch needs no system call more."""
        return Now(boottime_ms(), time.time_ns() // 1_000_000, self._clock)

    def look(self) -> Fix | None:
        now, fix = self._watch.see(boottime_ms(), time.time_ns() // 1_000_000, read_discipline())
        self._clock = now.clock
        return fix
