"""One timer for all who wait for the same millisecond: buses of one period wake the event loop once, not each."""

import asyncio


class Alarm:
    """Moments are CLOCK_BOOTTIME in ms."""

    def __init__(self) -> None:
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}

    def wake(self, sleeper: asyncio.Future[None], moment: int, now: int) -> None:
        """Gives `sleeper` its result at `moment`, unless it is done before."""
        sleepers = self._sleepers.get(moment)
        if sleepers is None:
            sleepers = self._sleepers[moment] = []
            asyncio.get_running_loop().call_later((moment - now) / 1000, self._ring, moment)
        sleepers.append(sleeper)

    def _ring(self, moment: int) -> None:
        for sleeper in self._sleepers.pop(moment):
            if not sleeper.done():
                sleeper.set_result(None)
