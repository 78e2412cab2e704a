"""What every family of modules can be asked, and what it says unasked."""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple, TypeAlias

from protocols.at.command import Command, Procedure, line_of, lines_of
from protocols.at.figures import LinkFigures, Registration, parse_registration, parse_signal
from protocols.at.text import Line, parse_line
from protocols.at.timers import encode_t3324, encode_t3412
from protocols.errors import LocalProtocolError


class Kind(StrEnum):
    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Socket:
    """`number` is the module's own. A listening socket has no peer: its host is "" and its port its own."""

    number: int
    kind: Kind
    host: str
    port: int


class Datagram(NamedTuple):
    """From `host` and `port`."""

    data: bytes
    host: str
    port: int


class Arrived(NamedTuple):
    """`length` bytes wait in the module: receive() fetches them."""

    socket: int
    length: int


class Received(NamedTuple):
    socket: int
    data: bytes


class Closed(NamedTuple):
    """By the other side or by the network."""

    socket: int


class Registered(NamedTuple):
    registration: Registration


class PowerSaving(NamedTuple):
    """Asleep, a module hears nothing that is sent to it."""

    asleep: bool


Heard: TypeAlias = Arrived | Received | Closed | Registered | PowerSaving


class Dialect(ABC):
    """`boot` is for AtClient; `longest` is the most bytes one send() takes; `takes_names` says whether open_socket()
    may be given a host's name; `no_tcp` says why there is none, "" where there is; `listens` says whether listen()
    can be.
    """

    name: ClassVar[str]
    boot: ClassVar[str]
    sockets: ClassVar[int]
    longest: ClassVar[int]
    takes_names: ClassVar[bool]
    no_tcp: ClassVar[str] = ""
    listens: ClassVar[bool] = False
    reboot: ClassVar[Command]

    def setup(self) -> tuple[Command, ...]:
        """After each boot, in this order. The echo comes first: it proves every later answer (protocols.at.client)."""
        return (Command("ATE1"), Command("AT+CMEE=1"), Command("AT+CEREG=1"))

    def wishes(self) -> tuple[Command, ...]:
        """To be sent behind setup(); a firmware that refuses them is used all the same."""
        return ()

    def attach(self) -> Procedure[None]:
        lines_of((yield Command("AT+CGATT=1", patience_s=60.0)))

    def registration(self) -> Procedure[Registration]:
        # An unsolicited +CEREG has one number in front, an answer has two.
        response = yield Command("AT+CEREG?", answer=r"\+CEREG ?: ?\d+ ?, ?\d+.*")
        return parse_registration(line_of(response))

    def signal(self) -> Procedure[int | None]:
        """dBm, None where the module does not know."""
        response = yield Command("AT+CSQ", answer=r"\+CSQ ?: ?\d+ ?, ?\d+")
        return parse_signal(line_of(response))

    @abstractmethod
    def figures(self) -> Procedure[LinkFigures]: ...

    def power_save(self, timers: tuple[int, int] | None) -> Procedure[None]:
        """T3412 and T3324 in seconds, as the network may grant them; None for no power saving."""
        if timers is None:
            lines_of((yield Command("AT+CPSMS=0")))
        else:
            periodic, active = encode_t3412(timers[0]), encode_t3324(timers[1])
            lines_of((yield Command(f'AT+CPSMS=1,,,"{periodic}","{active}"')))

    def open_socket(self, kind: Kind, host: str, port: int, taken: Sequence[int] = ()) -> Procedure[Socket]:
        """A socket to send to and hear from one peer; `taken` are the numbers of those that are open."""
        if reason := self.cannot_reach(kind, host, port):
            raise LocalProtocolError(reason)
        free = [number for number in range(self.sockets) if number not in taken]
        if not free:
            raise LocalProtocolError(f"all {self.sockets} sockets of a {self.name} are open")
        return (yield from self._open(kind, host, port, free[0]))

    @abstractmethod
    def _open(self, kind: Kind, host: str, port: int, number: int) -> Procedure[Socket]:
        """`number` is free, for families in which it is ours to choose."""

    @abstractmethod
    def send(self, socket: Socket, data: bytes) -> Procedure[None]:
        """At most `longest` bytes; a datagram goes out as one."""

    def listen(self, port: int) -> Procedure[Socket]:
        """A datagram socket for whoever sends to `port`; answers go by send() on the socket with a peer put in."""
        yield from ()
        raise LocalProtocolError(f"{self.name} hears only peers that it was connected to, and nobody on port {port}")

    def receive(self, socket: Socket) -> Procedure[Datagram | None]:
        """What waits in the module, None when nothing does; for families that tell Arrived and not Received."""
        yield from ()
        raise LocalProtocolError(f"{self.name} hands over what it receives for socket {socket.number} by itself")

    @abstractmethod
    def close(self, socket: Socket) -> Procedure[None]: ...

    def hear(self, line: str) -> Heard | None:
        """What an unsolicited line means; None for those that mean nothing to us. Raises RemoteProtocolError for a
        payload that is not of its announced length."""
        parsed = parse_line(line)
        if parsed.name == "+CEREG":
            return Registered(parse_registration(line))
        return self._hear(parsed)

    @abstractmethod
    def _hear(self, line: Line) -> Heard | None: ...

    def cannot_reach(self, kind: Kind, host: str, port: int) -> str:
        """Why open_socket() would refuse this, "" where it would not."""
        if kind is Kind.TCP and self.no_tcp:
            return f"{self.name} has no TCP: {self.no_tcp}"
        if not 0 < port < 65536:
            return f"there is no port {port}"
        if not self.takes_names:
            try:
                ipaddress.IPv4Address(host)
            except ValueError:
                return f"{self.name} looks up no names: {host!r} must be an IPv4 address"
        return ""

    def _refuse_unless_fits(self, data: bytes) -> None:
        if not 1 <= len(data) <= self.longest:
            raise LocalProtocolError(f"{self.name} sends 1..{self.longest} bytes at once, not {len(data)}")
