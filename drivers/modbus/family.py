"""The three ways to reach a Modbus device, as drivers.catalog lists them."""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.base import Line, LineConfig
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import load_model


@dataclass(frozen=True)
class ModbusFamily:
    """`make_line` imports what it needs itself: a gateway without a serial line never loads pyserial."""

    make_line: Callable[[LineConfig], Line]

    def load_model(self, source: str) -> RegisterModel:
        return load_model(source)

    def create_line(self, config: LineConfig) -> Line:
        return self.make_line(config)


def _tcp(config: LineConfig) -> Line:
    from drivers.modbus.tcp_line import TcpLine

    return TcpLine(config.address)


def _rtu(config: LineConfig) -> Line:
    from drivers.modbus.rtu_line import RtuLine
    from drivers.modbus.serial_port import SerialPort

    return RtuLine(SerialPort(config))


def _rtu_over_tcp(config: LineConfig) -> Line:
    from drivers.modbus.rtu_line import RtuLine
    from drivers.modbus.tcp_stream import TcpStream

    return RtuLine(TcpStream(config.address))


TCP = ModbusFamily(_tcp)
RTU = ModbusFamily(_rtu)
RTU_OVER_TCP = ModbusFamily(_rtu_over_tcp)
