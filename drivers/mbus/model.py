"""A model of an M-Bus meter: which of its records each channel is, told by what they are, not by where they stand."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from drivers.base import Channel, Limits, Nonsense, Number, Point, Reading, Readings, Span
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE
from protocols.errors import RemoteProtocolError
from protocols.mbus.codes import Function
from protocols.mbus.decoder import FrameDecoder
from protocols.mbus.frame import LongFrame
from protocols.mbus.telegram import Telegram, parse_telegram
from protocols.mbus.values import Missing
from protocols.mbus.variable import Record
from protocols.quality import Quality
from protocols.stream import NEED_DATA

SPACE = "telegrams"
STATUS = "status"  # the byte of errors in the header, in place of a record
MOST_SHIFT = 30  # decimal places between a record and its channel; the tables of VIF go nowhere near


class Selector(NamedTuple):
    """As in protocols.mbus.variable.Record; the first record that agrees in all is the one."""

    quantity: str
    unit: str
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    modifiers: bytes = b""


class Entry(NamedTuple):
    """A record's value times 10**(its exponent + `shift`) is in the channel's integers. `bits` is (lowest, width) in a
    state."""

    channel: Channel
    selector: Selector
    shift: int = 0
    bits: tuple[int, int] | None = None


class MeterModel:
    """`telegrams` is how many are fetched of a meter that has more. `city_class` as in drivers.template.document."""

    def __init__(
        self, name: str, title: Mapping[str, str], entries: Sequence[Entry], telegrams: int, city_class: str = ""
    ) -> None:
        self.name = name
        self.title = title
        self.city_class = city_class
        self.entries = tuple(entries)
        self.channels: tuple[Channel, ...] = tuple(entry.channel for entry in entries)
        # One request gives them all.
        self.points: tuple[Point, ...] = tuple(Point(SPACE, 0, telegrams, index) for index in range(len(entries)))
        self.limits = Limits({SPACE: telegrams}, 0)

    def decode(self, span: Span, raw: bytes) -> Readings:  # noqa: ARG002
        """A channel whose record is not there has no value; its neighbours keep theirs."""
        records: dict[Selector, Record] = {}
        for telegram in _telegrams(raw):
            for record in telegram.records:
                records.setdefault(_selector(record), record)
            status = Record(STATUS, "", telegram.header.status)
            records.setdefault(_selector(status), status)
        return Readings.of(Reading(index, *_reading(entry, records)) for index, entry in enumerate(self.entries))


def _telegrams(raw: bytes) -> list[Telegram]:
    decoder = FrameDecoder()
    decoder.receive_data(raw)
    found = []
    try:
        while (frame := decoder.next_frame()) is not NEED_DATA:
            told = parse_telegram(frame) if isinstance(frame, LongFrame) else None
            if isinstance(told, Telegram):
                found.append(told)
    except RemoteProtocolError as error:
        raise Nonsense(str(error)) from None
    return found


def _selector(record: Record) -> Selector:
    return Selector(record.quantity, record.unit, *record[4:])


def _reading(entry: Entry, records: Mapping[Selector, Record]) -> tuple[Number | None, Quality]:
    record = records.get(entry.selector)
    if record is not None:
        return _value(entry, record)
    # A meter in an error state sends what it would have sent as what it had before.
    in_error = entry.selector._replace(function=Function.ERROR) in records
    return None, Quality.BAD_SENSOR_FAILURE if in_error else Quality.BAD_CONFIGURATION_ERROR


def _value(entry: Entry, record: Record) -> tuple[Number | None, Quality]:
    value = record.value
    if isinstance(value, Missing):
        return None, Quality.BAD_NO_DATA
    if not isinstance(value, int | float):
        return None, Quality.BAD_CONFIGURATION_ERROR
    number = _shifted(value, record.exponent + entry.shift, entry.channel.kind)
    if number is None:
        return None, Quality.BAD_CONFIGURATION_ERROR
    if entry.bits is not None:
        number = number >> entry.bits[0] & (1 << entry.bits[1]) - 1
    if abs(number) >= 1 << (31 if entry.channel.tag == I32LE else 63):
        return None, Quality.BAD_OUT_OF_RANGE
    return number, Quality.GOOD


def _shifted(value: Number, places: int, kind: Kind) -> int | None:
    """`value` times 10**`places`. A gauge is rounded to the channel's scale; a counter or a state that would have to be
    is none at all: its digits are what it is for."""
    if abs(places) > MOST_SHIFT or (isinstance(value, float) and kind is not Kind.GAUGE):
        return None
    if isinstance(value, int) and places >= 0:
        return value * int(10**places)
    exact = Decimal(value).scaleb(places)
    rounded = exact.to_integral_value(ROUND_HALF_EVEN)
    return int(rounded) if kind is Kind.GAUGE or rounded == exact else None
