"""Quectel BC660K: UDP and TCP, payloads in hexadecimal once told so, lengths in bytes."""

from typing import ClassVar

from protocols.at.command import Command, CommandRefused, Procedure, line_of, lines_of
from protocols.at.dialect import Closed, Dialect, Heard, Kind, PowerSaving, Received, Socket
from protocols.at.figures import LinkFigures, parse_serving_cell
from protocols.at.text import Line, from_hex, parse_line, quote


class Bc660k(Dialect):
    name: ClassVar[str] = "bc660k"
    boot: ClassVar[str] = r"RDY *$"
    sockets: ClassVar[int] = 5
    longest: ClassVar[int] = 1024  # in hexadecimal; BC660K-GL TCP/IP application note 1.1, from secondary sources
    takes_names: ClassVar[bool] = True
    reboot: ClassVar[Command] = Command("AT+QRST=1", patience_s=10.0)

    def setup(self) -> tuple[Command, ...]:
        """Without "dataformat" payloads would come as text, where a line end or a quote cannot be told from one."""
        return (
            *super().setup(),
            Command('AT+QICFG="dataformat",1,1'),
            Command("AT+CFUN=1", patience_s=15.0),
        )

    def wishes(self) -> tuple[Command, ...]:
        return (Command("AT+QNBIOTEVENT=1,1"),)

    def figures(self) -> Procedure[LinkFigures]:
        """Without the transmit power: firmwares tell it in dBm or in tenths, and the figure does not say which."""
        response = yield Command("AT+QENG=0", answer=r"\+QENG ?: ?[01],.*")
        return parse_serving_cell(line_of(response), 1, {"rsrp": 10, "rsrq": 10, "rssi": 10, "snr": 10})

    def _open(self, kind: Kind, host: str, port: int, number: int) -> Procedure[Socket]:
        response = yield Command(
            f'AT+QIOPEN=0,{number},"{kind.upper()}",{quote(host)},{port}',
            completion=rf"\+QIOPEN ?: ?{number} ?, ?-?\d+",
            patience_s=60.0,
        )
        lines_of(response)
        if parse_line(response.completion).integer(1) != 0:
            yield Command(f"AT+QICLOSE={number}", completion="CLOSE OK")  # else the number stays taken
            raise CommandRefused(response)
        return Socket(number, kind, host, port)

    def send(self, socket: Socket, data: bytes) -> Procedure[None]:
        self._refuse_unless_fits(data)
        response = yield Command(
            f'AT+QISEND={socket.number},{len(data)},"{data.hex().upper()}"',
            completion="SEND OK|SEND FAIL",
            patience_s=30.0,
        )
        lines_of(response)
        if response.completion != "SEND OK":
            raise CommandRefused(response)

    def close(self, socket: Socket) -> Procedure[None]:
        lines_of((yield Command(f"AT+QICLOSE={socket.number}", completion="CLOSE OK", patience_s=15.0)))

    def _hear(self, line: Line) -> Heard | None:
        match line.name, line.text(0):
            case "+QIURC", "recv":
                return Received(line.integer(1), from_hex(line.text(3), line.integer(2)))
            case "+QIURC", "closed":
                return Closed(line.integer(1))
            case "+QNBIOTEVENT", "ENTER PSM":
                return PowerSaving(True)
            case "+QNBIOTEVENT", "EXIT PSM":
                return PowerSaving(False)
        return None
