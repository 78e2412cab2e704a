"""One child at work, seen from the gateway's event loop: calls, heartbeat, memory, processor, output, end."""

import asyncio
import logging
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.base import DeviceError, LineDown, Nonsense, NotSent, Refused, Unreachable
from drivers.outside import spawn, wire
from drivers.outside.output import Output, one_line
from drivers.outside.vitals import TICK_S, Vitals
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.stream import NEED_DATA

log = logging.getLogger(__name__)

CALL_S = 30.0  # a read of many requests takes as many timeouts; none takes this long
CANCEL_S = 3.0  # for a call that is cancelled to end
CANCEL_TICKS = round(CANCEL_S / TICK_S)
REAP_S = 0.01
LAST_WORDS_S = 1.0  # for a process to end that has closed its socket
OUTPUT_BYTES = 1 << 16  # a tick; who prints more than that waits, and is found to hang
WEIGH_TICKS = round(1 / TICK_S)
PAGE = os.sysconf("SC_PAGE_SIZE")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Child(asyncio.Protocol):
    """`await Child.start(...)`, then calls. `lost` says why it is no more; `on_failed` is told, unless end() was
    called. `name` is for the log."""

    def __init__(
        self,
        name: str,
        process: "subprocess.Popen[bytes]",
        memory_bytes: int,
        on_failed: Callable[[str], None],
    ) -> None:
        self.lost = ""
        self.vitals = Vitals(memory_bytes)
        self._name = name
        self._process = process
        self._memory_bytes = memory_bytes
        self._on_failed = on_failed
        self._wanted = False  # whether its end was
        self._decoder = wire.Decoder()
        self._output = Output()
        self._prints = False  # about as much as it is let
        self._number = 0
        self._calls: dict[int, asyncio.Future[list[Any]]] = {}
        self._cancelled: dict[int, int] = {}  # calls that are to end, and for how many ticks
        self._pinged: int | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._watched = False
        self._left = 0.0  # since when its socket is closed
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def start(cls, name: str, driver: str, memory_bytes: int, on_failed: Callable[[str], None]) -> "Child":
        process, ours = spawn.start(driver, memory_bytes)
        child = cls(name, process, memory_bytes, on_failed)
        await child._connect(ours)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self) -> None:
        """From now on it has to answer: its driver is loaded."""
        self._watched = True

    async def call(self, verb: str, *arguments: object, within_s: float = CALL_S) -> Any:
        """What the child answers. Raises DeviceError: the driver's own; LineDown when there is no child any more, be it
        because it did not end a call within `within_s`; Nonsense for a bug in it."""
        if self.lost or self._transport is None:
            raise LineDown(f"{self._name}: {self.lost or 'not started'}")
        self._number = number = self._number + 1
        try:
            self._transport.write(wire.encode([number, verb, *arguments]))
        except LocalProtocolError as error:
            raise Nonsense(f"{self._name}: {error}") from None
        answer = self._calls[number] = self._loop.create_future()
        try:
            async with asyncio.timeout(within_s):
                return self._result(verb, await answer)
        except TimeoutError:
            self.kill(f"it hung: it did not end its {verb} within {within_s:g} s")
            raise LineDown(f"{self._name}: {self.lost}") from None
        except asyncio.CancelledError:
            if not self.lost:
                self._cancelled[number] = 0
                self._transport.write(wire.encode([number, wire.CANCEL]))
            raise

    def kill(self, cause: str) -> None:
        """It has failed."""
        if not self.lost:
            if self._prints:
                cause += "; it prints without end"
            self._lose(cause)
            spawn.kill(self._process)

    def end(self) -> None:
        """It is not needed any more."""
        if not self.lost:
            self._wanted = True
            self._lose("it was ended")
            spawn.kill(self._process)

    def _result(self, verb: str, answer: list[Any]) -> Any:
        match answer:
            case [_, wire.OK, result]:
                return result
            case [_, "line down", str(words), *_]:
                raise LineDown(one_line(words))
            case [_, "unreachable", str(words), *_]:
                raise Unreachable(one_line(words))
            case [_, "not sent", str(words), *_]:
                raise NotSent(one_line(words))
            case [_, "refused", str(words), int(code)]:
                raise Refused(one_line(words), code)
            case [_, "nonsense", str(words), *_]:
                raise Nonsense(one_line(words))
            case [_, _, str(words), *_]:
                error: type[DeviceError] = Nonsense if verb in ("read", "write") else LineDown
                raise error(f"{self._name} has a bug: {one_line(words)}")
        self.kill(f"it answered {answer!r:.100}")
        raise LineDown(f"{self._name}: {self.lost}")

    async def _connect(self, ours: socket.socket) -> None:
        try:
            await self._loop.create_unix_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            self.end()
            raise
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._decoder.receive_data(data)
        try:
            while not self.lost and (message := self._decoder.next_message()) is not NEED_DATA:
                self._take(message)
        except RemoteProtocolError as error:
            self.kill(f"it broke the gateway's protocol: {error}")

    def connection_lost(self, _: Exception | None) -> None:
        self._left = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
        self._reap()

    def _take(self, message: list[Any]) -> None:
        number = message[0]
        if number == self._pinged:
            self._pinged = None
            self.vitals.answered()
        elif (answer := self._calls.pop(number, None)) is not None:
            self.vitals.answered()
            self._cancelled.pop(number, None)
            if not answer.done():
                answer.set_result(message)
        else:
            raise RemoteProtocolError(f"an answer to nothing: {message!r:.100}")

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self._ticks += 1
        self._print(OUTPUT_BYTES)
        if not self._watched or self._transport is None:
            return
        cause = self.vitals.tick() if self._pinged is not None else ""
        for number in self._cancelled:
            self._cancelled[number] += 1
            if self._cancelled[number] > CANCEL_TICKS:
                cause = f"it hung: it did not end what was cancelled within {CANCEL_S:g} s"
        if not cause and self._ticks % WEIGH_TICKS == 0:
            cause = self._weigh()
        if cause:
            self.kill(cause)
        elif self._pinged is None:
            self._pinged = self._number = self._number + 1
            self._transport.write(wire.encode([self._pinged, wire.PING]))

    def _weigh(self) -> str:
        folder = Path("/proc", str(self.pid))
        try:
            resident = int((folder / "statm").read_text("ascii").split()[1]) * PAGE
            # The name, in parentheses, may hold anything: fields are counted from behind it.
            used = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[11:13]
        except OSError:
            return ""  # it ends just now, and connection_lost() will tell
        return self.vitals.weigh(self._loop.time(), resident, sum(map(int, used)) / CLOCK_TICKS)

    def _print(self, most: int) -> None:
        data = spawn.drain(self._process, most)
        self._prints = len(data) > most // 2
        for line in self._output.lines(data, time.monotonic()):
            log.info("%s: %s", self._name, line)

    def _lose(self, cause: str) -> None:
        self.lost = cause
        if self._transport is not None:
            self._transport.abort()
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(LineDown(f"{self._name}: {cause}"))
        self._calls.clear()

    def _reap(self) -> None:
        """Waits for a process that has closed its socket, without holding up the loop."""
        if (status := spawn.reap(self._process)) is None:
            if self._loop.time() - self._left > LAST_WORDS_S:
                self.kill("it closed the gateway's socket")
            self._loop.call_later(REAP_S, self._reap)
            return
        if not self.lost:
            self._lose(spawn.ending(status, self._memory_bytes))
        self._print(OUTPUT_BYTES)
        for line in self._output.end():
            log.info("%s: %s", self._name, line)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.ended.set_result(None)
        if not self._wanted:
            self._on_failed(self.lost)
