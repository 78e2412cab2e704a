"""Channels whose device tells decimal numbers or words, not bits: how a template describes them, how they are read.

All travel as integers with a decimal scale, so what the device told is what arrives, to the last decimal declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TypeAlias

from drivers.base import Channel, Reading
from drivers.template import document
from drivers.template.section import Section
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE
from protocols.quality import Quality

TOLD_KEYS = (*document.CHANNEL_KEYS, "decimals", "factor", "words", "absent")
MAX_DECIMALS = 9
MAX_MAGNITUDE = 30  # powers of ten, either way: beyond every column, and bounds the arithmetic
MAX_STATE = 2**31 - 1
_EXACT = Context(prec=200)

Value: TypeAlias = int | Decimal | str | bool


@dataclass(frozen=True)
class Told:
    """`factor` turns what is told into the channel's unit. `words` are what a state may be called; `absent` are the
    words and numbers that mean "no value"."""

    channel: Channel
    factor: Decimal = Decimal(1)
    words: Mapping[str, int] = field(default_factory=dict)
    absent: frozenset[str | Decimal] = frozenset()

    def reading(self, index: int, value: Value | None) -> Reading:
        """What `value` says of channel `index`; one that says nothing has no value, and the reason as quality."""
        if value is None or value in self.absent:
            return Reading(index, None, Quality.BAD_NO_DATA)
        if isinstance(value, str):
            if value in self.words:
                return Reading(index, self.words[value], Quality.GOOD)
            number = _number(value)
            if number is None:
                return Reading(index, None, Quality.BAD_CONFIGURATION_ERROR)
            value = number
        number = Decimal(value)
        if number in self.absent:
            return Reading(index, None, Quality.BAD_NO_DATA)
        if number and abs(number.adjusted()) > MAX_MAGNITUDE:
            # Too small to be anything but 0 is 0; too large fits nowhere.
            small = number.adjusted() < 0
            return Reading(index, 0, Quality.GOOD) if small else Reading(index, None, Quality.BAD_OUT_OF_RANGE)
        if self.channel.kind is Kind.STATE and number != number.to_integral_value():
            return Reading(index, None, Quality.BAD_CONFIGURATION_ERROR)
        counts = _EXACT.scaleb(_EXACT.multiply(number, self.factor), -self.channel.scale)
        return Reading(index, int(counts.to_integral_value(ROUND_HALF_EVEN)), Quality.GOOD)


def told_channel(section: Section) -> Told:
    """The channel that a [[channel]] table with TOLD_KEYS describes. Raises ModelError."""
    kind = section.choice("kind", document.KINDS)
    decimals = section.integer("decimals", 0, MAX_DECIMALS, 0)
    if decimals and kind is Kind.STATE:
        raise section.wrong("decimals", "are not possible for a state")
    limits = document.limits(section)
    if kind is Kind.STATE:
        tag = I32LE
    elif limits is None:
        tag = I64LE
    else:
        tag = document.whole_number_tag(int(max(map(abs, limits)).scaleb(decimals)) + 1)
    factor = section.decimal("factor", "1")
    if factor <= 0:
        raise section.wrong("factor", f"is {factor}: it must be more than 0")
    channel = document.channel(section, kind, tag, -decimals, highest=MAX_STATE)
    return Told(channel, factor, _words(section, kind), _absent(section))


def _words(section: Section, kind: Kind) -> dict[str, int]:
    if not section.has("words"):
        return {}
    if kind is not Kind.STATE:
        raise section.wrong("words", "are possible for a state")
    table = section.raw("words")
    if not isinstance(table, dict):
        raise section.wrong("words", "must be a table from words to numbers")
    inner = section.inner("words", table)
    return {word: inner.integer(word, 0, MAX_STATE) for word in table}


def _absent(section: Section) -> frozenset[str | Decimal]:
    if not section.has("absent"):
        return frozenset()
    items = section.raw("absent")
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise section.wrong("absent", 'must be a list of texts, such as ["---", "-999.9"]')
    return frozenset(items) | {number for item in items if (number := _number(item)) is not None}


def _number(text: str) -> Decimal | None:
    """`text` as a finite number of at most 40 characters."""
    try:
        number = Decimal(text.strip()) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
