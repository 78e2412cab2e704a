"""SIMCom SIM7020: UDP and TCP. It counts hexadecimal digits, not bytes: +CSONMI tells 28 for 14 bytes."""

from typing import ClassVar

from protocols.at.command import Command, Procedure, line_of, lines_of
from protocols.at.dialect import Closed, Dialect, Heard, Kind, PowerSaving, Received, Socket
from protocols.at.figures import LinkFigures, parse_serving_cell
from protocols.at.text import Line, from_hex, parse_line
from protocols.errors import RemoteProtocolError

_TYPES = {Kind.TCP: 1, Kind.UDP: 2}


class Sim7020(Dialect):
    name: ClassVar[str] = "sim7020"
    boot: ClassVar[str] = r"RDY *$"
    sockets: ClassVar[int] = 5
    longest: ClassVar[int] = 512  # 1024 digits
    takes_names: ClassVar[bool] = False
    reboot: ClassVar[Command] = Command("AT+CRESET", patience_s=10.0)

    def setup(self) -> tuple[Command, ...]:
        return (
            *super().setup(),
            Command("AT+CSORCVFLAG=0"),  # payloads in hexadecimal
            Command("AT+CFUN=1", patience_s=15.0),
        )

    def wishes(self) -> tuple[Command, ...]:
        return (Command("AT+CPSMSTATUS=1"),)

    def figures(self) -> Procedure[LinkFigures]:
        """The transmit power is in tenths of dBm ("cBm"), the others in whole dBm and dB (secondary sources)."""
        response = yield Command("AT+CENG?", answer=r'\+CENG ?: ?\d+,-?\d*,\d*,".*')
        scales = {"rsrp": 10, "rsrq": 10, "rssi": 10, "snr": 10, "tx_power": 1}
        return parse_serving_cell(line_of(response), 0, scales)

    def _open(self, kind: Kind, host: str, port: int, _number: int) -> Procedure[Socket]:
        response = yield Command(f"AT+CSOC=1,{_TYPES[kind]},1", answer=r"\+CSOC ?: ?\d+")
        socket = Socket(parse_line(line_of(response)).integer(0), kind, host, port)
        connected = yield Command(f'AT+CSOCON={socket.number},{port},"{host}"', patience_s=60.0)
        if connected.final != "OK":
            yield Command(f"AT+CSOCL={socket.number}")  # else the module runs out of them
        lines_of(connected)
        return socket

    def send(self, socket: Socket, data: bytes) -> Procedure[None]:
        self._refuse_unless_fits(data)
        digits = data.hex().upper()
        lines_of((yield Command(f"AT+CSOSEND={socket.number},{len(digits)},{digits}", patience_s=30.0)))

    def close(self, socket: Socket) -> Procedure[None]:
        lines_of((yield Command(f"AT+CSOCL={socket.number}", patience_s=15.0)))

    def _hear(self, line: Line) -> Heard | None:
        match line.name:
            case "+CSONMI":
                digits = line.integer(1)
                if digits % 2:
                    raise RemoteProtocolError(f"+CSONMI tells {digits} digits, which are no bytes")
                return Received(line.integer(0), from_hex(line.text(2), digits // 2))
            case "+CSOERR":
                return Closed(line.integer(0))
            case "+CPSMSTATUS":
                return PowerSaving(line.text(0) == "ENTER PSM")
        return None
