"""How an M-Bus meter is reached, as drivers.catalog lists it."""

from dataclasses import replace

from drivers.base import Line, LineConfig, Model, SerialSettings, Unit
from drivers.transport.family import StreamFamily, whole_unit
from drivers.transport.stream import ByteStream


def _load(source: str) -> Model:
    from drivers.mbus.template import load_model

    return load_model(source)


def _speak(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.mbus.line import MbusLine

    return MbusLine(stream)


def _unit(given: Unit) -> Unit:
    """A primary address, or a secondary one as text: "12345678", or with manufacturer, version and medium in hex."""
    from protocols.errors import LocalProtocolError
    from protocols.mbus.codes import HIGHEST_PRIMARY
    from protocols.mbus.header import Secondary

    if isinstance(given, int):
        return whole_unit(given, 0, HIGHEST_PRIMARY)
    try:
        secondary = Secondary.parse(given)
    except LocalProtocolError as error:
        raise ValueError(str(error)) from None
    if "F" in secondary.number:
        raise ValueError(f"{given!r} may be several meters: its first 8 digits must all be given")
    return str(secondary)


SERIAL = StreamFamily(_load, _speak, _unit, SerialSettings(2400, "E", 1))
OVER_TCP = replace(SERIAL, over_tcp=True)
