"""A module's command channel: procedures one after another over a serial port, and what comes between them."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from drivers.base import LineDown, Unreachable
from drivers.transport.stream import ByteStream
from protocols.at.client import ESCAPE, AtClient, Booted, Noise, Prompt, Stale, Unsolicited
from protocols.at.command import Command, Procedure, Response
from protocols.at.dialect import Dialect, Heard
from protocols.errors import RemoteProtocolError

log = logging.getLogger(__name__)

T = TypeVar("T")
QUIET_S = 0.2  # a module that has said nothing for that long is not in the middle of anything
SETTLE_S = 3.0
ECHO_S = 2.0  # a module that works echoes a command at once, however long that may take it
LEAVE_DATA_MODE = b"+++"  # with silence on either side, which V.250 leaves to the modem: mostly a second


class Overdue(Unreachable):
    """A command's time is over: the module hangs, or is not there."""


class CommandChannel:
    """`heard` is told what unsolicited lines mean, `booted` that the module began anew, `lost` that the port is gone.

    A caller that is cancelled leaves its command in flight: the next one waits for that answer, or for its time to be
    over, for two commands at once make nonsense of each other.
    """

    def __init__(
        self,
        stream: ByteStream,
        dialect: Dialect,
        heard: Callable[[Heard], None],
        booted: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        self.where = stream.where
        self._stream, self._dialect = stream, dialect
        self._heard, self._booted, self._lost = heard, booted, lost
        self._client = AtClient(dialect.boot)
        self._turn = asyncio.Lock()
        self._flight: asyncio.Future[Response] | None = None
        self._overdue_at = 0.0
        self._active_at = 0.0

    async def open(self) -> None:
        """Raises LineDown."""
        await self._stream.open(self._receive, self._lose)
        self._client = AtClient(self._dialect.boot)
        self._drop(Unreachable(f"{self.where}: the port was opened again"))

    async def close(self) -> None:
        self._drop(Unreachable(f"{self.where}: closed"))
        await self._stream.close()

    async def settle(self) -> None:
        """Gives up what is in flight and waits until the module has fallen silent, or for SETTLE_S."""
        self._client.abandon()
        self._client.expect_echo(False)
        self._drop(Unreachable(f"{self.where}: given up, for the modem is being brought back"))
        loop = asyncio.get_running_loop()
        until = loop.time() + SETTLE_S
        while (rest := min(until, self._active_at + QUIET_S) - loop.time()) > 0:  # noqa: ASYNC110 - for silence
            await asyncio.sleep(rest)

    def expect_echo(self) -> None:
        self._client.expect_echo(True)

    async def escape(self, guard_s: float) -> None:
        """Leaves a prompt, and a data mode. What was typed there is lost."""
        self._stream.write(ESCAPE)
        await asyncio.sleep(guard_s)
        self._stream.write(LEAVE_DATA_MODE)
        await asyncio.sleep(guard_s)

    def write_blindly(self, command: Command) -> None:
        """For a module that may hear though it does not answer."""
        self._stream.write(command.encode())

    async def run(self, procedure: Procedure[T]) -> T:
        """Raises Overdue; CommandRefused and other RemoteProtocolErrors as the procedure does."""
        async with self._turn:
            response: Response | None = None
            while True:
                try:
                    command = next(procedure) if response is None else procedure.send(response)
                except StopIteration as end:
                    result: T = end.value
                    return result
                response = await self._command(command)

    async def _command(self, command: Command) -> Response:
        loop = asyncio.get_running_loop()
        if (before := self._flight) is not None:
            await asyncio.wait([before], timeout=max(0.0, self._overdue_at - loop.time()))
            if self._flight is before:
                raise self._expire(before)
        flight: asyncio.Future[Response] = loop.create_future()
        self._flight = flight
        sent_at = loop.time()
        self._overdue_at = sent_at + command.patience_s
        data = self._client.send(command)
        self._stream.write(data)
        echo_s = ECHO_S + 2 * len(data) * self._stream.char_s
        if self._client.echoes and echo_s < command.patience_s:
            await asyncio.wait([flight], timeout=echo_s)
            if self._active_at < sent_at and not flight.done():
                raise self._expire(flight, command)
        await asyncio.wait([flight], timeout=max(0.0, self._overdue_at - loop.time()))
        if not flight.done():
            raise self._expire(flight, command)
        return flight.result()

    def _expire(self, flight: asyncio.Future[Response], command: Command | None = None) -> Overdue:
        self._client.abandon()
        if self._flight is flight:
            self._flight = None
        flight.cancel()
        what = command.text[:40] if command else "an earlier command"
        return Overdue(f"{self.where}: no answer to {what} in its time")

    def _drop(self, error: Exception) -> None:
        flight, self._flight = self._flight, None
        if flight is not None and not flight.done():
            flight.set_exception(error)
            flight.exception()  # whoever was cancelled does not fetch it

    def _lose(self, cause: str) -> None:
        self._drop(LineDown(f"{self.where}: {cause}"))
        self._lost(cause)

    def _receive(self, data: bytes) -> None:
        self._active_at = asyncio.get_running_loop().time()
        self._client.receive_data(data)
        while (event := self._client.next_event()) is not None:
            match event:
                case Response():
                    flight, self._flight = self._flight, None
                    if flight is not None and not flight.done():
                        flight.set_result(event)
                case Prompt(payload):
                    self._stream.write(payload)
                case Booted(line):
                    log.info("modem %s: it began anew (%s)", self.where, line.strip())
                    self._booted()
                case Unsolicited(line):
                    self._hear(line)
                case Stale(line) | Noise(line):
                    log.debug("modem %s: passed over %r", self.where, line)

    def _hear(self, line: str) -> None:
        try:
            meaning = self._dialect.hear(line)
        except RemoteProtocolError as error:
            log.warning("modem %s: %s", self.where, error)
            return
        if meaning is None:
            log.debug("modem %s: passed over %r", self.where, line)
        else:
            self._heard(meaning)
