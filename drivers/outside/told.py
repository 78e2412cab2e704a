"""What a driver's child tells of models and readings: made there, believed by the gateway only when it is in order."""

import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cbor2

from drivers.base import Channel, Limits, Model, ModelError, Nonsense, Number, Point, Readings, SerialSettings, Span
from protocols.edge.birth import MAX_CHANNELS, Kind
from protocols.edge.cbor import Fields, is_text, is_whole, load_one
from protocols.edge.columns import FLOAT_TAGS, I32LE, MAX_SCALE, VALUE_TAGS
from protocols.errors import RemoteProtocolError
from protocols.quality import is_bad

HIGHEST = 2**63 - 1
LONGEST_TEXT = 200
MAX_MAGNITUDE = 308  # powers of ten, of limits: what a double holds


class Space(str):
    """A point's space that remembers the source of its model, so that a span tells the child who is to decode it."""

    __slots__ = ("source",)

    source: str

    @classmethod
    def of(cls, name: str, source: str) -> "Space":
        space = cls(name)
        space.source = source
        return space


@dataclass(frozen=True)
class OutsideModel:
    """A drivers.base.Model whose decoding was done in the child: what decode() is given are readings already."""

    source: str
    name: str
    title: Mapping[str, str]
    channels: tuple[Channel, ...]
    points: tuple[Point, ...]
    limits: Limits

    def decode(self, span: Span, raw: bytes) -> Readings:
        """Raises Nonsense for readings that no driver may give, and unless they are those of `span`, all of them."""
        readings = read_readings(raw, self)
        end = span.address + span.length
        inside = {
            point.channel
            for point in self.points
            if point.space == span.space and span.address <= point.address and point.address + point.length <= end
        }
        if inside != set(readings.channels):
            raise Nonsense(
                f"{self.name}: the driver gives channels {_few(readings.channels)} for {span.space} {span.address} "
                f"to {end - 1}, where {_few(inside)} stand"
            )
        return readings


def read_about(about: Any) -> tuple[SerialSettings | None, list[str]]:
    """What a child tells of a driver it has loaded: its serial settings and its files. Raises ModelError."""
    match about:
        case {"serial": None, "files": list() as files}:
            serial = None
        case {"serial": [int() as baud, ("N" | "E" | "O") as parity, (1 | 2) as stop_bits], "files": list() as files}:
            serial = SerialSettings(baud, parity, stop_bits)
        case _:
            raise ModelError(f"the driver tells {about!r:.100} of itself")
    return serial, [str(file) for file in files]


def tell_model(model: Model) -> dict[int, object]:
    return {
        1: model.name,
        2: dict(model.title),
        3: [_tell_channel(channel) for channel in model.channels],
        4: [[str(point.space), point.address, point.length, point.channel] for point in model.points],
        5: {str(space): longest for space, longest in model.limits.longest.items()},
        6: model.limits.gap,
    }


def read_model(item: object, source: str) -> OutsideModel:
    """Raises ModelError with what is out of order."""
    try:
        fields = Fields(item, "model")
        channels = tuple(_read_channel(one) for one in fields.array(3, MAX_CHANNELS))
        longest = {_text(space): _whole(most, 1, HIGHEST) for space, most in fields.mapping(5).items()}
        points = tuple(_read_point(one, source, len(channels)) for one in fields.array(4, MAX_CHANNELS))
        name, title, gap = fields.text(1, 64), _words(fields.raw(2)), fields.integer(6, 0, HIGHEST)
    except RemoteProtocolError as error:
        raise ModelError(f"{source}: not a model that a gateway can use: {error}") from None
    for point in points:
        if not point.length <= longest.get(point.space, 0):
            raise ModelError(
                f"{source}: {point.space} {point.address}: {point.length} addresses, "
                f"and a request holds at most {longest.get(point.space, 0)}"
            )
    if not channels or sorted(point.channel for point in points) != list(range(len(channels))):
        raise ModelError(f"{source}: {len(points)} points for {len(channels)} channels: each stands at one place")
    return OutsideModel(source, name, title, channels, points, Limits(longest, gap))


def tell_readings(readings: Readings) -> bytes:
    """Raises TypeError for a value that is no number."""
    values = [None if value is None else _plain(value) for value in readings.values]
    return cbor2.dumps([list(map(int, readings.channels)), values, list(map(int, readings.qualities))])


