"""The three ways to reach a Modbus device, as drivers.catalog lists them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.base import Line, LineConfig, SerialSettings, Unit
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import load_model
from drivers.transport.family import StreamFamily, no_options, whole_unit
from drivers.transport.stream import ByteStream


@dataclass(frozen=True)
class TcpFamily:
    serial: SerialSettings | None = None

    def unit(self, given: Unit) -> Unit:
        return whole_unit(given, 0, 255)

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:  # noqa: ARG002
        return no_options(given)

    def load_model(self, source: str) -> RegisterModel:
        return load_model(source)

    def create_line(self, config: LineConfig) -> Line:
        from drivers.modbus.tcp_line import TcpLine

        return TcpLine(config.address)


def _speak_rtu(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.modbus.rtu_line import RtuLine

    return RtuLine(stream)


def _serial_unit(given: Unit) -> Unit:
    # 0 is everybody: nobody answers it, and a command to it would move them all.
    return whole_unit(given, 1, 255)


TCP = TcpFamily()
RTU = StreamFamily(load_model, _speak_rtu, _serial_unit, SerialSettings(9600, "N", 1))
RTU_OVER_TCP = replace(RTU, over_tcp=True)
