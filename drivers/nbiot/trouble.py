"""What goes wrong with a module, told to its owner by whoever meets it."""

import asyncio
from contextlib import suppress

from drivers.nbiot.recovery import Cause


class Trouble(Exception):
    """The module needs help."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause


class Restarted(Exception):
    """The module began anew of itself: it is set up again, and needs no help."""


class News:
    """Wakes the owner. Of several troubles the gravest is kept: that the port is gone, or that the module began anew,
    outweighs what follows from it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.trouble: Exception | None = None

    def wake(self) -> None:
        self._event.set()

    def tell(self, trouble: Exception) -> None:
        if self.trouble is None or not isinstance(trouble, Trouble):
            self.trouble = trouble
        self._event.set()

    def forget(self) -> None:
        self.trouble = None

    async def rest(self, seconds: float) -> None:
        """Until there is news, or for `seconds`. Raises the trouble that was told."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        self._event.clear()
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble

    def raise_if_interrupted(self) -> None:
        """Raises what explains a refusal: the port is gone, or the module began anew."""
        if self.trouble is not None and not isinstance(self.trouble, Trouble):
            trouble, self.trouble = self.trouble, None
            raise trouble
