"""Models of devices that speak in lines, as TOML: docs/protocols/lines.md tells what a template may say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.base import Channel, Limits, Nonsense, Point, Readings, Span
from drivers.lines.sentence import Sentence, compiled
from drivers.template import document, files
from drivers.template.section import Section
from drivers.template.told import TOLD_KEYS, Told, told_channel
from protocols.errors import LocalProtocolError, RemoteProtocolError

FOLDER = "lines"
TOP_KEYS = (*document.TOP_KEYS, "framing", "sentence")
SENTENCE_KEYS = ("name", "pattern", "prompt", "every_s")
CHANNEL_KEYS = (*TOLD_KEYS, "sentence", "field")
FRAMINGS = {"plain": False, "nmea": True}
MAX_SENTENCES = 16
MAX_EVERY_S = 3600


@dataclass(frozen=True)
class Entry:
    """Channel `told` is `field` of `sentence`."""

    told: Told
    sentence: Sentence
    field: str


class LinesModel:
    def __init__(self, name: str, title: Mapping[str, str], entries: Sequence[Entry], city_class: str = "") -> None:
        self.name = name
        self.title = title
        self.city_class = city_class
        self.entries = tuple(entries)
        self.channels: tuple[Channel, ...] = tuple(entry.told.channel for entry in entries)
        self.points: tuple[Point, ...] = tuple(
            Point(entry.sentence, 0, 1, index) for index, entry in enumerate(entries)
        )
        self.limits = Limits({entry.sentence: 1 for entry in entries}, 0)

    def decode(self, span: Span, raw: bytes) -> Readings:
        """Raises Nonsense."""
        assert isinstance(span.space, Sentence)  # noqa: S101
        try:
            values = compiled(span.space.pattern, None).parse(raw) or {}
        except RemoteProtocolError as error:
            raise Nonsense(str(error)) from None
        return Readings.of(
            entry.told.reading(index, values.get(entry.field))
            for index, entry in enumerate(self.entries)
            if entry.sentence == span.space
        )


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> LinesModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> LinesModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source, TOP_KEYS)
    head = document.head(top)
    nmea = top.choice("framing", FRAMINGS, "plain")
    sentences = _sentences(top, nmea)
    entries = document.channels(
        top, CHANNEL_KEYS, lambda section: _entry(section, sentences), lambda entry: entry.told.channel.name
    )
    return LinesModel(head.name, head.title, entries, head.city_class)


def _sentences(top: Section, nmea: bool) -> dict[str, Sentence]:
    tables = top.raw("sentence")
    if not isinstance(tables, list) or not 1 <= len(tables) <= MAX_SENTENCES:
        raise top.wrong("sentence", f"must be one to {MAX_SENTENCES} [[sentence]] tables")
    found: dict[str, Sentence] = {}
    for index, table in enumerate(tables, 1):
        sentence = _sentence(top.beside(f"sentence {index}", table, SENTENCE_KEYS), nmea)
        if sentence in found:
            raise top.wrong("sentence", f"stands twice: {str(sentence)!r}")
        found[sentence] = sentence
    return found


def _sentence(section: Section, nmea: bool) -> Sentence:
    prompt = section.text("prompt") if section.has("prompt") else None
    if section.has("every_s") == (prompt is not None):
        raise section.wrong("every_s", "or a prompt, and not both: a line comes of itself, or when it is asked for")
    every_s = float(section.decimal("every_s", "0"))
    if prompt is None and not 0 < every_s <= MAX_EVERY_S:
        raise section.wrong("every_s", f"must be more than 0 and at most {MAX_EVERY_S}")
    try:
        return Sentence.of(document.name(section), section.text("pattern"), prompt, every_s, nmea=nmea)
    except LocalProtocolError as error:
        raise section.wrong("pattern", f"cannot be used: {error}") from None


def _entry(section: Section, sentences: Mapping[str, Sentence]) -> Entry:
    told = told_channel(section)
    field = section.text("field", told.channel.name)
    if section.has("sentence") or len(sentences) == 1:
        sentence = section.choice("sentence", sentences, next(iter(sentences)))
    else:
        holding = [each for each in sentences.values() if field in compiled(each.pattern, None).names]
        if len(holding) != 1:
            raise section.wrong("sentence", f"is missing: {len(holding)} sentences have a field {field!r}")
        (sentence,) = holding
    if field not in compiled(sentence.pattern, None).names:
        raise section.wrong("field", f"is {field!r}, which sentence {str(sentence)!r} does not have")
    return Entry(told, sentence, field)
