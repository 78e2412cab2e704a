"""A whole span decoded at once: the bytes are brought in order by one gather, unpacked by one struct."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from operator import mul
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
    mantissas = [entry.scale.mantissa for _, entry in inside]
    plain = sources == list(range(len(fields))) and set(mantissas) <= {1}
    # What is left to do is done for the few that need it, since a plain channel is one of thousands a second.
    repairs, guards, floats = [], [], []
    for position, (index, entry) in enumerate(inside):
        source, no_value = sources[position], Reading(index, None, Quality.BAD_SENSOR_FAILURE)
        if (repair := _repair(index, entry)) is not None:
            repairs.append((position, source, repair))
        if entry.sentinels:
            guards.append((position, source, entry.sentinels, no_value))
        if NUMBER_TYPES[entry.type].is_float:
            floats.append((position, source, no_value))

    def decode(raw: bytes) -> list[Reading]:
        _check_length(span, raw, expected)
        numbers = unpack(np.frombuffer(raw, np.uint8).take(gather).tobytes())
        values = numbers if plain else map(mul, [numbers[source] for source in sources], mantissas)
        readings = list(map(_reading, zip(indexes, values, repeat(0), strict=False)))
        for position, source, repair in repairs:
            readings[position] = repair(numbers[source])
        for position, source, sentinels, no_value in guards:
            if numbers[source] in sentinels:
                readings[position] = no_value
        # NaN and infinity never travel, whether or not the model lists them; one of them makes the sum another.
        if floats and not math.isfinite(sum(numbers[source] for _, source, _ in floats)):
            for position, source, no_value in floats:
                if not math.isfinite(numbers[source]):
                    readings[position] = no_value
        return readings

    return decode


def _check_length(span: Span, raw: bytes, expected: int) -> None:
    if len(raw) != expected:
        raise Nonsense(f"{span.space} {span.address}: {len(raw)} bytes for {span.length} addresses, not {expected}")


def _repair(index: int, entry: Entry) -> Callable[[int], Reading] | None:
    """What makes the channel's reading of a number, where that is more than a multiplication."""
    if entry.bits is not None:
        shift, mask = entry.bits[0], (1 << entry.bits[1]) - 1
        return lambda number: Reading(index, number >> shift & mask, Quality.GOOD)
    mantissa = entry.scale.mantissa
    if NUMBER_TYPES[entry.type].highest * mantissa <= MAX_I64:
        return None

    def bound(number: int) -> Reading:
        value = number * mantissa
        if abs(value) > MAX_I64:
            return Reading(index, None, Quality.BAD_OUT_OF_RANGE)
        return Reading(index, value, Quality.GOOD)

    return bound
