"""The figures of a module's link as a device's readings: a template names them, a line asks for all of them at once.

Between line and model they are 64-bit integers, one a figure in the order of FIGURES; the lowest means "no value".
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.base import Channel, Limits, Point, Reading, Readings, Span
from drivers.template import document, files
from drivers.template.document import KINDS
from drivers.template.section import Section
from protocols.at.figures import LinkFigures, Registration
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE
from protocols.quality import Quality

FOLDER = "nbiot"
SPACE = "link"
# Which figures there are, and in what power of ten they are told.
FIGURES: Mapping[str, int] = {
    "rsrp": -1,
    "rssi": -1,
    "rsrq": -1,
    "snr": -1,
    "tx_power": -1,
    "tx_time": -3,
    "rx_time": -3,
    "cell": 0,
    "ecl": 0,
    "registration": 0,
    "recoveries": 0,
}
_FORM = struct.Struct(f">{len(FIGURES)}q")
_NO_VALUE = -(2**63)
_KEYS = (*document.CHANNEL_KEYS, "figure")


@dataclass(frozen=True)
class LinkModel:
    name: str
    title: Mapping[str, str]
    channels: Sequence[Channel]
    figures: Sequence[str]
    limits: Limits
    city_class: str = ""

    @property
    def points(self) -> Sequence[Point]:
        """All at one place: they come in one answer."""
        return tuple(Point(SPACE, 0, 1, index) for index in range(len(self.channels)))

    def decode(self, span: Span, raw: bytes) -> Readings:  # noqa: ARG002 - there is one span
        numbers = dict(zip(FIGURES, _FORM.unpack(raw), strict=True))
        return Readings.of(
            Reading(index, None, Quality.BAD_NO_DATA)
            if numbers[figure] == _NO_VALUE
            else Reading(index, numbers[figure], Quality.GOOD)
            for index, figure in enumerate(self.figures)
        )


def pack(figures: LinkFigures, rssi_dbm: int | None, registration: Registration, recoveries: int) -> bytes:
    """`rssi_dbm` is that of AT+CSQ, for families that tell no better one."""
    coarse = None if rssi_dbm is None else 10 * rssi_dbm
    numbers = (
        figures.rsrp,
        coarse if figures.rssi is None else figures.rssi,
        figures.rsrq,
        figures.snr,
        figures.tx_power,
        figures.tx_ms,
        figures.rx_ms,
        figures.cell,
        figures.ecl,
        int(registration),
        recoveries,
    )
    return _FORM.pack(*(_NO_VALUE if number is None else number for number in numbers))


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> LinkModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> LinkModel:
    """`source` is named in errors. Raises ModelError."""
    top = document.open_document(text, source)
    head = document.head(top)
    entries = document.channels(top, _KEYS, _entry, lambda entry: entry[0].name)
    limits = Limits({SPACE: 1}, 0)
    channels, figures = (tuple(each) for each in zip(*entries, strict=True))
    return LinkModel(head.name, head.title, channels, figures, limits, head.city_class)


def _entry(section: Section) -> tuple[Channel, str]:
    figure = section.choice("figure", {name: name for name in FIGURES})
    kind = section.choice("kind", KINDS)
    scale = FIGURES[figure]
    if kind is Kind.STATE and scale:
        raise section.wrong("kind", f"cannot be state: {figure} has a fraction")
    tag = I64LE if figure in ("tx_time", "rx_time") else I32LE
    return document.channel(section, kind, tag, scale, highest=255), figure
