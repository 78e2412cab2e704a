"""Device models as TOML: docs/devices.md tells what a template may say, drivers/templates/ holds ours."""

import re
import struct
import tomllib
from decimal import Decimal
from pathlib import Path

from drivers.base import Channel, Limits, ModelError, Number
from drivers.modbus.decode import MAX_I64, Entry
from drivers.modbus.model import RegisterModel
from drivers.modbus.quantities import QUANTITIES
from drivers.modbus.registers import NUMBER_TYPES, ORDERS, NumberType, Scale, Table
from drivers.modbus.section import Section, nearest
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE, MAX_SCALE
from protocols.modbus.pdu import MAX_READ_BITS, MAX_READ_REGISTERS

TOP_KEYS = ("name", "class", "title", "requests", "channel")
REQUEST_KEYS = ("registers", "bits", "gap", "single_writes")
BIT_KEYS = ("name", "title", "quantity", "kind", "table", "address", "writable", "states")
REGISTER_KEYS = (*BIT_KEYS, "unit", "type", "order", "scale", "bit", "width", "sentinels", "limits")

TEMPLATES = Path(__file__).parents[1] / "templates"
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")  # and ".mean" of a window must still fit a birth's 64 characters
CITY_CLASS = re.compile(r"[0-9]{4}")
DEFAULT_GAP = 8  # unwanted registers are cheaper than another request: 16 bytes against 8 and a turn-around
KINDS = {kind.name.lower(): kind for kind in Kind}
TABLES = {table.value: table for table in Table}


def template_names() -> list[str]:
    return sorted(path.stem for path in TEMPLATES.glob("*.toml"))


def load_model(source: str) -> RegisterModel:
    """The template of that name, or the TOML file at that path (it ends in .toml). Raises ModelError."""
    if source.endswith(".toml"):
        try:
            text = Path(source).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{source}: cannot be read: {error}") from None
        return parse_model(text, source)
    names = template_names()
    if source not in names:
        raise ModelError(
            f"no model {source!r}{nearest(source, names)}; there are {', '.join(names)}, or the path of a .toml file"
        )
    return parse_model((TEMPLATES / f"{source}.toml").read_text("utf-8"), f"{source}.toml")


