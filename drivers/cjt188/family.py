"""How a CJ/T 188 meter is reached, as drivers.catalog lists it."""

import re
from dataclasses import replace

from drivers.base import Line, LineConfig, Model, SerialSettings, Unit
from drivers.transport.family import StreamFamily
from drivers.transport.stream import ByteStream

_ADDRESS = re.compile(r"[0-9A-Fa-f]{14}", re.ASCII)


def _load(source: str) -> Model:
    from drivers.cjt188.template import load_model

    return load_model(source)


def _speak(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.cjt188.line import Cjt188Line

    return Cjt188Line(stream)


def _unit(given: Unit) -> Unit:
    # Not AA throughout: an answer must come from the meter that was asked.
    if not isinstance(given, str) or not _ADDRESS.fullmatch(given) or set(given.upper()) == {"A"}:
        raise ValueError(f'{given!r} is not the address of a meter: 14 digits as a text, as in "78330011223344"')
    return given.upper()


SERIAL = StreamFamily(_load, _speak, _unit, SerialSettings(2400, "E", 1))
OVER_TCP = replace(SERIAL, over_tcp=True)
