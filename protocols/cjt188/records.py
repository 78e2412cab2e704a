"""What a meter tells at METERING: one record for water and gas, one for heat and cold.

The water record is proven by golden frames. The heat record (46 bytes with identifier and number) is put together from
several makers' open sources, which agree; makers exist that send the unit ahead of the value instead.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from protocols.bcd import Format, decode_bcd, encode_bcd, is_absent
from protocols.cjt188.units import NO_UNIT
from protocols.errors import LocalProtocolError, RemoteProtocolError

AMOUNT = Format.parse("XXXXXX.XX")
FLOW = Format.parse("XXXX.XXXX")
TEMPERATURE = Format.parse("XXXX.XX")
HOURS = Format.parse("XXXXXX")
CLOCK_BYTES = 7
STATUS_BYTES = 2


class Field(NamedTuple):
    """A value at `at` of the record (behind SER); `has_unit`: its unit code follows."""

    name: str
    at: int
    format: Format
    has_unit: bool = True


WATER = (Field("total", 0, AMOUNT), Field("settlement", 5, AMOUNT))
HEAT = (
    Field("settlement", 0, AMOUNT),
    Field("heat", 5, AMOUNT),
    Field("power", 10, AMOUNT),
    Field("flow", 15, FLOW),
    Field("volume", 20, AMOUNT),
    Field("supply", 25, TEMPERATURE, has_unit=False),
    Field("return", 28, TEMPERATURE, has_unit=False),
    Field("hours", 31, HOURS, has_unit=False),
)


class Valve(IntEnum):
    """Bits 0 and 1 of the status (from memory; there are makers who count the bits from the other end)."""

    OPEN = 0
    CLOSED = 1
    RESERVED = 2
    FAULT = 3


class Value(NamedTuple):
    """`number` in the format's last place, None for none; `unit` is a code of units.UNITS, or NO_UNIT."""

    number: int | None
    unit: int = NO_UNIT


@dataclass(frozen=True)
class Status:
    raw: bytes

    @property
    def valve(self) -> Valve:
        return Valve(self.raw[0] & 0b11)

    @property
    def battery_low(self) -> bool:
        return bool(self.raw[0] & 0b100)


@dataclass(frozen=True)
class Record:
    values: dict[str, Value]
    clock: datetime | None
    status: Status


def decode_record(layout: tuple[Field, ...], data: bytes) -> Record:
    """Raises RemoteProtocolError."""
    end = _end(layout)
    if len(data) != end + CLOCK_BYTES + STATUS_BYTES:
        raise RemoteProtocolError(f"a record of {len(data)} bytes; {end + CLOCK_BYTES + STATUS_BYTES} were expected")
    values = {}
    for field in layout:
        behind = field.at + field.format.length
        number = field.format.decode(data[field.at : behind])
        values[field.name] = Value(number, data[behind]) if field.has_unit else Value(number)
    return Record(values, decode_clock(data[end:-STATUS_BYTES]), Status(data[-STATUS_BYTES:]))


def encode_record(layout: tuple[Field, ...], record: Record) -> bytes:
    """Raises LocalProtocolError for a number that does not fit."""
    parts = []
    for field in layout:
        value = record.values[field.name]
        parts.append(field.format.encode(value.number))
        if field.has_unit:
            parts.append(bytes((value.unit,)))
    if len(record.status.raw) != STATUS_BYTES:
        raise LocalProtocolError(f"a status has {STATUS_BYTES} bytes, not {len(record.status.raw)}")
    return b"".join((*parts, encode_clock(record.clock), record.status.raw))


def decode_clock(data: bytes) -> datetime | None:
    """ss mm hh DD MM YY CC, in the meter's local time; None where all is FF or 0. Raises RemoteProtocolError."""
    if len(data) != CLOCK_BYTES:
        raise RemoteProtocolError(f"{data.hex(' ') or 'nothing'} is not a clock of {CLOCK_BYTES} bytes")
    if is_absent(data) or not any(data):
        return None
    second, minute, hour, day, month = (decode_bcd(data[at : at + 1]) for at in range(5))
    try:
        return datetime(decode_bcd(data[5:]), month, day, hour, minute, second)  # noqa: DTZ001 - a meter says no zone
    except ValueError as error:
        raise RemoteProtocolError(f"{data.hex(' ')} is no time: {error}") from None


def encode_clock(clock: datetime | None) -> bytes:
    if clock is None:
        return bytes(CLOCK_BYTES)
    parts = (clock.second, clock.minute, clock.hour, clock.day, clock.month)
    return b"".join(encode_bcd(part, 1) for part in parts) + encode_bcd(clock.year, 2)


def _end(layout: tuple[Field, ...]) -> int:
    last = layout[-1]
    return last.at + last.format.length + last.has_unit
