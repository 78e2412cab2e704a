"""A whole span decoded at once: brought in order by one gather if it is not yet, unpacked by one struct."""

import math
from collections.abc import Callable, Sequence
from operator import mul
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from drivers.base import Channel, Nonsense, Number, Readings, Span
from drivers.modbus.registers import NUMBER_TYPES, Table, byte_order
from drivers.template.scale import Scale
from protocols.quality import Quality

MAX_I64 = 2**63 - 1

Decode = Callable[[bytes], Readings]


class Entry(NamedTuple):
    """Where a channel stands, and how. `bits` is (lowest, width) inside an integer.

    `sentinels` and `absent` are raw values: the sensor has failed; there is nothing to tell now.
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
    absent: frozenset[Number] = frozenset()

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
    channels = tuple(index for index, _ in inside)
    offsets = [entry.address - span.address for _, entry in inside]
    all_good = (int(Quality.GOOD),) * len(inside)

    def decode(raw: bytes) -> Readings:
        _check_length(span, raw, expected)
        whole = int.from_bytes(raw, "little")
        return Readings(channels, tuple([whole >> offset & 1 for offset in offsets]), all_good)

    return decode


def _compile_registers(inside: list[tuple[int, Entry]], span: Span) -> Decode:
    expected = 2 * span.length
    # Channels that share a number (the bits of a status word) share its field.
    fields: dict[tuple[int, str, str], int] = {}
    sources = [fields.setdefault((entry.address, entry.type, entry.order), len(fields)) for _, entry in inside]
    unpack = _unpacker(list(fields), span)
    channels = tuple(index for index, _ in inside)
    all_good = (int(Quality.GOOD),) * len(inside)
    mantissas = [entry.scale.mantissa for _, entry in inside]
    plain = sources == list(range(len(fields))) and set(mantissas) <= {1}
    # What is left to do is done for the few that need it, since a plain channel is one of thousands a second.
    here = list(enumerate(entry for _, entry in inside))
    bit_fields = [(at, entry.bits[0], (1 << entry.bits[1]) - 1) for at, entry in here if entry.bits is not None]
    too_wide = [at for at, entry in here if _may_be_too_wide(entry)]
    guards = [(at, sources[at], entry.sentinels, Quality.BAD_SENSOR_FAILURE) for at, entry in here if entry.sentinels]
    guards += [(at, sources[at], entry.absent, Quality.BAD_NO_DATA) for at, entry in here if entry.absent]
    floats = [(at, sources[at]) for at, entry in here if NUMBER_TYPES[entry.type].is_float]
    only_floats = plain and len(floats) == len(fields)

    def decode(raw: bytes) -> Readings:
        _check_length(span, raw, expected)
        numbers = unpack(raw)
        values: list[Any] = list(numbers if plain else map(mul, [numbers[source] for source in sources], mantissas))
        for at, lowest, mask in bit_fields:
            values[at] = values[at] >> lowest & mask
        lost = [(at, Quality.BAD_OUT_OF_RANGE) for at in too_wide if abs(values[at]) > MAX_I64]
        lost += [(at, why) for at, source, words, why in guards if numbers[source] in words]
        # NaN and infinity never travel, whether or not the model lists them; one of them makes the sum another.
        total = sum(numbers if only_floats else [numbers[source] for _, source in floats])
        if not math.isfinite(total):
            lost += [(at, Quality.BAD_SENSOR_FAILURE) for at, source in floats if not math.isfinite(numbers[source])]
        if not lost:
            return Readings(channels, tuple(values), all_good)
        return _without(Readings(channels, tuple(values), all_good), dict(lost))

    return decode


def _unpacker(fields: Sequence[tuple[int, str, str]], span: Span) -> Callable[[bytes], tuple[Any, ...]]:
    """A function from the bytes of `span` to the numbers of (address, type, order)."""
    layout, end = ">", span.address
    for address, kind, order in fields:
        if address < end or order != "ABCD":
            break
        layout += f"{2 * (address - end)}x{NUMBER_TYPES[kind].code}"
        end = address + NUMBER_TYPES[kind].registers
    else:  # as they stand, the usual case
        return Struct(f"{layout}{2 * (span.address + span.length - end)}x").unpack
    gather = np.array(
        [
            2 * (address - span.address) + byte
            for address, kind, order in fields
            for byte in byte_order(order, NUMBER_TYPES[kind].registers)
        ],
        dtype=np.intp,
    )
    unpack = Struct("<" + "".join(NUMBER_TYPES[kind].code for _, kind, _ in fields)).unpack
    return lambda raw: unpack(np.frombuffer(raw, np.uint8).take(gather).tobytes())


def _without(readings: Readings, lost: dict[int, Quality]) -> Readings:
    """With no value, and the reason for none, at each position in `lost`."""
    return Readings(
        readings.channels,
        tuple(None if at in lost else value for at, value in enumerate(readings.values)),
        tuple(int(lost.get(at, quality)) for at, quality in enumerate(readings.qualities)),
    )


def _check_length(span: Span, raw: bytes, expected: int) -> None:
    if len(raw) != expected:
        raise Nonsense(f"{span.space} {span.address}: {len(raw)} bytes for {span.length} addresses, not {expected}")


def _may_be_too_wide(entry: Entry) -> bool:
    """Whether a column's integers may not hold the scaled number."""
    return entry.bits is None and NUMBER_TYPES[entry.type].highest * entry.scale.mantissa > MAX_I64