def read_readings(raw: bytes, model: OutsideModel) -> Readings:
    """Raises Nonsense."""
    try:
        item = load_one(raw)
    except RemoteProtocolError as error:
        raise Nonsense(f"{model.name}: the driver's readings are {error}") from None
    match item:
        case [list() as channels, list() as values, list() as qualities]:
            pass
        case _:
            raise Nonsense(f"{model.name}: the driver's readings are not three lists")
    if not len(channels) == len(values) == len(qualities):
        raise Nonsense(f"{model.name}: the driver's readings are not one of each channel")
    for place, (channel, value, quality) in enumerate(zip(channels, values, qualities, strict=True)):
        if not is_whole(channel, 0, len(model.channels) - 1) or not is_whole(quality, 0, 0xFFFF):
            raise Nonsense(f"{model.name}: the driver gives channel {channel!r} quality {quality!r}")
        described = model.channels[channel]
        if value is None:
            fits = is_bad(quality)
        elif described.tag in FLOAT_TAGS:
            fits = type(value) in (int, float) and math.isfinite(value)
            values[place] = float(value) if fits else value
        else:
            top = 2**31 if described.tag == I32LE else 2**63
            fits = is_whole(value, -top, top - 1)
        if not fits:
            raise Nonsense(f"{model.name}: the driver gives {described.name} the value {value!r}, quality {quality:#x}")
    if len(set(channels)) != len(channels):
        raise Nonsense(f"{model.name}: the driver gives a channel twice")
    return Readings(tuple(channels), tuple(values), tuple(qualities))


def _plain(value: Any) -> Number:
    """A Python number; numpy's become one."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"a reading of {value!r}, which is no number")


def _tell_channel(channel: Channel) -> dict[int, object]:
    return {
        1: channel.name,
        2: dict(channel.title),
        3: channel.quantity,
        4: channel.unit,
        5: int(channel.kind),
        6: channel.tag,
        7: channel.scale,
        8: [str(limit) for limit in channel.limits] if channel.limits else None,
        9: channel.writable,
        10: {number: dict(words) for number, words in channel.states.items()},
        11: channel.rollover,
    }


def _read_channel(item: object) -> Channel:
    fields = Fields(item, "channel")
    tag = fields.integer(6, 0, 0xFFFF)
    if tag not in VALUE_TAGS:
        raise RemoteProtocolError(f"channel: tag {tag} is not one of f32, f64, i32, i64")
    return Channel(
        name=fields.text(1, 64),
        title=_words(fields.raw(2)),
        quantity=fields.text(3, 64),
        unit=fields.text(4, 32),
        kind=Kind(fields.integer(5, 0, max(Kind))),
        tag=tag,
        scale=fields.integer(7, -MAX_SCALE, MAX_SCALE),
        limits=_read_limits(fields.raw(8)),
        writable=fields.boolean(9),
        states={_whole(number, -HIGHEST, HIGHEST): _words(words) for number, words in fields.mapping(10).items()},
        rollover=fields.integer(11, 1, HIGHEST) if fields.has(11) else None,
    )


def _read_limits(item: object) -> tuple[Decimal, Decimal] | None:
    if item is None:
        return None
    match item:
        case [str() as low, str() as high]:
            try:
                limits = Decimal(low), Decimal(high)
            except ArithmeticError:
                raise RemoteProtocolError("channel: limits are two decimal numbers") from None
            if all(map(_is_moderate, limits)) and limits[0] <= limits[1]:
                return limits
    raise RemoteProtocolError("channel: limits are the lowest and the highest value")


def _is_moderate(limit: Decimal) -> bool:
    """Whether arithmetic with it is bounded: the integer part of 1E+999999999 would fill the memory."""
    return limit.is_finite() and abs(limit.adjusted()) <= MAX_MAGNITUDE


def _few(channels: Iterable[int]) -> str:
    found = sorted(channels)
    return f"{', '.join(map(str, found[:8]))}{', ...' if found[8:] else ''}" if found else "none"


def _read_point(item: object, source: str, channels: int) -> Point:
    match item:
        case [space, address, length, channel]:
            return Point(
                Space.of(_text(space), source),
                _whole(address, 0, HIGHEST),
                _whole(length, 1, HIGHEST),
                _whole(channel, 0, channels - 1),
            )
    raise RemoteProtocolError("model: a point is [space, address, length, channel]")


def _words(item: Any) -> dict[str, str]:
    if not isinstance(item, Mapping):
        raise RemoteProtocolError("words are texts by language")
    return {_text(language): _text(text) for language, text in item.items()}


def _text(value: object) -> str:
    if not is_text(value, LONGEST_TEXT):
        raise RemoteProtocolError(f"{value!r} is not a short text")
    return value


def _whole(value: object, low: int, high: int) -> int:
    if not is_whole(value, low, high):
        raise RemoteProtocolError(f"{value!r} is not a whole number from {low} to {high}")
    return value
