"""A whole span decoded at once: the bytes are brought in order by one gather, unpacked by one struct."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from struct import Struct
from typing import NamedTuple

import numpy as np

from drivers.base import Channel, Nonsense, Number, Reading, Span
from drivers.modbus.registers import NUMBER_TYPES, Scale, Table, byte_order
from protocols.quality import Quality

MAX_I64 = 2**63 - 1

Decode = Callable[[bytes], list[Reading]]

# Reading(*fields) through NamedTuple's own __new__ takes three times as long, and there are thousands a second.
_reading: Callable[[tuple[int, Number | None, int]], Reading] = partial(tuple.__new__, Reading)


class Entry(NamedTuple):
    """Where a channel stands, and how. `bits` is (lowest, width) inside an integer; `sentinels` are raw values.

    In the tables of bits, `type` is empty.
    """

    channel: Channel
    table: Table
    address: int
    type: str = ""
    order: str = "ABCD"
    scale: Scale = Scale(1, 0)
    bits: tuple[int, int] | None = None
    sentinels: frozenset[Number] = frozenset()

    @property
    def length(self) -> int:
        return NUMBER_TYPES[self.type].registers if self.type else 1


def compile_span(entries: Sequence[tuple[int, Entry]], span: Span) -> Decode:
    """A function from the bytes of `span` to readings of those (channel index, entry) that lie whole in it."""
    inside = [
        (index, entry)
        for index, entry in entries
        if entry.table == span.space
        and span.address <= entry.address
        and entry.address + entry.length <= span.address + span.length
    ]
    if Table(span.space).is_bits:
        return _compile_bits(inside, span)
    return _compile_registers(inside, span)


def _compile_bits(inside: list[tuple[int, Entry]], span: Span) -> Decode:
    expected = (span.length + 7) // 8
    places = [(index, entry.address - span.address) for index, entry in inside]

    def decode(raw: bytes) -> list[Reading]:
        _check_length(span, raw, expected)
        whole = int.from_bytes(raw, "little")
        return [Reading(index, whole >> offset & 1, Quality.GOOD) for index, offset in places]

    return decode


def _compile_registers(inside: list[tuple[int, Entry]], span: Span) -> Decode:
    expected = 2 * span.length
    # Channels that share a number (the bits of a status word) share its field.
    fields: dict[tuple[int, str, str], int] = {}
    sources = [fields.setdefault((entry.address, entry.type, entry.order), len(fields)) for _, entry in inside]
    gather = np.array(
        [
            2 * (address - span.address) + byte
            for address, kind, order in fields
            for byte in byte_order(order, NUMBER_TYPES[kind].registers)
        ],
        dtype=np.intp,
    )
    unpack = Struct("<" + "".join(NUMBER_TYPES[kind].code for _, kind, _ in fields)).unpack
    indexes = [index for index, _ in inside]
    repairs = [
        (position, sources[position], repair)
        for position, (index, entry) in enumerate(inside)
        if (repair := _repair(index, entry)) is not None
    ]
    direct = sources == list(range(len(fields)))
    # A float without sentinels needs repair only if it is not finite, and one sum tells that of all of them.
    floats = [
        one for one in repairs if NUMBER_TYPES[inside[one[0]][1].type].is_float and not inside[one[0]][1].sentinels
    ]
    others = [one for one in repairs if one not in floats]

    def decode(raw: bytes) -> list[Reading]:
        _check_length(span, raw, expected)
        numbers = unpack(np.frombuffer(raw, np.uint8).take(gather).tobytes())
        values = numbers if direct else [numbers[source] for source in sources]
        readings = list(map(_reading, zip(indexes, values, repeat(0), strict=False)))
        for position, source, repair in others if math.isfinite(sum(numbers)) else repairs:
            readings[position] = repair(numbers[source])
        return readings

    return decode


def _check_length(span: Span, raw: bytes, expected: int) -> None:
    if len(raw) != expected:
        raise Nonsense(f"{span.space} {span.address}: {len(raw)} bytes for {span.length} addresses, not {expected}")


def _repair(index: int, entry: Entry) -> Callable[[Number], Reading] | None:
    """What must be done with a number before it is the channel's value; None when it is one already."""
    no_value = Reading(index, None, Quality.BAD_SENSOR_FAILURE)
    sentinels = entry.sentinels
    if NUMBER_TYPES[entry.type].is_float:

        def repair_float(number: Number) -> Reading:
            # NaN and infinity never travel, whether or not the model lists them.
            usable = math.isfinite(number) and number not in sentinels
            return Reading(index, number, Quality.GOOD) if usable else no_value

        return repair_float
    mantissa = entry.scale.mantissa
    overflows = NUMBER_TYPES[entry.type].highest * mantissa > MAX_I64
    if entry.bits is not None:
        shift, mask = entry.bits[0], (1 << entry.bits[1]) - 1

        def repair_bits(number: Number) -> Reading:
            return Reading(index, int(number) >> shift & mask, Quality.GOOD) if number not in sentinels else no_value

        return repair_bits
    if not sentinels and mantissa == 1 and not overflows:
        return None

    def repair_integer(number: Number) -> Reading:
        if number in sentinels:
            return no_value
        value = number * mantissa
        if overflows and abs(value) > MAX_I64:
            return Reading(index, None, Quality.BAD_OUT_OF_RANGE)
        return Reading(index, value, Quality.GOOD)

    return repair_integer
