"""How much of what waited may be under way: as much as leaves the answers to live data prompt. Pure; seconds.

The server answers a gateway's messages in the order of arrival, so old data under way is what live data stands behind.
What is under way grows while answers come within TARGET_S, and halves when they do not, as LEDBAT (RFC 6817) does
between hosts; `slow` stops it for as long as the server asks, and it begins again from the least.
"""

import math
from collections.abc import Iterable, Sequence

from agent.spool.records import Row

TARGET_S = 0.4
OVER_BASE = 3.0  # times the quickest answer of the connection, on a link where all take long
LEAST, FIRST = 8 << 10, 64 << 10


class Pace:
    def __init__(self, most: int) -> None:
        self._most = most
        self.connected()

    def connected(self) -> None:
        self.bytes = min(FIRST, self._most)  # that may be under way
        self._under_way: dict[int, tuple[int, float]] = {}
        self._size = 0
        self._base = math.inf
        self._starting = True  # doubles with each round of answers until one is late
        self._halved = -math.inf
        self._paused = -math.inf

    def __contains__(self, seq: int) -> bool:
        return seq in self._under_way

    def room(self, now: float) -> int:
        """Bytes of old data that may be sent now. While none is under way some always may."""
        if now < self._paused:
            return 0
        return max(0, self.bytes - self._size, 0 if self._under_way else 1)

    def until(self, now: float) -> float:
        """When a pause ends; `now` where there is none."""
        return max(now, self._paused)

    def sent(self, rows: Sequence[Row], now: float) -> None:
        for row in rows:
            self._under_way[row.seq] = (len(row.payload), now)
            self._size += len(row.payload)

    def answered(self, seqs: Iterable[int], now: float) -> None:
        for seq in seqs:
            size, at = self._under_way.pop(seq, (0, now))
            if size:
                self._size -= size
                self._adapt(size, now - at, now)

    def slow(self, until: float) -> None:
        self._paused = max(self._paused, until)
        self.bytes, self._starting = min(LEAST, self._most), False

    def _adapt(self, size: int, took: float, now: float) -> None:
        self._base = min(self._base, took)  # one that faded would follow the queue that it is to tell of
        if took > max(TARGET_S, OVER_BASE * self._base):
            self._starting = False
            if now - self._halved > took:  # what was sent before the last halving says nothing of it
                self.bytes, self._halved = max(min(LEAST, self._most), self.bytes // 2), now
        elif self._starting:
            self.bytes = min(self._most, self.bytes + size)
        else:
            self.bytes = min(self._most, self.bytes + max(1, LEAST * size // self.bytes))
