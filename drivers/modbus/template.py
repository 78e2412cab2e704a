"""Device models as TOML: docs/devices.md tells what a template may say, drivers/templates/modbus holds ours."""

import struct

from drivers.base import Channel, Limits, Number
from drivers.modbus.decode import Entry
from drivers.modbus.model import RegisterModel
from drivers.modbus.registers import NUMBER_TYPES, ORDERS, NumberType, Table
from drivers.template import document, files
from drivers.template.document import KINDS
from drivers.template.quantities import QUANTITIES
from drivers.template.scale import Scale
from drivers.template.section import Section
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE
from protocols.modbus.pdu import MAX_READ_BITS, MAX_READ_REGISTERS

FOLDER = "modbus"
TOP_KEYS = (*document.TOP_KEYS, "requests")
REQUEST_KEYS = ("registers", "bits", "gap", "single_writes")
BIT_KEYS = ("name", "title", "quantity", "kind", "table", "address", "writable", "states")
REGISTER_KEYS = (
    *document.CHANNEL_KEYS,
    "table",
    "address",
    "writable",
    "type",
    "order",
    "scale",
    "bit",
    "width",
    "sentinels",
    "absent",
)

DEFAULT_GAP = 8  # unwanted registers are cheaper than another request: 16 bytes against 8 and a turn-around
TABLES = {table.value: table for table in Table}


def template_names() -> list[str]:
    return files.names(FOLDER)


def load_model(source: str) -> RegisterModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    return parse_model(*files.read(FOLDER, source))


def parse_model(text: str, source: str) -> RegisterModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    top = document.open_document(text, source, TOP_KEYS)
    head = document.head(top)
    requests = top.inner("requests", REQUEST_KEYS) if top.has("requests") else top.beside("requests", {}, REQUEST_KEYS)
    registers = requests.integer("registers", 1, MAX_READ_REGISTERS, MAX_READ_REGISTERS)
    bits = requests.integer("bits", 1, MAX_READ_BITS, MAX_READ_BITS)
    limits = Limits(
        {table.value: bits if table.is_bits else registers for table in Table},
        requests.integer("gap", 0, MAX_READ_REGISTERS, DEFAULT_GAP),
    )
    entries = document.channels(top, REGISTER_KEYS, _entry, lambda entry: entry.channel.name)
    for entry in entries:
        if entry.length > registers and not entry.table.is_bits:
            raise requests.wrong("registers", f"is too small for {entry.channel.name!r} of {entry.length} registers")
    single_writes = requests.boolean("single_writes", True)
    return RegisterModel(head.name, head.title, entries, limits, head.city_class, single_writes)


def _entry(section: Section) -> Entry:
    table = section.choice("table", TABLES)
    if table.is_bits:
        section.allow(BIT_KEYS)
        return _bit_entry(section, table)
    return _register_entry(section, table)


def _bit_entry(section: Section, table: Table) -> Entry:
    if section.choice("kind", KINDS, "state") is not Kind.STATE:
        raise section.wrong("kind", f"must be state in table {table}")
    writable = section.boolean("writable", False)
    if writable and table is not Table.COIL:
        raise section.wrong("writable", f"is not possible in table {table}")
    channel = Channel(
        name=document.name(section),
        title=section.words("title"),
        quantity=section.choice("quantity", QUANTITIES),
        unit="",
        kind=Kind.STATE,
        tag=I32LE,
        writable=writable,
        states=document.states(section, 1),
    )
    return Entry(channel, table, section.integer("address", 0, 0xFFFF))


def _register_entry(section: Section, table: Table) -> Entry:
    type_name = section.text("type")
    kind_of_number = section.choice("type", NUMBER_TYPES)
    kind = section.choice("kind", KINDS)
    bits = _bits(section, kind_of_number)
    if bits and kind is not Kind.STATE:
        raise section.wrong("kind", "must be state for a bit field")
    if kind_of_number.is_float and section.decimal("scale", "1") != 1:
        raise section.wrong("scale", "is possible for integers: what a float says is its value")
    scale = document.scale(section, kind)
    if kind is Kind.COUNTER and kind_of_number.is_float:
        raise section.wrong("type", f"is {type_name}, but a counter must be an integer: a float loses its last digits")
    if kind is Kind.STATE and kind_of_number.is_float:
        raise section.wrong("type", f"is {type_name}, but a state must be an integer")
    writable = section.boolean("writable", False)
    if writable and (table is not Table.HOLDING or bits):
        raise section.wrong("writable", "is possible for whole numbers in table holding and for coils")
    address = section.integer("address", 0, 0x10000 - kind_of_number.registers)
    channel = document.channel(
        section,
        kind,
        _tag(kind_of_number, scale, bits),
        scale.exponent,
        highest=(1 << bits[1]) - 1 if bits else kind_of_number.highest,
        writable=writable,
    )
    order = section.choice("order", {order: order for order in ORDERS}, "ABCD")
    sentinels, absent = (_patterns(section, key, kind_of_number) for key in ("sentinels", "absent"))
    return Entry(channel, table, address, type_name, order, scale, bits, sentinels, absent)


def _bits(section: Section, number: NumberType) -> tuple[int, int] | None:
    if not section.has("bit"):
        if section.has("width"):
            raise section.wrong("width", "needs a bit: the lowest of the field")
        return None
    if number.is_float or number.lowest:
        raise section.wrong("bit", "is possible in u16, u32 and u64")
    lowest = section.integer("bit", 0, 16 * number.registers - 1)
    return lowest, section.integer("width", 1, min(31, 16 * number.registers - lowest), 1)


def _tag(number: NumberType, scale: Scale, bits: tuple[int, int] | None) -> int:
    if number.is_float:
        return number.tag
    return I32LE if bits else document.whole_number_tag(number.highest * scale.mantissa)


def _patterns(section: Section, key: str, number: NumberType) -> frozenset[Number]:
    """Raw bits, such as 0x8000 for the lowest i16, in the order ABCD; NaN needs no mention."""
    if not section.has(key):
        return frozenset()
    items = section.raw(key)
    size = 2 * number.registers
    if not isinstance(items, list) or not all(type(item) is int and 0 <= item < 1 << 8 * size for item in items):
        raise section.wrong(key, f"must be a list of {8 * size}-bit patterns, such as [0x{'80' * size}]")
    return frozenset(struct.unpack(">" + number.code, item.to_bytes(size, "big"))[0] for item in items)
