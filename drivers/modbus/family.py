"""The three ways to reach a Modbus device, as drivers.catalog lists them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.base import Line, LineConfig, SerialSettings, Unit
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import load_model
from drivers.transport.family import StreamFamily, whole_unit
from drivers.transport.stream import ByteStream

MOST_DEPTH = 16  # what a server may take at once is 1 to 16, says Modbus Messaging on TCP/IP 1.0b; from memory


@dataclass(frozen=True)
class TcpFamily:
    serial: SerialSettings | None = None

    def unit(self, given: Unit) -> Unit:
        return whole_unit(given, 0, 255)

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:  # noqa: ARG002
        """`pipeline`: how many requests may be under way at once, if the device takes more than one."""
        for key, depth in given.items():
            if key != "pipeline":
                raise ValueError(f"{key} is not known; there is pipeline")
            if isinstance(depth, bool) or not isinstance(depth, int) or not 1 <= depth <= MOST_DEPTH:
                raise ValueError(f"pipeline is {depth!r}; it is a whole number from 1 to {MOST_DEPTH}")
        return given

    def load_model(self, source: str) -> RegisterModel:
        return load_model(source)

    def create_line(self, config: LineConfig) -> Line:
        from drivers.modbus.tcp_line import TcpLine

        depth = config.options.get("pipeline", 1)
        assert isinstance(depth, int)  # noqa: S101 - options() gave it
        return TcpLine(config.address, depth, config.through)


def _speak_rtu(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.modbus.rtu_line import RtuLine

    return RtuLine(stream)


def _serial_unit(given: Unit) -> Unit:
    # 0 is everybody: nobody answers it, and a command to it would move them all.
    return whole_unit(given, 1, 255)


TCP = TcpFamily()
RTU = StreamFamily(load_model, _speak_rtu, _serial_unit, SerialSettings(9600, "N", 1))
RTU_OVER_TCP = replace(RTU, over_tcp=True)
