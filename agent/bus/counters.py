"""What a bus has done since the program started, for status, metrics and log."""

from collections import Counter
from dataclasses import dataclass, field

from agent.diagnosis.latency import Latency, Recent

SLOT_MS = 10_000


@dataclass
class DeviceCounters:
    polls: int = 0  # ticks at which the device was asked
    values: int = 0
    missed: int = 0  # ticks that passed unread, because the line was busy or the program stalled
    errors: Counter[str] = field(default_factory=Counter)  # by cause
    last_tick: int | None = None  # CLOCK_BOOTTIME in ms of the newest tick that gave a value
    latency: Latency = field(default_factory=Latency)  # of its answers, from the request's first byte on
    recent: Recent = field(default_factory=Recent)


@dataclass
class BusCounters:
    requests: int = 0
    writes: int = 0
    opened: int = 0
    repeats: int = 0  # reports that had been heard before
    strangers: int = 0  # reports of nobody who is expected, or who did not prove to be
    nonsense: int = 0  # reports that could not be used
    devices: tuple[DeviceCounters, ...] = ()


class Utilisation:
    """The share of time a line was in use, over the last whole slot of ten seconds. Pure."""

    def __init__(self, now: int) -> None:
        self._slot = now // SLOT_MS
        self._busy = 0
        self._last = 0.0

    def add(self, started: int, ended: int) -> None:
        self._advance(ended)
        self._busy += ended - started

    def share(self, now: int) -> float:
        self._advance(now)
        return self._last

    def _advance(self, now: int) -> None:
        slot = now // SLOT_MS
        if slot != self._slot:
            self._last = min(self._busy / SLOT_MS, 1.0) if slot == self._slot + 1 else 0.0
            self._slot, self._busy = slot, 0
