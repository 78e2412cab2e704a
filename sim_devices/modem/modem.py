"""A simulated NB-IoT module: its power, its radio, its sockets, and what can go wrong with them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from protocols.at.text import split_fields
from protocols.errors import ProtocolError
from sim_devices.modem.command_line import ESCAPE, CommandLine
from sim_devices.modem.family import Family, Later, Refusal
from sim_devices.modem.network import Network, Status
from sim_devices.modem.sockets import Address, RadioSocket

LOOK_S = 0.02
RETRANSMISSION_S = 0.2


class Hang(StrEnum):
    """How deep a module hangs, by what brings it back."""

    PROMPT = "prompt"  # waits for data that never comes: an escape character, or a reset
    RADIO = "radio"  # answers, but carries nothing and never registers: CFUN=0, CFUN=1
    STACK = "stack"  # answers AT and refuses all else: the reboot command
    DEAD = "dead"  # answers nothing at all: its power


@dataclass
class Counters:
    tx_ms: int = 0
    rx_ms: int = 0
    datagrams_lost: int = 0
    boots: int = 0


@dataclass
class _Settings:
    """What a reboot forgets."""

    numeric_errors: bool = False
    cereg: int = 0
    options: dict[str, str] = field(default_factory=dict)
    active_s: float | None = None  # T3324 while power saving is on
    powersave_bits: tuple[str, str] = ("", "")


class Modem:
    """`write` takes what the module says. Made and used in one event loop; `close()` ends its timers and sockets.

    `haste` divides the seconds of T3324, which are 2 at the least.
    """

    def __init__(
        self,
        family: Family,
        network: Network,
        write: Callable[[bytes], None],
        *,
        boot_s: float = 0.1,
        haste: float = 1.0,
        platform: bool = False,
    ) -> None:
        self.family, self.network, self.counters = family, network, Counters()
        self.platform = platform  # whether the operator's IoT platform has let the module in (BC95)
        self.settings = _Settings()
        self.sockets: dict[int, RadioSocket] = {}
        self.waiting: dict[
            int, list[tuple[bytes, Address]]
        ] = {}  # datagrams by socket that the host has not fetched (BC95)
        self.asleep = False
        self.hung: Hang | None = None
        self.line = CommandLine(write, self._carry_out)
        self._write, self._boot_s, self._haste = write, boot_s, haste
        self._loop = asyncio.get_running_loop()
        self._powered = self._booting = self._radio = False
        self._covered_at: float | None = None
        self._told: Status | None = None
        self._active_at = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._look = self._loop.call_later(LOOK_S, self._tick)

    # -- power -------------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        self._powered = self._booting = True
        self.hung = None
        self._later(self._boot_s, self._booted)

    def power_off(self) -> None:
        self._forget()
        self._powered = False

    def power_cycle(self) -> None:
        self.power_off()
        self.power_on()

    def reboot(self) -> None:
        """By command, watchdog or crash."""
        self._forget()
        self.power_on()

    def brown_out(self) -> None:
        """The supply sags: garbage on the line, then a reboot."""
        self._write(bytes(self.network.rng.randrange(128, 256) for _ in range(24)))
        self.reboot()

    def hang(self, kind: Hang) -> None:
        self.hung = kind
        self.line.drop_typed()

    def close(self) -> None:
        self._look.cancel()
        self.power_off()

    def _booted(self) -> None:
        self._booting = False
        self.counters.boots += 1
        for line in self.family.banner:
            self._write(f"\r\n{line}\r\n".encode())
        self.turn_radio(True)

    def _forget(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._close_all()
        self.settings = _Settings()
        self.line.forget()
        self.asleep = self._radio = False
        self._told = None

    # -- radio -------------------------------------------------------------------------------------------------------

    def turn_radio(self, on: bool) -> None:
        if not on:
            self._close_all()
            if self.hung is Hang.RADIO:
                self.hung = None
        self._radio = on
        self._covered_at = None
        self.active()

    @property
    def status(self) -> Status:
        if self.hung is Hang.RADIO:
            return Status.SEARCHING
        if not self._radio:
            return self.network.status(None)
        return self.network.status(0.0 if self._covered_at is None else self._loop.time() - self._covered_at)

    @property
    def is_registered(self) -> bool:
        return self.status in (Status.HOME, Status.ROAMING)

    def active(self) -> None:
        """Something is sent or heard: the module wakes, and stays awake for T3324 from now."""
        self._active_at = self._loop.time()
        if self.asleep:
            self.asleep = False
            self.family.slept(self, False)

    def _tick(self) -> None:
        self._look = self._loop.call_later(LOOK_S, self._tick)
        if not self._powered or self._booting:
            return
        now = self._loop.time()
        if not self.network.covered:
            self._covered_at = None
        elif self._covered_at is None:
            self._covered_at = now
        status = self.status
        if status != self._told:
            self._told = status
            if self.settings.cereg:
                self.say(f"+CEREG{self.family.colon}{int(status)}")
            if not self.is_registered:
                self._lose_all()
        limit = self.settings.active_s
        if limit is not None and not self.asleep and self.is_registered and now - self._active_at > limit / self._haste:
            self.asleep = True
            self.family.slept(self, True)

    # -- sockets -----------------------------------------------------------------------------------------------------

    def new_socket(self, stream: bool, number: int | None = None, local_port: int = 0) -> RadioSocket:
        """Raises Refusal where the module has none left, or that one is taken."""
        if number is None:
            free = [each for each in range(self.family.sockets) if each not in self.sockets]
            number = free[0] if free else self.family.sockets
        if number in self.sockets or not 0 <= number < self.family.sockets:
            raise Refusal(563)
        try:
            made = RadioSocket(
                number,
                stream,
                lambda data, source: self._heard(made, data, source),
                lambda: self.family.ended(self, made),
                local_port,
            )
        except OSError:
            raise Refusal(None) from None
        made.listens = self._listens
        made.held = self.network.delay_s
        self.sockets[number] = made
        self.waiting[number] = []
        return made

    def socket(self, number: str) -> RadioSocket:
        if not number.isdecimal() or int(number) not in self.sockets:
            raise Refusal(50)
        return self.sockets[int(number)]

    def close_socket(self, number: int) -> None:
        self.sockets.pop(number).close()
        self.waiting.pop(number, None)

    def transmit(self, sender: RadioSocket, data: bytes, to: tuple[str, int] | None = None) -> bool:
        """False where nothing can be sent now. A datagram may yet be lost on its way, which nobody learns."""
        if not self.is_registered:
            return False
        self.active()
        self.counters.tx_ms += 10 + len(data) // 3  # 25 kbit/s, about what NB-IoT gives
        delay, sender.held = self.network.delay_s, self.network.delay_s
        if self.network.is_lost():
            if not sender.is_stream:
                self.counters.datagrams_lost += 1
                return True
            delay += RETRANSMISSION_S
        return sender.send(data, delay, to)

    def _listens(self) -> bool:
        return not self.asleep and self.is_registered and self.hung is None

    def _heard(self, receiver: RadioSocket, data: bytes, source: Address) -> None:
        receiver.held = self.network.delay_s
        if self.hung is not None or not self.is_registered:
            return
        if not receiver.is_stream and (self.asleep or self.network.is_lost()):
            self.counters.datagrams_lost += 1
            return
        self.active()
        self.counters.rx_ms += 10 + len(data) // 3
        self.family.heard(self, receiver, data, source)

    def _lose_all(self) -> None:
        """The network let the module go, and its connections with it. Datagram sockets hold no state there."""
        for each in list(self.sockets.values()):
            if each.is_stream:
                self.family.ended(self, each)

    def _close_all(self) -> None:
        for number in list(self.sockets):
            self.close_socket(number)

    # -- what it says --------------------------------------------------------------------------------------------------

    def say(self, line: str) -> None:
        if self._powered and not self._booting and self.hung not in (Hang.DEAD, Hang.PROMPT):
            self._write(f"\r\n{line}\r\n".encode())

    def say_later(self, delay_s: float, line: str) -> None:
        self._later(delay_s, lambda: self.say(line))

    def answer(self, lines: Sequence[str], final: str = "OK") -> None:
        for line in (*lines, final):
            self.say(line)

    def refuse(self, code: int | None) -> None:
        self.say(f"+CME ERROR: {code}" if self.settings.numeric_errors and code is not None else "ERROR")

    def receive(self, data: bytes) -> None:
        """What the host types."""
        if self.hung is Hang.PROMPT and ESCAPE in data:
            self.hung = None
            data = data.rpartition(bytes((ESCAPE,)))[2]
        for byte in data:
            if self._powered and not self._booting and self.hung not in (Hang.DEAD, Hang.PROMPT):
                self.line.type(byte)

    def _carry_out(self, key: str | None, rest: str) -> None:
        if key == self.family.reboot:
            self.say("OK")
            self.reboot()
            return
        handler = None if key is None else self.family.handlers.get(key)
        try:
            if handler is None or (self.hung is Hang.STACK and key):
                raise Refusal(4 if handler is None else 100)
            lines = handler(self, split_fields(rest) if rest else ())
        except Later:
            return
        except (Refusal, ProtocolError, ValueError, IndexError) as error:
            self.refuse(error.code if isinstance(error, Refusal) else 50)  # 50: incorrect parameters (27.007 9.2)
            return
        self.answer(lines)

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        now = self._loop.time()
        self._timers = [timer for timer in self._timers if timer.when() >= now and not timer.cancelled()]
        self._timers.append(self._loop.call_later(delay_s, call))
