"""A device model of registers and bits: what drivers.base.Model asks, and the requests that write."""

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal

from drivers.base import Channel, Limits, NotSent, Point, Readings, Span
from drivers.modbus.decode import Decode, Entry, compile_span
from drivers.modbus.registers import NUMBER_TYPES, Table, float_exactly, to_wire
from protocols.modbus.pdu import (
    Request,
    WriteMultipleRegisters,
    WriteSingleCoil,
    WriteSingleRegister,
    unpack_registers,
)


class RegisterModel:
    """`city_class` is the four-digit class of the city code that such devices carry, or empty.

    `single_writes` is off for devices that know function 10 only, even for one register.
    """

    def __init__(
        self,
        name: str,
        title: Mapping[str, str],
        entries: Sequence[Entry],
        limits: Limits,
        city_class: str = "",
        single_writes: bool = True,
    ) -> None:
        self.name = name
        self.title = title
        self.entries = tuple(entries)
        self.limits = limits
        self.city_class = city_class
        self.channels: tuple[Channel, ...] = tuple(entry.channel for entry in entries)
        self.points: tuple[Point, ...] = tuple(
            Point(entry.table, entry.address, entry.length, index) for index, entry in enumerate(entries)
        )
        self._single_writes = single_writes
        # The spans that are asked come from the planner and are few, so nothing is ever thrown out.
        self._spans: dict[Span, Decode] = {}

    def decode(self, span: Span, raw: bytes) -> Readings:
        decode = self._spans.get(span)
        if decode is None:
            decode = self._spans[span] = compile_span(list(enumerate(self.entries)), span)
        return decode(raw)

    def span_of(self, channel: int) -> Span:
        return Span(*self.points[channel][:3])

    def write_request(self, channel: int, value: Decimal) -> Request:
        """Raises NotSent unless the channel is writable and takes exactly this value."""
        entry = self.entries[channel]
        try:
            return self._write_request(entry, value)
        except ValueError as error:
            raise NotSent(f"{self.name}.{entry.channel.name}: {error}; nothing was sent") from None

    def _write_request(self, entry: Entry, value: Decimal) -> Request:
        if not entry.channel.writable:
            raise ValueError("the channel cannot be written")
        if not value.is_finite():
            raise ValueError(f"{value} is no number")
        limits = entry.channel.limits
        if limits and not limits[0] <= value <= limits[1]:
            raise ValueError(f"{value} is not within {limits[0]} to {limits[1]} {entry.channel.unit}".rstrip())
        if entry.table is Table.COIL:
            if value not in (0, 1):
                raise ValueError(f"{value} is neither 0 nor 1")
            return WriteSingleCoil(entry.address, value == 1)
        words = unpack_registers(self._to_wire(entry, value))
        if len(words) == 1 and self._single_writes:
            return WriteSingleRegister(entry.address, words[0])
        return WriteMultipleRegisters(entry.address, words)

    def _to_wire(self, entry: Entry, value: Decimal) -> bytes:
        kind = NUMBER_TYPES[entry.type]
        number: int | float
        if kind.is_float:
            number = float_exactly(kind.code, value)
        else:
            number = entry.scale.to_raw(value)
            if not kind.lowest <= number <= kind.highest:
                raise ValueError(f"{value} does not fit {entry.type}")
        if number in entry.sentinels | entry.absent:
            raise ValueError(f"{value} would be read as 'no value'")
        return to_wire(entry.order, struct.pack("<" + kind.code, number))
