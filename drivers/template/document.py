"""What every template says, whatever the family: a name, a title, a class, and a list of channels."""

import re
import tomllib
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import NamedTuple, TypeVar

from drivers.base import Channel, ModelError
from drivers.template.quantities import QUANTITIES
from drivers.template.scale import Scale
from drivers.template.section import Section
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE, MAX_SCALE

NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")  # and ".mean" of a window must still fit a birth's 64 characters
CITY_CLASS = re.compile(r"[0-9]{4}")
KINDS = {kind.name.lower(): kind for kind in Kind}
TOP_KEYS = ("name", "class", "title", "channel")
CHANNEL_KEYS = ("name", "title", "quantity", "unit", "kind", "limits", "states", "rollover")
MAX_I64 = 2**63 - 1

T = TypeVar("T")


class Head(NamedTuple):
    """`city_class` is the four-digit class of the city code that such devices carry, or empty."""

    name: str
    title: dict[str, str]
    city_class: str


def open_document(text: str, source: str, known: Collection[str] = TOP_KEYS) -> Section:
    """The whole template; `source` is named in errors. Raises ModelError."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of hundreds of brackets
        raise ModelError(f"{source}: not TOML: {error}") from None
    return Section(source, "", document, known)


def head(top: Section) -> Head:
    if top.has("class") and not CITY_CLASS.fullmatch(top.text("class")):
        raise top.wrong("class", "must be four digits, as in a city code")
    return Head(name(top), top.words("title"), top.text("class", ""))


def channels(
    top: Section, known: Collection[str], read: Callable[[Section], T], name_of: Callable[[T], str]
) -> list[T]:
    """Each [[channel]] table by `read`. Raises ModelError for none, and for a name that stands twice."""
    tables = top.raw("channel")
    if not isinstance(tables, list) or not tables:
        raise top.wrong("channel", "must be one or more [[channel]] tables")
    found = [read(_channel_section(top, index, table, known)) for index, table in enumerate(tables, 1)]
    seen: set[str] = set()
    for each in map(name_of, found):
        if each in seen:
            raise top.wrong("channel", f"stands twice: {each!r}")
        seen.add(each)
    return found


def _channel_section(top: Section, index: int, table: object, known: Collection[str]) -> Section:
    place = f"channel {index}"
    if isinstance(table, dict) and isinstance(table.get("name"), str):
        place += f" ({table['name']})"
    return top.beside(place, table, known)


def name(section: Section) -> str:
    found = section.text("name")
    if not NAME.fullmatch(found):
        raise section.wrong("name", f"is {found!r}: small letters, digits and '_', at most 48, a letter first")
    return found


def channel(section: Section, kind: Kind, tag: int, scale: int = 0, *, highest: int, writable: bool = False) -> Channel:
    """The channel with all that CHANNEL_KEYS say. `highest` is the largest number a state may have."""
    return Channel(
        name=name(section),
        title=section.words("title"),
        quantity=section.choice("quantity", QUANTITIES),
        unit=section.text("unit", ""),
        kind=kind,
        tag=tag,
        scale=scale,
        limits=limits(section),
        writable=writable,
        states=states(section, highest),
        rollover=rollover(section, kind),
    )


def whole_number_tag(highest: int) -> int:
    """The narrowest column that holds all integers up to `highest` in size."""
    return I32LE if highest < 2**31 else I64LE


def scale(section: Section, kind: Kind) -> Scale:
    factor = section.decimal("scale", "1")
    if factor != 1 and kind is Kind.STATE:
        raise section.wrong("scale", "is not possible for a state")
    try:
        found = Scale.of(factor)
    except ValueError as error:
        raise section.wrong("scale", f"is {factor}: {error}") from None
    if abs(found.exponent) > MAX_SCALE or found.mantissa > MAX_I64 // 0xFFFF:
        raise section.wrong("scale", f"is {factor}: out of range")
    return found


def limits(section: Section) -> tuple[Decimal, Decimal] | None:
    if not section.has("limits"):
        return None
    low, high = section.decimals("limits", 2)
    if low > high:
        raise section.wrong("limits", f"are {low} and {high}: the lowest comes first")
    return low, high


def rollover(section: Section, kind: Kind) -> int | None:
    if not section.has("rollover"):
        return None
    if kind is not Kind.COUNTER:
        raise section.wrong("rollover", "is possible for a counter: the count at which it begins again at 0")
    return section.integer("rollover", 1, MAX_I64)


def states(section: Section, highest: int) -> dict[int, dict[str, str]]:
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
