"""Quectel BC95 and its kin with a HiSilicon Boudica: datagram sockets, lengths in bytes.

Transcripts of AT+NSOCR, NSOST, NSORF, NUESTATS and NMGS: facts of this repository's tests. TCP (NSOCR=STREAM) came
with later firmware of single members of the family and is not proven here, so it is refused.
"""

from typing import ClassVar

from protocols.at.command import Command, Procedure, line_of, lines_of
from protocols.at.dialect import Arrived, Closed, Datagram, Dialect, Heard, Kind, PowerSaving, Socket
from protocols.at.figures import LinkFigures, parse_statistics
from protocols.at.text import Line, from_hex, integer, parse_line
from protocols.errors import RemoteProtocolError

UDP_PROTOCOL = 17
READY = "MO_DATA_ENABLED"
MAX_MESSAGE = 512


class NotReady(RemoteProtocolError):
    """The IoT platform has not taken the module in yet: a message now would be answered +CME ERROR: 513."""


class Bc95(Dialect):
    name: ClassVar[str] = "bc95"
    boot: ClassVar[str] = r"REBOOT_CAUSE_|Neul *$|u-blox *$"
    sockets: ClassVar[int] = 7
    longest: ClassVar[int] = 512
    takes_names: ClassVar[bool] = False
    no_tcp: ClassVar[str] = "its sockets carry datagrams"
    listens: ClassVar[bool] = True
    reboot: ClassVar[Command] = Command("AT+NRB", patience_s=10.0)

    def setup(self) -> tuple[Command, ...]:
        return (*super().setup(), Command("AT+NSONMI=1"), Command("AT+CFUN=1", patience_s=15.0))

    def wishes(self) -> tuple[Command, ...]:
        return (Command("AT+NPSMR=1"),)

    def figures(self) -> Procedure[LinkFigures]:
        response = yield Command("AT+NUESTATS", answer=r"[A-Za-z][A-Za-z ]*: ?-?\d+")
        return parse_statistics(lines_of(response))

    def _open(self, kind: Kind, host: str, port: int, _number: int) -> Procedure[Socket]:
        return Socket((yield from self._create(0)), kind, host, port)  # 0: the module chooses a port that is free

    def listen(self, port: int) -> Procedure[Socket]:
        return Socket((yield from self._create(port)), Kind.UDP, "", port)

    def _create(self, local: int) -> Procedure[int]:
        response = yield Command(f"AT+NSOCR=DGRAM,{UDP_PROTOCOL},{local},1", answer=r"\d+")
        return integer(line_of(response))

    def send(self, socket: Socket, data: bytes) -> Procedure[None]:
        self._refuse_unless_fits(data)
        number = socket.number
        response = yield Command(
            f"AT+NSOST={number},{socket.host},{socket.port},{len(data)},{data.hex().upper()}", answer=r"\d+ ?, ?\d+"
        )
        said = parse_line(line_of(response))
        if (said.integer(0), said.integer(1)) != (number, len(data)):
            raise RemoteProtocolError(f"{len(data)} bytes for socket {number} were told as {','.join(said.fields)}")

    def receive(self, socket: Socket) -> Procedure[Datagram | None]:
        """One datagram at most: NSORF never joins two. Raises RemoteProtocolError where length and digits differ."""
        response = yield Command(f"AT+NSORF={socket.number},{self.longest}", answer=r"\d+,[\d.]+,\d+,\d+,\w*,\d+")
        lines = lines_of(response)
        if not lines:
            return None
        line = parse_line(lines[0])
        return Datagram(from_hex(line.field(4), line.integer(3)), line.text(1), line.integer(2))

    def close(self, socket: Socket) -> Procedure[None]:
        lines_of((yield Command(f"AT+NSOCL={socket.number}")))

    def message_status(self) -> Procedure[str]:
        response = yield Command("AT+NMSTATUS?", answer=r"\+NMSTATUS ?: ?\w+")
        return parse_line(line_of(response)).text(0)

    def send_message(self, data: bytes) -> Procedure[None]:
        """To the operator's IoT platform. Raises NotReady before it lets the module in."""
        status = yield from self.message_status()
        if status != READY:
            raise NotReady(f"the IoT platform says {status}; {READY} is needed")
        lines_of((yield Command(f"AT+NMGS={len(data)},{data.hex().upper()}")))

    def _hear(self, line: Line) -> Heard | None:
        match line.name:
            case "+NSONMI":
                return Arrived(line.integer(0), line.integer(1))
            case "+NSOCLI":
                return Closed(line.integer(0))
            case "+NPSMR":
                return PowerSaving(line.integer(0) == 1)
        return None
