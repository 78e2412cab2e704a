"""Families that speak on a serial line, or on one behind a terminal server; several may share a line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.base import Line, LineConfig, Model, SerialSettings, Unit
from drivers.transport.stream import ByteStream


@dataclass(frozen=True)
class StreamFamily:
    """`speak` makes the line that talks over a stream, and imports what it needs itself: a gateway loads no protocol
    that its buses do not use. `read_unit` is drivers.base.FamilyBase.unit."""

    load: Callable[[str], Model]
    speak: Callable[[ByteStream, LineConfig], Line]
    read_unit: Callable[[Unit], Unit]
    settings: SerialSettings
    over_tcp: bool = False

    @property
    def serial(self) -> SerialSettings | None:
        return None if self.over_tcp else self.settings

    def unit(self, given: Unit) -> Unit:
        return self.read_unit(given)

    def options(self, given: Mapping[str, object], base: Path) -> Mapping[str, object]:  # noqa: ARG002
        return no_options(given)

    def load_model(self, source: str) -> Model:
        return self.load(source)

    def create_line(self, config: LineConfig) -> Line:
        return self.speak(self._stream(config), config)

    def create_shared_line(self, config: LineConfig, speakers: "Mapping[Unit, StreamFamily]") -> Line:
        """One line for devices of several families, which are told apart by their units."""
        from drivers.transport.shared import SharedLine

        return SharedLine(self._stream(config), lambda stream, family: family.speak(stream, config), speakers)

    def _stream(self, config: LineConfig) -> ByteStream:
        if self.over_tcp:
            from drivers.transport.tcp_stream import TcpStream

            return config.through(TcpStream(config.address))
        from drivers.transport.serial_port import SerialPort

        return config.through(SerialPort(config))


def no_options(given: Mapping[str, object]) -> Mapping[str, object]:
    """For families that have none. Raises ValueError."""
    for key in given:
        raise ValueError(f"{key} is not known: this driver has no options")
    return {}


def whole_unit(given: Unit, low: int, high: int) -> int:
    """Raises ValueError unless `given` is an integer from `low` to `high`."""
    if not isinstance(given, int) or not low <= given <= high:
        raise ValueError(f"{given!r} is not between {low} and {high}")
    return given
