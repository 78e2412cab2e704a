"""CJ/T 188 meters as TOML: docs/protocols/meters.md tells what one may say, drivers/templates/cjt188 holds ours."""

from drivers.cjt188.model import Bits, Entry, Number, RecordModel
from drivers.template import document, files
from drivers.template.bcd_number import bcd_number
from drivers.template.document import KINDS
from drivers.template.section import Section
from protocols.cjt188.frame import MOST_DATA, TYPES
from protocols.cjt188.messages import METERING
from protocols.cjt188.units import CODES
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE

FOLDER = "cjt188"
TOP_KEYS = (*document.TOP_KEYS, "type")
CHANNEL_KEYS = (*document.CHANNEL_KEYS, "di", "at", "format", "unit_at", "bit", "width")


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> RecordModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> RecordModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source, TOP_KEYS)
    head = document.head(top)
    meter_type = top.integer("type", TYPES.start, TYPES.stop - 1)
    entries = document.channels(top, CHANNEL_KEYS, _entry, lambda entry: entry.channel.name)
    return RecordModel(head.name, head.title, entries, meter_type, head.city_class)


def _entry(section: Section) -> Entry:
    di = section.integer("di", 0, 0xFFFF, METERING)
    return _bits(section, di) if section.has("bit") else _number(section, di)


def _bits(section: Section, di: int) -> Entry:
    for key in ("format", "unit_at", "unit", "limits", "rollover"):
        if section.has(key):
            raise section.wrong(key, "is not possible for bits")
    if section.choice("kind", KINDS) is not Kind.STATE:
        raise section.wrong("kind", "must be state for bits")
    lowest = section.integer("bit", 0, 7)
    width = section.integer("width", 1, 8 - lowest, 1)
    channel = document.channel(section, Kind.STATE, I32LE, highest=(1 << width) - 1)
    return Entry(channel, di, Bits(section.integer("at", 0, MOST_DATA - 1), lowest, width))


def _number(section: Section, di: int) -> Entry:
    if section.has("width"):
        raise section.wrong("width", "needs a bit: the lowest of the field")
    kind = section.choice("kind", KINDS)
    channel, form = bcd_number(section, kind)
    at = section.integer("at", 0, MOST_DATA - form.length)
    if not section.has("unit_at"):
        return Entry(channel, di, Number(at, form))
    unit_at = section.integer("unit_at", 0, MOST_DATA - 1)
    return Entry(channel, di, Number(at, form, unit_at, section.choice("unit", CODES)))
