"""How a DL/T 645 meter is reached, as drivers.catalog lists it."""

from dataclasses import replace

from drivers.base import Line, LineConfig, Model, SerialSettings, Unit
from drivers.transport.family import StreamFamily
from drivers.transport.stream import ByteStream


def _load(source: str) -> Model:
    from drivers.dlt645.template import load_model

    return load_model(source)


def _speak(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.dlt645.line import Dlt645Line

    return Dlt645Line(stream)


def _unit(given: Unit) -> Unit:
    # Neither AA nor all 9: an answer must come from the meter that was asked.
    if not isinstance(given, str) or len(given) != 12 or not (given.isascii() and given.isdigit()):
        raise ValueError(f'{given!r} is not the address of a meter: 12 digits as a text, as in "000000000161"')
    return given


SERIAL = StreamFamily(_load, _speak, _unit, SerialSettings(2400, "E", 1))
OVER_TCP = replace(SERIAL, over_tcp=True)
