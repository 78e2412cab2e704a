"""A birth's description: which devices and channels the aliases of a batch stand for.

It is named by the SHA-256 of its bytes, so two births of the same channels have one description.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import cbor2

from protocols.edge.cbor import Fields, is_text, is_whole, load_one
from protocols.edge.columns import MAX_SCALE, VALUE_TAGS
from protocols.errors import RemoteProtocolError

MAX_DEVICES = 1000
MAX_CHANNELS = 20_000


class Kind(IntEnum):
    GAUGE = 0  # goes up and down
    COUNTER = 1  # only rises, but for roll-over and replacement; always an integer with a decimal scale
    STATE = 2  # a number that stands for a word


@dataclass(frozen=True)
class DeviceDescription:
    """`cell` is (level, GeoSOT code as uint64) or None; `mount` the city code of the pole or compartment it is on."""

    code: str
    model: str
    name: str
    bus: str
    cell: tuple[int, int] | None = None
    mount: str | None = None


@dataclass(frozen=True)
class ChannelDescription:
    """`limits` are the plausible lowest and highest value in `unit`; `period_ms` is the longest interval
    of samples when all is well: the asked one, or a dead-banded channel's heartbeat.

    A counter that would reach `rollover`, in the integers that travel, begins again at 0.

    `title` maps language tags to what people call the channel; `states` maps a STATE channel's numbers to words by
    language: {1: {"en": "open", "zh": "开"}}.
    """

    alias: int
    device: int
    name: str
    quantity: str
    unit: str
    kind: Kind
    tag: int
    scale: int
    period_ms: int
    writable: bool = False
    limits: tuple[float, float] | None = None
    title: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    rollover: int | None = None


@dataclass(frozen=True)
class Description:
    devices: tuple[DeviceDescription, ...]
    channels: tuple[ChannelDescription, ...]


def description_hash(encoded: bytes) -> bytes:
    return hashlib.sha256(encoded).digest()


def encode_description(description: Description) -> bytes:
    devices = [
        _drop_none(
            {
                1: device.code,
                2: device.model,
                3: device.name,
                4: device.bus,
                5: list(device.cell) if device.cell else None,
                6: device.mount,
            }
        )
        for device in description.devices
    ]
    channels = [
        _drop_none(
            {
                1: channel.alias,
                2: channel.device,
                3: channel.name,
                4: channel.quantity,
                5: channel.unit,
                6: int(channel.kind),
                7: channel.tag,
                8: channel.scale,
                9: channel.period_ms,
                10: channel.writable or None,
                11: list(channel.limits) if channel.limits else None,
                12: dict(channel.title) or None,
                13: {state: dict(words) for state, words in channel.states.items()} or None,
                14: channel.rollover,
            }
        )
        for channel in description.channels
    ]
    return cbor2.dumps({1: devices, 2: channels})


def decode_description(encoded: bytes) -> Description:
    fields = Fields(load_one(encoded), "description")
    devices = tuple(_decode_device(item) for item in fields.array(1, MAX_DEVICES))
    channels = tuple(_decode_channel(item) for item in fields.array(2, MAX_CHANNELS))
    if len({channel.alias for channel in channels}) != len(channels):
        raise RemoteProtocolError("description: an alias stands for two channels")
    if len({device.code for device in devices}) != len(devices):
        raise RemoteProtocolError("description: a device stands twice")
    if len({(channel.device, channel.name) for channel in channels}) != len(channels):
        raise RemoteProtocolError("description: a channel's name stands twice on one device")
    if any(channel.device >= len(devices) for channel in channels):
        raise RemoteProtocolError("description: a channel of a device that is not described")
    return Description(devices, channels)


def _decode_device(item: object) -> DeviceDescription:
    fields = Fields(item, "device")
    cell = None
    if fields.has(5):
        match fields.raw(5):
            case [level, code] if is_whole(level, 0, 32) and is_whole(code, 0, 2**64 - 1):
                cell = (level, code)
            case _:
                raise RemoteProtocolError("device: field 5 is not [level, cell]")
    return DeviceDescription(
        code=fields.text(1, 64),
        model=fields.text(2, 64),
        name=fields.text(3, 200),
        bus=fields.text(4, 64),
        cell=cell,
        mount=fields.text(6, 64) if fields.has(6) else None,
    )


def _decode_channel(item: object) -> ChannelDescription:
    fields = Fields(item, "channel")
    tag = fields.integer(7, 0, 0xFFFF)
    if tag not in VALUE_TAGS:
        raise RemoteProtocolError(f"channel: tag {tag} is not one of f32, f64, i32, i64")
    limits = None
    if fields.has(11):
        match fields.raw(11):
            case [int() | float() as low, int() | float() as high] if math.isfinite(low) and low <= high < math.inf:
                limits = (float(low), float(high))
            case _:
                raise RemoteProtocolError("channel: field 11 is not [lowest, highest], both finite")
    states = fields.mapping(13) if fields.has(13) else {}
    return ChannelDescription(
        alias=fields.integer(1, 0, 0xFFFF),
        device=fields.integer(2, 0, MAX_DEVICES),
        name=fields.text(3, 64),
        quantity=fields.text(4, 64),
        unit=fields.text(5, 32),
        kind=Kind(fields.integer(6, 0, max(Kind))),
        tag=tag,
        scale=fields.integer(8, -MAX_SCALE, MAX_SCALE),
        period_ms=fields.integer(9, 0, 2**31),
        writable=fields.has(10) and fields.boolean(10),
        limits=limits,
        title=_decode_words(fields.raw(12)) if fields.has(12) else {},
        states={_state(number): _decode_words(words) for number, words in states.items()},
        rollover=fields.integer(14, 1, 2**63 - 1) if fields.has(14) else None,
    )


def _state(number: object) -> int:
    if type(number) is not int:
        raise RemoteProtocolError("channel: a state is an integer")
    return number


def _decode_words(item: object) -> dict[str, str]:
    if not isinstance(item, Mapping):
        raise RemoteProtocolError("channel: words are a map from language to text")
    words = {}
    for language, text in item.items():
        if not (is_text(language, 16) and is_text(text, 200)):
            raise RemoteProtocolError("channel: words are short texts by language")
        words[language] = text
    return words


def _drop_none(fields: dict[int, object]) -> dict[int, object]:
    return {key: value for key, value in fields.items() if value is not None}
