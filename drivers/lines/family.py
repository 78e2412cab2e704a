"""The two ways to reach a device that speaks in lines, as drivers.catalog lists them."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.base import Line, LineConfig, SerialSettings, Unit
from drivers.transport.family import StreamFamily
from drivers.transport.stream import ByteStream

if TYPE_CHECKING:
    from drivers.lines.model import LinesModel

_UNIT = re.compile(r"[!-~]{1,16}")


def _load(source: str) -> "LinesModel":
    from drivers.lines.model import load_model

    return load_model(source)


def _speak(stream: ByteStream, _: LineConfig) -> Line:
    from drivers.lines.line import TextLine

    return TextLine(stream)


def _unit(given: Unit) -> Unit:
    if not _UNIT.fullmatch(str(given)):
        raise ValueError(f"{given!r} is not 1 to 16 printable ASCII characters without blanks")
    return given


SERIAL = StreamFamily(_load, _speak, _unit, SerialSettings(9600, "N", 1))
OVER_TCP = replace(SERIAL, over_tcp=True)
