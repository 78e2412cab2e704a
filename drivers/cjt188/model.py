"""A model of a CJ/T 188 meter: one record, and where in it the values stand."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drivers.base import Channel, Limits, Nonsense, Point, Reading, Readings, Span
from protocols.bcd import Format
from protocols.errors import RemoteProtocolError
from protocols.quality import Quality


class Number(NamedTuple):
    """Digits at `at` of the record (behind SER). `unit_at` is where their unit code stands, which must be `unit`."""

    at: int
    format: Format
    unit_at: int | None = None
    unit: int = 0


class Bits(NamedTuple):
    """`width` bits from `lowest` of the byte at `at`."""

    at: int
    lowest: int
    width: int


class Entry(NamedTuple):
    """`di` is the identifier of the record that the channel stands in."""

    channel: Channel
    di: int
    place: Number | Bits


class RecordModel:
    """`meter_type` is T; it travels to the line as the space of the points."""

    def __init__(self, name: str, title: Mapping[str, str], entries: Sequence[Entry], meter_type: int, city_class: str):
        self.name = name
        self.title = title
        self.city_class = city_class
        self.entries = tuple(entries)
        self.channels: tuple[Channel, ...] = tuple(entry.channel for entry in entries)
        space = f"{meter_type:02X}"
        self.points: tuple[Point, ...] = tuple(Point(space, entry.di, 1, index) for index, entry in enumerate(entries))
        self.limits = Limits({space: 1}, 0)

    def decode(self, span: Span, raw: bytes) -> Readings:
        """A value whose unit is not the model's has none: no quality would make it right."""
        return Readings.of(
            _read(index, entry, raw) for index, entry in enumerate(self.entries) if entry.di == span.address
        )


def _read(index: int, entry: Entry, raw: bytes) -> Reading:
    place = entry.place
    if isinstance(place, Bits):
        if place.at >= len(raw):
            raise Nonsense(f"{entry.channel.name} is not in a record of {len(raw)} bytes")
        return Reading(index, raw[place.at] >> place.lowest & ((1 << place.width) - 1), Quality.GOOD)
    try:
        value = place.format.decode(raw[place.at : place.at + place.format.length])
        if value is None:
            return Reading(index, None, Quality.BAD_NO_DATA)
        if place.unit_at is not None and raw[place.unit_at : place.unit_at + 1] != bytes((place.unit,)):
            return Reading(index, None, Quality.BAD_CONFIGURATION_ERROR)
    except RemoteProtocolError as error:
        raise Nonsense(f"{entry.channel.name}: {error}") from None
    return Reading(index, value, Quality.GOOD)
