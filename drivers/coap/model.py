"""Models of devices that send SenML, as TOML: docs/protocols/coap.md tells what a template may say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.base import Channel
from drivers.template import document, files
from drivers.template.section import Section
from drivers.template.told import TOLD_KEYS, Told, told_channel

FOLDER = "coap"
CHANNEL_KEYS = (*TOLD_KEYS, "record", "field", "sent_unit")
FIELDS = {"value": "value", "sum": "sum"}


@dataclass(frozen=True)
class Entry:
    """Channel `told` is what records named `record` (below the device's name) say in `field`, in `sent_unit`."""

    told: Told
    record: str
    field: str
    sent_unit: str


class SenmlModel:
    def __init__(self, name: str, title: Mapping[str, str], entries: Sequence[Entry], city_class: str = "") -> None:
        self.name = name
        self.title = title
        self.city_class = city_class
        self.entries = tuple(entries)
        self.channels: tuple[Channel, ...] = tuple(entry.told.channel for entry in entries)
        by_record: dict[str, list[int]] = {}
        for index, entry in enumerate(entries):
            by_record.setdefault(entry.record, []).append(index)
        self.by_record: Mapping[str, Sequence[int]] = by_record


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> SenmlModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> SenmlModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source)
    head = document.head(top)
    entries = document.channels(top, CHANNEL_KEYS, _entry, lambda entry: entry.told.channel.name)
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.record, entry.field) in seen:
            raise top.wrong("channel", f"stands twice for the {entry.field} of record {entry.record!r}")
        seen.add((entry.record, entry.field))
    return SenmlModel(head.name, head.title, entries, head.city_class)


def _entry(section: Section) -> Entry:
    told = told_channel(section)
    record = section.text("record", "") if section.has("record") else told.channel.name
    sent_unit = section.text("sent_unit", "") if section.has("sent_unit") else told.channel.unit
    return Entry(told, record, section.choice("field", FIELDS, "value"), sent_unit)
