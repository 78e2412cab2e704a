"""Carries bytes between a stream and a machine without I/O, such as drivers.transport.transaction.Transaction."""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Protocol

from drivers.base import DeviceError
from drivers.transport.deadline import Deadline
from drivers.transport.stream import ByteStream


class Machine(Protocol):
    """Transaction says what each of these is."""

    @property
    def result(self) -> Any | DeviceError | None: ...

    @property
    def wake_at(self) -> float: ...

    def opened(self) -> None: ...

    def lost(self, cause: str) -> None: ...

    def receive(self, now: float, data: bytes) -> None: ...

    def wake(self, now: float) -> None: ...

    def abandon(self) -> None: ...

    def take_output(self) -> bytes: ...


class Carrier:
    """One timer for all requests, and no task for any."""

    def __init__(self, stream: ByteStream, machine: Machine) -> None:
        self._stream = stream
        self._machine = machine
        self._deadline: Deadline | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def open(self) -> None:
        await self.close()
        await self._stream.open(self._receive, self._lose)
        self._deadline = Deadline(self._wake)
        self._machine.opened()

    async def close(self) -> None:
        self._lose("closed")
        if self._deadline is not None:
            self._deadline.close()
        await self._stream.close()

    async def run(self, begin: Callable[..., None], *asked: Any) -> Any:
        """What the machine makes of what it is asked by `begin(now, *asked)`. Raises DeviceError."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        begin(loop.time(), *asked)
        self._go_on()
        try:
            await self._waiter
        except BaseException:
            self._machine.abandon()
            raise
        finally:
            self._waiter = None
        result = self._machine.result
        if isinstance(result, DeviceError):
            raise result
        return result

    def _receive(self, data: bytes) -> None:
        self._machine.receive(asyncio.get_running_loop().time(), data)
        self._go_on()

    def _wake(self) -> None:
        self._machine.wake(asyncio.get_running_loop().time())
        self._go_on()

    def _lose(self, cause: str) -> None:
        self._machine.lost(cause)
        self._go_on()

    def _go_on(self) -> None:
        if output := self._machine.take_output():
            self._stream.write(output)
        if self._waiter is None or self._waiter.done():
            return
        if self._machine.result is not None:
            self._waiter.set_result(None)
        if self._deadline is not None:
            if self._machine.wake_at < math.inf:
                self._deadline.set_at(self._machine.wake_at)
            else:
                self._deadline.clear()
