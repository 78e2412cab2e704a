"""DL/T 645 meters as TOML: docs/protocols/meters.md tells what one may say, drivers/templates/dlt645 holds ours."""

import re

from drivers.dlt645.model import HOLE, Entry, MeterModel
from drivers.template import document, files
from drivers.template.bcd_number import bcd_number
from drivers.template.document import KINDS
from drivers.template.section import Section
from protocols.edge.birth import Kind

FOLDER = "dlt645"
TOP_KEYS = (*document.TOP_KEYS, "block")
BLOCK_KEYS = ("di", "first")
CHANNEL_KEYS = (*document.CHANNEL_KEYS, "di", "format", "signed")
DI = re.compile(r"[0-9A-F]{8}")


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> MeterModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> MeterModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source, TOP_KEYS)
    head = document.head(top)
    firsts = _blocks(top)
    entries = document.channels(
        top, CHANNEL_KEYS, lambda section: _entry(section, firsts), lambda entry: entry.channel.name
    )
    sizes: dict[str, Entry] = {}
    for entry in entries:
        other = sizes.setdefault(entry.space, entry)
        if other.format.length != entry.format.length:
            raise top.wrong("channel", f"{entry.channel.name!r} is longer or shorter than {other.channel.name!r}, "
                                       "which is in the same block")  # fmt: skip
    return MeterModel(head.name, head.title, entries, firsts, head.city_class)


def _blocks(top: Section) -> dict[str, int]:
    """The first datum of each block by its space."""
    tables = top.raw("block") if top.has("block") else []
    if not isinstance(tables, list):
        raise top.wrong("block", "must be [[block]] tables")
    firsts: dict[str, int] = {}
    for index, table in enumerate(tables, 1):
        section = top.beside(f"block {index}", table, BLOCK_KEYS)
        di = _di(section)
        pairs = [di[at : at + 2] for at in range(0, 8, 2)]
        if pairs.count("FF") != 1:
            raise section.wrong("di", f"is {di!r}: a block has one byte FF, as in 0201FF00")
        space = "".join(HOLE if pair == "FF" else pair for pair in pairs)
        if space in firsts:
            raise section.wrong("di", f"stands twice: {di!r}")
        firsts[space] = section.integer("first", 0, 0xFE)
    return firsts


def _entry(section: Section, firsts: dict[str, int]) -> Entry:
    kind = section.choice("kind", KINDS)
    signed = section.boolean("signed", False)
    if signed and kind is Kind.COUNTER:
        raise section.wrong("signed", "is not possible for a counter")
    channel, form = bcd_number(section, kind, signed=signed)
    di = _di(section)
    for space, first in firsts.items():
        at = space.index(HOLE)
        item = int(di[at : at + 2], 16)
        if di[:at] == space[:at] and di[at + 2 :] == space[at + 2 :]:
            if item < first:
                raise section.wrong("di", f"is {di!r}, ahead of the first datum of its block, {first:02X}")
            return Entry(channel, form, space, item)
    return Entry(channel, form, di)


def _di(section: Section) -> str:
    di = section.text("di")
    if not DI.fullmatch(di):
        raise section.wrong("di", f"is {di!r}: eight digits 0 to F, the highest first, as in 00010000")
    return di
