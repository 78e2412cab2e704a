"""The owner of a module: brings it up, into the network, keeps it there, and brings it back when it hangs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import NoReturn, TypeVar

from drivers.base import DeviceError, LineDown, Nonsense, NotSent, Refused, Unreachable
from drivers.nbiot.bringup import Bringup, Patience
from drivers.nbiot.channel import CommandChannel, Overdue
from drivers.nbiot.cures import Cures
from drivers.nbiot.recovery import Cause, Ladder
from drivers.nbiot.socket import ModemSocket
from drivers.nbiot.trouble import News, Restarted, Trouble
from drivers.transport.stream import ByteStream
from protocols.at.command import CommandRefused, Procedure
from protocols.at.dialect import Arrived, Closed, Dialect, Heard, Kind, PowerSaving, Received, Registered, Socket
from protocols.at.figures import Registration
from protocols.errors import LocalProtocolError, RemoteProtocolError

log = logging.getLogger(__name__)

T = TypeVar("T")
FAILED_SENDS = 3  # in a row, with the network there: the radio hangs
FAILED_OPENINGS = 10  # in a row, each after its caller's back-off
MOST_EARLY = 64  # lines for a socket whose opening is not through yet
REFUSED = 0  # drivers.base.Refused.code where a module told no number


class State(StrEnum):
    DOWN = "the port is not open"
    STARTING = "being started"
    SEARCHING = "searching for its network"
    READY = "in the network"


class Modem:
    """`run()` never returns; everything else may be called at any time and raises Unreachable while it cannot be done.

    `fault` says in words why it is not in the network, "" while it is.
    """

    def __init__(
        self,
        stream: ByteStream,
        dialect: Dialect,
        power_cycle: Callable[[], Awaitable[None]] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.where = stream.where
        self.dialect = dialect
        self.state = State.DOWN
        self.fault = State.DOWN.value
        self.registration = Registration.UNKNOWN
        self.recoveries = 0
        self._patience = patience or Patience()
        self._news = News()
        self._channel = CommandChannel(stream, dialect, self._heard, self._booted, self._lost)
        self._bringup = Bringup(self._channel, dialect, self._news, self._patience)
        self._cures = Cures(self._channel, dialect, self._news, self._patience, power_cycle)
        self._ladder = Ladder()
        self._sockets: dict[int, ModemSocket] = {}
        self._openings = 0  # under way
        self._early: list[Received | Closed] = []
        self._arrived: set[int] = set()
        self._strays = False  # the module may have sockets that nobody knows of
        self._changed = asyncio.Condition()
        self._failed_sends = self._failed_openings = 0

    # -- for its users -----------------------------------------------------------------------------------------------

    async def answering(self) -> None:
        """Waits until figures can be asked for."""
        await self._wait_for(State.SEARCHING, State.READY)

    async def ready(self) -> None:
        """Waits until sockets can be opened."""
        await self._wait_for(State.READY)

    async def ask(self, procedure: Procedure[T]) -> T:
        """Raises Unreachable, Refused (NotSent for what the family cannot do), or Nonsense."""
        if self.state not in (State.SEARCHING, State.READY):
            raise Unreachable(f"modem {self.where}: {self.fault}")
        try:
            return await self._channel.run(procedure)
        except Overdue as error:
            if self.state in (State.SEARCHING, State.READY):
                self._news.tell(Trouble(Cause.SILENT, str(error)))
            raise
        except LocalProtocolError as error:
            raise NotSent(f"modem {self.where}: {error}") from None
        except CommandRefused as error:
            raise Refused(f"modem {self.where}: {error}", error.code or REFUSED) from None
        except RemoteProtocolError as error:
            raise Nonsense(f"modem {self.where}: {error}") from None

    async def open_socket(self, kind: Kind, host: str, port: int) -> ModemSocket:
        """Raises DeviceError."""
        return await self._open(lambda: self.dialect.open_socket(kind, host, port, tuple(self._sockets)))

    async def listen(self, port: int) -> ModemSocket:
        """For the datagrams of whoever sends to `port`, where the family can. Raises DeviceError."""
        return await self._open(lambda: self.dialect.listen(port))

    async def _open(self, create: Callable[[], Procedure[Socket]]) -> ModemSocket:
        self._refuse_unless_ready()
        self._openings += 1
        try:
            made = await self.ask(self._opening(create))
        except asyncio.CancelledError:
            self._strays = True
            self._news.wake()
            raise
        except NotSent:
            raise
        except Refused:
            self._failed_openings += 1
            if self._failed_openings >= FAILED_OPENINGS:
                self._failed_openings = 0
                self._news.tell(Trouble(Cause.FRUITLESS, f"{FAILED_OPENINGS} were refused"))
            raise
        finally:
            self._openings -= 1
            if not self._openings:
                self._early.clear()
        self._failed_openings = 0
        return made

    def _opening(self, create: Callable[[], Procedure[Socket]]) -> Procedure[ModemSocket]:
        """Looks for a free number only when its turn has come, and frees those that the module still holds for nobody.
        What the other side sent at once came before this."""
        if self._strays:
            yield from self._close_strays()
        socket = yield from create()
        made = self._sockets[socket.number] = ModemSocket(socket, self._send, self._close, self.dialect.longest)
        for heard in [each for each in self._early if each.socket == socket.number]:
            self._early.remove(heard)
            self._heard(heard)
        return made

    # -- its life ----------------------------------------------------------------------------------------------------

    async def run(self) -> NoReturn:
        trouble: Exception | None = None
        try:
            while True:
                try:
                    if trouble is not None:
                        met, trouble = trouble, None
                        await self._recover(met)
                    await self._live()
                except Restarted:
                    self._leave(State.STARTING, "it began anew")
                except LineDown as error:
                    self._leave(State.DOWN, str(error))
                    log.warning("modem %s: %s; again in %g s", self.where, error, self._patience.reopen)
                    await asyncio.sleep(self._patience.reopen)
                except (Trouble, Overdue, RemoteProtocolError) as error:
                    trouble = error
        finally:
            self._leave(State.DOWN, "not in use")
            await self._channel.close()

    async def _live(self) -> NoReturn:
        """Raises what ends it."""
        if self.state is State.DOWN:
            self._news.forget()
            await self._channel.open()
        await self._turn(State.STARTING)
        await self._bringup.run()
        await self._channel.run(self._close_strays())  # those of whoever used the module before
        while True:
            await self._enter_network()
            await self._serve()

    async def _recover(self, met: Exception) -> None:
        cause = met.cause if isinstance(met, Trouble) else Cause.SILENT
        cure = self._ladder.climb(cause)
        self.recoveries += 1
        self._failed_sends = self._failed_openings = 0
        self._leave(State.STARTING, f"it {cause}; {cure.step.name.lower()}")
        log.warning("modem %s: it %s (%s); %s", self.where, cause, met, cure.step.name.lower())
        await asyncio.sleep(cure.pause_s)
        await self._cures.carry_out(cure.step)

    async def _enter_network(self) -> None:
        """Raises Trouble when it takes too long."""
        loop = asyncio.get_running_loop()
        began, asked = loop.time(), False
        await self._turn(State.SEARCHING)
        while True:
            self.registration = await self._look()
            if self.registration.is_registered:
                await self._turn(State.READY)
                log.info("modem %s: in the network (%s)", self.where, self.registration.name.lower())
                return
            if self.registration is Registration.IDLE and not asked:
                asked = True
                await self._bringup.may(self.dialect.attach())
            if loop.time() - began > self._patience.registration:
                raise Trouble(Cause.UNREGISTERED, f"registration: {self.registration.name.lower()}")
            await self._news.rest(self._patience.look)

    async def _look(self) -> Registration:
        try:
            return await self._channel.run(self.dialect.registration())
        except RemoteProtocolError as error:
            self._news.raise_if_interrupted()
            raise Trouble(Cause.REFUSES, str(error)) from None

    async def _serve(self) -> None:
        """Until the network is lost. Raises what else ends it."""
        loop = asyncio.get_running_loop()
        looked = entered = loop.time()
        while self.registration.is_registered:
            while self._arrived:
                await self._fetch(self._arrived.pop())
            if self._strays:
                await self._channel.run(self._close_strays())
            if loop.time() - looked >= self._patience.probe:
                looked = loop.time()
                await self._bringup.greet()
                self.registration = await self._look()
                if loop.time() - entered > self._patience.steady and not self._failed_sends:
                    self._ladder.proved()
            else:
                await self._news.rest(looked + self._patience.probe - loop.time())
        log.warning("modem %s: the network is lost (%s)", self.where, self.registration.name.lower())

    async def _fetch(self, number: int) -> None:
        """All that waits in the module: it may announce several datagrams once."""
        found = self._sockets.get(number)
        while found is not None and not found.ended:
            try:
                datagram = await self._channel.run(self.dialect.receive(found.socket))
            except RemoteProtocolError as error:
                log.warning("modem %s: %s", self.where, error)
                return
            if datagram is None:
                return
            source = datagram.host, datagram.port
            if found.socket.host in ("", source[0]) and (not found.socket.host or found.socket.port == source[1]):
                found.take(datagram.data, source)
            else:
                log.debug("modem %s: a datagram of a stranger, %s:%d", self.where, *source)

    def _close_strays(self) -> Procedure[None]:
        """Looks only when its turn has come: a socket may just have been opened."""
        self._strays = False
        for number in range(self.dialect.sockets):
            if number not in self._sockets:
                try:
                    yield from self.dialect.close(Socket(number, Kind.UDP, "", 0))
                except CommandRefused as error:  # mostly: there is none of that number
                    log.debug("modem %s: %s", self.where, error)

    # -- what happens ------------------------------------------------------------------------------------------------

    async def _send(self, socket: Socket, data: bytes) -> None:
        self._refuse_unless_ready()
        try:
            await self.ask(self.dialect.send(socket, data))
        except NotSent:
            raise
        except Refused:
            self._failed_sends += 1
            if self._failed_sends >= FAILED_SENDS:
                self._failed_sends = 0
                self._news.tell(Trouble(Cause.MUTE, f"{FAILED_SENDS} sendings failed"))
            raise
        self._failed_sends = 0
        self._ladder.proved()

    async def _close(self, closed: ModemSocket) -> None:
        number = closed.socket.number
        if self._sockets.get(number) is not closed:
            return  # the number is another's by now, or nobody's
        try:
            with suppress(DeviceError):
                await self.ask(self.dialect.close(closed.socket))
        except asyncio.CancelledError:
            self._strays = True  # else the module's few numbers would be used up
            self._news.wake()
            raise
        finally:
            if self._sockets.get(number) is closed:
                del self._sockets[number]

    def _heard(self, heard: Heard) -> None:
        match heard:
            case Received(number) | Closed(number):
                if (found := self._sockets.get(number)) is None:
                    if self._openings and len(self._early) < MOST_EARLY:
                        self._early.append(heard)
                elif isinstance(heard, Received):
                    found.take(heard.data)
                else:
                    found.end("closed by the other side or by the network")
            case Arrived(number):
                self._arrived.add(number)
                self._news.wake()
            case Registered(registration):
                self.registration = registration
                self._news.wake()
            case PowerSaving(asleep):
                log.info("modem %s: %s", self.where, "asleep" if asleep else "awake")

    def _booted(self) -> None:
        self._news.tell(Restarted())

    def _lost(self, cause: str) -> None:
        self._news.tell(LineDown(f"modem {self.where}: {cause}"))

    def _refuse_unless_ready(self) -> None:
        if self.state is not State.READY:
            raise Unreachable(f"modem {self.where}: {self.fault}")

    def _leave(self, state: State, why: str) -> None:
        """Nothing of what was open is there any more."""
        self.state, self.fault = state, why
        self.registration = Registration.UNKNOWN
        for each in self._sockets.values():
            each.end(f"the modem: {why}")
        self._sockets.clear()
        self._arrived.clear()
        self._early.clear()

    async def _turn(self, state: State) -> None:
        if state is not State.STARTING or self.state is State.DOWN:  # else it is known why it is started
            self.fault = "" if state is State.READY else state.value
        self.state = state
        async with self._changed:
            self._changed.notify_all()

    async def _wait_for(self, *states: State) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.state in states)
