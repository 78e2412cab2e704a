"""A model of a DL/T 645 meter: which data it has, in which blocks they may be asked, and how they are read.

A meter gives each datum by its own identifier, and most give a whole block of them where one byte of it is FF. Blocks
are asked first; a meter that refuses one is asked for its data one by one, so that none is lost.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from drivers.base import Channel, Limits, Nonsense, Point, Reading, Readings, Span
from protocols.bcd import Format
from protocols.errors import RemoteProtocolError
from protocols.quality import Quality

HOLE = ".."  # in the space of a block: the byte that tells its data apart, FF for all of them
ITEMS = 0x100


class Entry(NamedTuple):
    """Datum `item` of block `space`; a datum that is in no block is item 0 of its own identifier."""

    channel: Channel
    format: Format
    space: str
    item: int = 0


def identifier(span: Span) -> int:
    """What to ask for `span`: one datum by itself, more than one by their block."""
    item = f"{span.address:02X}" if span.length == 1 else "FF"
    return int(span.space.replace(HOLE, item), 16)


class MeterModel:
    """`firsts` tells of each block which datum its answer begins with. `city_class` as in drivers.template.document."""

    def __init__(
        self,
        name: str,
        title: Mapping[str, str],
        entries: Sequence[Entry],
        firsts: Mapping[str, int],
        city_class: str = "",
    ) -> None:
        self.name = name
        self.title = title
        self.city_class = city_class
        self.entries = tuple(entries)
        self.channels: tuple[Channel, ...] = tuple(entry.channel for entry in entries)
        self.points: tuple[Point, ...] = tuple(
            Point(entry.space, entry.item, 1, index) for index, entry in enumerate(entries)
        )
        # What nobody wants of a block costs nothing: it comes with the rest.
        self.limits = Limits({entry.space: ITEMS if entry.space in firsts else 1 for entry in entries}, ITEMS)
        self._firsts = firsts

    def decode(self, span: Span, raw: bytes) -> Readings:
        found = []
        for index, entry in enumerate(self.entries):
            if entry.space != span.space or not span.address <= entry.item < span.address + span.length:
                continue
            if span.length == 1:
                data = raw
            else:
                size = entry.format.length
                if len(raw) % size:
                    raise Nonsense(f"data {identifier(span):08X} of {len(raw)} bytes: each has {size}")
                at = (entry.item - self._firsts[span.space]) * size
                data = raw[at : at + size]
                if not data:  # a meter with fewer phases or rates than the model has
                    found.append(Reading(index, None, Quality.BAD_CONFIGURATION_ERROR))
                    continue
            try:
                value = entry.format.decode(data)
            except RemoteProtocolError as error:
                raise Nonsense(f"data {identifier(span):08X}, {entry.channel.name}: {error}") from None
            found.append(Reading(index, value, Quality.GOOD if value is not None else Quality.BAD_NO_DATA))
        return Readings.of(found)
