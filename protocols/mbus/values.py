"""The data of a record (EN 13757-3, annex A): integers, decimal digits, floats, texts, dates. No value is a reason."""

import math
import struct
from datetime import date
from typing import NamedTuple, TypeAlias

from protocols.bcd import decode_bcd, encode_bcd
from protocols.errors import LocalProtocolError, RemoteProtocolError

CENTURY_SPLIT = 80  # annex A, type F and G: years 0 to 80 without a century are of this one


class Moment(NamedTuple):
    """A time of the meter's own clock, of which it does not say the zone. `second` None: it tells minutes only.

    `year` 0: a time of day alone (type J). `hour` None: a day alone (type G).
    """

    year: int
    month: int = 0
    day: int = 0
    hour: int | None = None
    minute: int = 0
    second: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.year:04d}-{self.month:02d}-{self.day:02d}"] if self.year else []
        if self.hour is not None:
            parts.append(
                f"{self.hour:02d}:{self.minute:02d}" + (f":{self.second:02d}" if self.second is not None else "")
            )
        return "T".join(parts)


class Missing(NamedTuple):
    """In place of a value: the meter said that it has none, and why."""

    reason: str


Value: TypeAlias = int | float | str | bytes | Moment | Missing


def signed(data: bytes) -> int | Missing:
    """Type B, low byte first. The lowest number of all means that there is none."""
    number = int.from_bytes(data, "little", signed=True)
    return Missing("marked invalid") if number == -(1 << 8 * len(data) - 1) else number


def decimal_digits(data: bytes) -> int | Missing:
    """Type A, low byte first. An F in front is a minus; any other digit above 9 marks the field as invalid."""
    if data and data[-1] >> 4 == 0xF:
        rest = decimal_digits(data[:-1] + bytes((data[-1] & 0x0F,)))
        return rest if isinstance(rest, Missing) else -rest
    try:
        return decode_bcd(data)
    except RemoteProtocolError:
        return Missing(f"marked invalid: {data[::-1].hex()}")


def real(data: bytes) -> float | Missing:
    """Type H, REAL32 of IEEE 754, low byte first."""
    number: float = struct.unpack("<f", data)[0]
    return number if math.isfinite(number) else Missing(str(number))


def text(data: bytes) -> str:
    """ISO 8859-1, sent last character first. A zero byte within is no character and ends nothing: it is left out."""
    return data[::-1].decode("latin-1").replace("\0", "").strip()


def day(data: bytes) -> Moment | Missing:
    """Type G, 2 bytes."""
    return _dated(data[0], data[1], 0, Moment(0))


def minute(data: bytes) -> Moment | Missing:
    """Type F, 4 bytes. Summer time (bit 15) is the meter's own affair, as its zone is."""
    if data[0] & 0x80:
        return Missing("the meter's clock is not set")
    return _dated(data[2], data[3], data[1] >> 5 & 0x03, Moment(0, 0, 0, data[1] & 0x1F, data[0] & 0x3F))


def second(data: bytes) -> Moment | Missing:
    """Type I, 6 bytes; the sixth, of the week, says nothing new."""
    if data[1] & 0x80:
        return Missing("the meter's clock is not set")
    return _dated(data[3], data[4], 0, Moment(0, 0, 0, data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F))


def time_of_day(data: bytes) -> Moment | Missing:
    """Type J, 3 bytes."""
    return _checked(Moment(0, 0, 0, data[2] & 0x1F, data[1] & 0x3F, data[0] & 0x3F))


def _dated(low: int, high: int, century: int, time: Moment) -> Moment | Missing:
    """`low` holds the day and three bits of the year, `high` the month and four; `century` counts from 1900."""
    year = low >> 5 | high >> 4 << 3
    year += 2000 if century == 0 and year <= CENTURY_SPLIT else 1900 + 100 * century
    return _checked(time._replace(year=year, month=high & 0x0F, day=low & 0x1F))


def _checked(moment: Moment) -> Moment | Missing:
    try:
        if moment.year:
            date(moment.year, moment.month, moment.day)
    except ValueError:
        return Missing("no day of the calendar")
    if (moment.hour or 0) > 23 or moment.minute > 59 or (moment.second or 0) > 59:
        return Missing("no time of a day")
    return moment


def encode_signed(number: int, length: int) -> bytes:
    try:
        data = number.to_bytes(length, "little", signed=True)
    except OverflowError:
        raise LocalProtocolError(f"{number} does not fit {length} bytes") from None
    if isinstance(signed(data), Missing):
        raise LocalProtocolError(f"{number} in {length} bytes means that there is no value")
    return data


def encode_decimal_digits(number: int, length: int) -> bytes:
    if number >= 0:
        return encode_bcd(number, length)
    if -number >= 10 ** (2 * length - 1):
        raise LocalProtocolError(f"{number} does not fit {length} bytes: the sign takes a digit")
    data = encode_bcd(-number, length)
    return data[:-1] + bytes((data[-1] | 0xF0,))


def encode_minute(moment: Moment) -> bytes:
    """Type F."""
    if moment.hour is None or not 1981 <= moment.year <= 2080:
        raise LocalProtocolError(f"{moment} has no form in type F")
    year = moment.year % 100
    low, high = moment.day | (year & 0x07) << 5, moment.month | year >> 3 << 4
    return bytes((moment.minute, moment.hour, low, high))


def encode_day(moment: Moment) -> bytes:
    """Type G."""
    return encode_minute(moment._replace(hour=0, minute=0))[2:]


def encode_text(words: str) -> bytes:
    try:
        return words.encode("latin-1")[::-1]
    except UnicodeEncodeError:
        raise LocalProtocolError(f"{words!r} is not in ISO 8859-1") from None


def encode_real(number: float) -> bytes:
    try:
        return struct.pack("<f", number)
    except OverflowError:
        raise LocalProtocolError(f"{number} does not fit REAL32") from None