def parse_model(text: str, source: str) -> RegisterModel:
    """`source` is named in errors. Raises ModelError for the first thing that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{source}: not TOML: {error}") from None
    top = Section(source, "", document, TOP_KEYS)
    name = _name(top)
    if top.has("class") and not CITY_CLASS.fullmatch(top.text("class")):
        raise top.wrong("class", "must be four digits, as in a city code")
    requests = Section(source, "requests", document.get("requests", {}), REQUEST_KEYS)
    registers = requests.integer("registers", 1, MAX_READ_REGISTERS, MAX_READ_REGISTERS)
    bits = requests.integer("bits", 1, MAX_READ_BITS, MAX_READ_BITS)
    limits = Limits(
        {table.value: bits if table.is_bits else registers for table in Table},
        requests.integer("gap", 0, MAX_READ_REGISTERS, DEFAULT_GAP),
    )
    tables = top.raw("channel")
    if not isinstance(tables, list) or not tables:
        raise top.wrong("channel", "must be one or more [[channel]] tables")
    entries = [_entry(source, index, table) for index, table in enumerate(tables, 1)]
    seen: set[str] = set()
    for entry in entries:
        if entry.channel.name in seen:
            raise top.wrong("channel", f"stands twice: {entry.channel.name!r}")
        if entry.length > registers and not entry.table.is_bits:
            raise requests.wrong("registers", f"is too small for {entry.channel.name!r} of {entry.length} registers")
        seen.add(entry.channel.name)
    single_writes = requests.boolean("single_writes", True)
    return RegisterModel(name, top.words("title"), entries, limits, top.text("class", ""), single_writes)


def _name(section: Section) -> str:
    name = section.text("name")
    if not NAME.fullmatch(name):
        raise section.wrong("name", f"is {name!r}: small letters, digits and '_', at most 48, a letter first")
    return name


def _entry(source: str, index: int, table: object) -> Entry:
    place = f"channel {index}"
    if isinstance(table, dict) and isinstance(table.get("name"), str):
        place += f" ({table['name']})"
    space = Section(source, place, table, REGISTER_KEYS).choice("table", TABLES)
    if space.is_bits:
        return _bit_entry(Section(source, place, table, BIT_KEYS), space)
    return _register_entry(Section(source, place, table, REGISTER_KEYS), space)


def _bit_entry(section: Section, table: Table) -> Entry:
    if section.choice("kind", KINDS, "state") is not Kind.STATE:
        raise section.wrong("kind", f"must be state in table {table}")
    writable = section.boolean("writable", False)
    if writable and table is not Table.COIL:
        raise section.wrong("writable", f"is not possible in table {table}")
    channel = Channel(
        name=_name(section),
        title=section.words("title"),
        quantity=section.choice("quantity", QUANTITIES),
        unit="",
        kind=Kind.STATE,
        tag=I32LE,
        writable=writable,
        states=_states(section, 1),
    )
    return Entry(channel, table, section.integer("address", 0, 0xFFFF))


def _register_entry(section: Section, table: Table) -> Entry:
    type_name = section.text("type")
    kind_of_number = section.choice("type", NUMBER_TYPES)
    kind = section.choice("kind", KINDS)
    bits = _bits(section, kind_of_number)
    if bits and kind is not Kind.STATE:
        raise section.wrong("kind", "must be state for a bit field")
    scale = _scale(section, kind_of_number, kind)
    if kind is Kind.COUNTER and kind_of_number.is_float:
        raise section.wrong("type", f"is {type_name}, but a counter must be an integer: a float loses its last digits")
    if kind is Kind.STATE and kind_of_number.is_float:
        raise section.wrong("type", f"is {type_name}, but a state must be an integer")
    writable = section.boolean("writable", False)
    if writable and (table is not Table.HOLDING or bits):
        raise section.wrong("writable", "is possible for whole numbers in table holding and for coils")
    address = section.integer("address", 0, 0x10000 - kind_of_number.registers)
    channel = Channel(
        name=_name(section),
        title=section.words("title"),
        quantity=section.choice("quantity", QUANTITIES),
        unit=section.text("unit", ""),
        kind=kind,
        tag=_tag(kind_of_number, scale, bits),
        scale=scale.exponent,
        limits=_limits(section),
        writable=writable,
        states=_states(section, (1 << bits[1]) - 1 if bits else kind_of_number.highest),
    )
    order = section.choice("order", {order: order for order in ORDERS}, "ABCD")
    return Entry(channel, table, address, type_name, order, scale, bits, _sentinels(section, kind_of_number))


def _bits(section: Section, number: NumberType) -> tuple[int, int] | None:
    if not section.has("bit"):
        if section.has("width"):
            raise section.wrong("width", "needs a bit: the lowest of the field")
        return None
    if number.is_float or number.lowest:
        raise section.wrong("bit", "is possible in u16, u32 and u64")
    lowest = section.integer("bit", 0, 16 * number.registers - 1)
    return lowest, section.integer("width", 1, min(31, 16 * number.registers - lowest), 1)


def _scale(section: Section, number: NumberType, kind: Kind) -> Scale:
    factor = section.decimal("scale", "1")
    if factor != 1 and number.is_float:
        raise section.wrong("scale", "is possible for integers: what a float says is its value")
    if factor != 1 and kind is Kind.STATE:
        raise section.wrong("scale", "is not possible for a state")
    try:
        scale = Scale.of(factor)
    except ValueError as error:
        raise section.wrong("scale", f"is {factor}: {error}") from None
    if abs(scale.exponent) > MAX_SCALE or scale.mantissa > MAX_I64 // 0xFFFF:
        raise section.wrong("scale", f"is {factor}: out of range")
    return scale


def _tag(number: NumberType, scale: Scale, bits: tuple[int, int] | None) -> int:
    """The narrowest column that holds all values exactly."""
    if number.is_float:
        return number.tag
    if bits:
        return I32LE
    return I32LE if number.highest * scale.mantissa < 2**31 else I64LE


def _limits(section: Section) -> tuple[Decimal, Decimal] | None:
    if not section.has("limits"):
        return None
    low, high = section.decimals("limits", 2)
    if low > high:
        raise section.wrong("limits", f"are {low} and {high}: the lowest comes first")
    return low, high


def _states(section: Section, highest: int) -> dict[int, dict[str, str]]:
    if not section.has("states"):
        return {}
    table = section.raw("states")
    if not isinstance(table, dict):
        raise section.wrong("states", "must be a table from numbers to words")
    inner = section.inner("states", table)
    for key in table:
        if not (key.isascii() and key.isdigit() and int(key) <= highest):
            raise section.wrong("states", f"has {key!r}, which is no number from 0 to {highest}")
    return {int(key): inner.words(key) for key in table}


def _sentinels(section: Section, number: NumberType) -> frozenset[Number]:
    """Raw bits, such as 0x8000 for the lowest i16, in the order ABCD; NaN needs no mention."""
    if not section.has("sentinels"):
        return frozenset()
    items = section.raw("sentinels")
    size = 2 * number.registers
    if not isinstance(items, list) or not all(type(item) is int and 0 <= item < 1 << 8 * size for item in items):
        raise section.wrong("sentinels", f"must be a list of {8 * size}-bit patterns, such as [0x{'80' * size}]")
    return frozenset(struct.unpack(">" + number.code, item.to_bytes(size, "big"))[0] for item in items)
