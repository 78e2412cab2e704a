"""Whether a driver's child is well: it answers, keeps within its memory, leaves the processor to others. Pure."""

import math
from collections import deque

TICK_S = 0.25
GRACE_S = 1.0  # beyond the line's timeout, for a driver that holds up its event loop while it waits for an answer
CPU_SHARE = 0.3  # of one processor, over
CPU_WINDOW_S = 10.0
MEGABYTE = 1 << 20


class Vitals:
    def __init__(self, memory_bytes: int) -> None:
        self.expect(0.0)
        self._memory = memory_bytes
        self._silent = 0
        self._weighed: deque[tuple[float, float]] = deque()  # (now, processor time used), over the window
        self.memory = 0  # bytes, when it was last weighed

    def expect(self, timeout_s: float) -> None:
        """A device may take that long to answer."""
        self._patience = math.ceil((timeout_s + GRACE_S) / TICK_S) - 1

    def answered(self) -> None:
        self._silent = 0

    def tick(self) -> str:
        """Called every TICK_S while an answer is awaited: "" or what is wrong.

        Ticks are counted, not seconds: while the gateway itself was held up nobody was silent.
        """
        self._silent += 1
        if self._silent <= self._patience:
            return ""
        return f"it hung: its event loop has not answered for {self._silent * TICK_S:g} s"

    def weigh(self, now: float, memory_bytes: int, cpu_s: float) -> str:
        """`now` in seconds, and what the process has in memory and has used of processors since its start."""
        self.memory = memory_bytes
        if memory_bytes > self._memory:
            return f"it took {memory_bytes // MEGABYTE} MB of memory, and may take {self._memory // MEGABYTE}"
        self._weighed.append((now, cpu_s))
        while len(self._weighed) > 2 and now - self._weighed[1][0] >= CPU_WINDOW_S:
            self._weighed.popleft()
        since, before = self._weighed[0]
        if now - since < CPU_WINDOW_S or cpu_s - before < CPU_SHARE * (now - since):
            return ""
        return f"it kept a processor busy: {(cpu_s - before) / (now - since):.0%} over {now - since:.0f} s"
