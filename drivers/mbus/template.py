"""M-Bus meters as TOML: docs/protocols/mbus.md tells what one may say, drivers/templates/mbus holds ours."""

from drivers.mbus.model import STATUS, Entry, MeterModel, Selector
from drivers.template import document, files
from drivers.template.document import KINDS
from drivers.template.scale import Scale
from drivers.template.section import Section
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE
from protocols.mbus.codes import Function
from protocols.mbus.fixed import UNITS as FIXED
from protocols.mbus.vif import FIRST, PRIMARY, SECOND, Data

FOLDER = "mbus"
TOP_KEYS = (*document.TOP_KEYS, "telegrams")
CHANNEL_KEYS = (
    *document.CHANNEL_KEYS,
    "record",
    "scale",
    "function",
    "storage",
    "tariff",
    "subunit",
    "modifiers",
    "bit",
    "width",
)
MOST_TELEGRAMS = 10
MOST_STORAGE, MOST_TARIFF, MOST_SUBUNIT = 2**41 - 1, 2**20 - 1, 2**10 - 1  # what 10 DIFE hold
STATE_BITS = 31

# What a channel's unit is in a record's, and the power of ten between them. Units that are not here are their own.
UNITS = {
    "kWh": ("Wh", 3),
    "MWh": ("Wh", 6),
    "kJ": ("J", 3),
    "MJ": ("J", 6),
    "GJ": ("J", 9),
    "l": ("m3", -3),
    "t": ("kg", 3),
    "kW": ("W", 3),
    "MW": ("W", 6),
    "l/h": ("m3/h", -3),
    "Pa": ("bar", -5),
    "kPa": ("bar", -2),
    "MPa": ("bar", 1),
    "mA": ("A", -3),
    "kvar": ("var", 3),
    "kvarh": ("varh", 3),
    "kVA": ("VA", 3),
    "kVAh": ("VAh", 3),
}
RECORDS = {
    name: name
    for name in sorted(
        {STATUS, "manufacturer", "text"}
        | {info.quantity for table in (PRIMARY, SECOND, FIRST) for info in table.values() if info.data is not Data.DATE}
        | {quantity for quantity, _, _ in FIXED.values()}
    )
}
FUNCTIONS = {function.name.lower(): function for function in Function}


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> MeterModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> MeterModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source, TOP_KEYS)
    head = document.head(top)
    telegrams = top.integer("telegrams", 1, MOST_TELEGRAMS, MOST_TELEGRAMS)
    entries = document.channels(top, CHANNEL_KEYS, _entry, lambda entry: entry.channel.name)
    return MeterModel(head.name, head.title, entries, telegrams, head.city_class)


def _entry(section: Section) -> Entry:
    kind = section.choice("kind", KINDS)
    scale = document.scale(section, kind)
    if scale.mantissa != 1:
        raise section.wrong("scale", "must be a power of ten, as a record's is")
    bits = _bits(section, kind)
    tag = I32LE if kind is Kind.STATE or _narrow(section, scale) else I64LE
    highest = (1 << (bits[1] if bits else STATE_BITS)) - 1
    channel = document.channel(section, kind, tag, scale.exponent, highest=highest)
    unit, exponent = UNITS.get(channel.unit, (channel.unit, 0))
    return Entry(channel, _selector(section, unit), -exponent - scale.exponent, bits)


def _narrow(section: Section, scale: Scale) -> bool:
    """Whether all that is plausible fits 32 bits."""
    limits = document.limits(section)
    return limits is not None and max(map(abs, limits)).scaleb(-scale.exponent) < 1 << 31


def _selector(section: Section, unit: str) -> Selector:
    try:
        modifiers = bytes.fromhex(section.text("modifiers", ""))
    except ValueError:
        raise section.wrong("modifiers", "must be bytes in hex, without their extension bits, as in '7F 01'") from None
    return Selector(
        section.choice("record", RECORDS),
        unit,
        section.choice("function", FUNCTIONS, "instantaneous"),
        section.integer("storage", 0, MOST_STORAGE, 0),
        section.integer("tariff", 0, MOST_TARIFF, 0),
        section.integer("subunit", 0, MOST_SUBUNIT, 0),
        modifiers,
    )


def _bits(section: Section, kind: Kind) -> tuple[int, int] | None:
    if not section.has("bit"):
        if section.has("width"):
            raise section.wrong("width", "needs a bit: the lowest of the field")
        return None
    if kind is not Kind.STATE:
        raise section.wrong("bit", "is possible for a state")
    lowest = section.integer("bit", 0, 63)
    return lowest, section.integer("width", 1, min(STATE_BITS, 64 - lowest), 1)
