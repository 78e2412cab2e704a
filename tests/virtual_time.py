"""An event loop whose clock jumps to whatever happens next: hours of a serial line in seconds, the same each time."""

import asyncio
import selectors
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
MOST_TURNS = 10_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """For what touches no socket. What waits for nothing that will ever happen raises RuntimeError."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now

    def boottime_ms(self) -> int:
        """In place of agent.clock.boottime_ms."""
        return round(self.now * 1000)


class _Jumping(selectors.BaseSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._idle = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        self._idle = 0 if timeout is None or timeout > 0 else self._idle + 1
        if self._idle > MOST_TURNS:
            raise RuntimeError(f"a busy loop: {MOST_TURNS} turns in one moment")
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen")
            # The loop asks for the time to wait, rounded up to what a selector can tell apart; so do timers.
            self._loop.now += max(timeout, 0.0)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run(work: Awaitable[T]) -> T:
    """`work` in a virtual loop of its own."""

    async def main() -> T:
        return await work

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
