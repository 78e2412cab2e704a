"""A birth -> the places in the store that its aliases stand for. Pure; ingest/store.py reads and writes the rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet_server.ingest.chunks import Block
from protocols.edge.birth import ChannelDescription, Description, Kind
from protocols.edge.columns import F32LE, F64LE, Column, Group
from protocols.edge.messages import Batch

Channel = dict[str, Any]  # an item of stream_device.channels
MAX_CHANNELS = 1000  # of one device ever, those gone included


class UnknownChannel(Exception):
    """A batch has an alias that its birth does not describe."""


class TooManyChannels(Exception):
    """A device has had more names of channels than the store will hold a place for."""


@dataclass(frozen=True, eq=False)
class Plan:
    """`places` maps an alias to (device id, index); `widths` how many indexes a device has."""

    places: Mapping[int, tuple[int, int]] = field(repr=False)
    widths: Mapping[int, int] = field(repr=False)


def channels_of(description: Description) -> dict[str, list[ChannelDescription]]:
    """By device code."""
    found: dict[str, list[ChannelDescription]] = {device.code: [] for device in description.devices}
    for channel in description.channels:
        found[description.devices[channel.device].code].append(channel)
    return found


def merge_channels(known: Sequence[Channel], born: Sequence[ChannelDescription]) -> list[Channel]:
    """The device's list after this birth: a name keeps its index, a new name gets the next one."""
    newest = {channel.name: _channel(channel) for channel in born}
    merged = [_heir(old, newest.pop(old["name"], None)) for old in known]
    merged += newest.values()
    if len(merged) > MAX_CHANNELS:
        raise TooManyChannels(f"{len(merged)} channels; a device has at most {MAX_CHANNELS}, those gone included")
    return merged


def make_plan(description: Description, devices: Mapping[str, tuple[int, Sequence[Channel]]]) -> Plan:
    """`devices` gives a code's id and its list of channels."""
    places: dict[int, tuple[int, int]] = {}
    for code, channels in channels_of(description).items():
        device_id, known = devices[code]
        index = {channel["name"]: at for at, channel in enumerate(known)}
        places.update((channel.alias, (device_id, index[channel.name])) for channel in channels)
    return Plan(places, {device_id: len(known) for device_id, known in devices.values()})


def blocks_by_device(batch: Batch, plan: Plan) -> dict[int, list[Block]]:
    """The batch's readings by device id, in UTC ms, each column under its channel's index."""
    return blocks_of(batch.t0, batch.groups, batch.birth, plan)


def blocks_of(t0: int, groups: Iterable[Group], birth: bytes, plan: Plan) -> dict[int, list[Block]]:
    """The groups' columns by device id; raises UnknownChannel."""
    devices: dict[int, list[Block]] = {}
    for group in groups:
        times = t0 + group.times
        columns: dict[int, list[Column]] = {}
        for column in group.columns:
            place = plan.places.get(column.alias)
            if place is None:
                raise UnknownChannel(f"alias {column.alias} is not described by the birth {birth.hex()[:16]}")
            device_id, index = place
            moved = Column(index, column.tag, column.values, column.present, column.scale, column.quality)
            columns.setdefault(device_id, []).append(moved)
        for device_id, of_device in columns.items():
            devices.setdefault(device_id, []).append(Block(times, of_device))
    return devices


def _heir(old: Channel, new: Channel | None) -> Channel:
    """What stands in the old one's place. Readings of an earlier scale roll over where its births said."""
    if new is None:
        return {**old, "gone": True}
    others = {scale: count for scale, count in old.get("rollovers", {}).items() if scale != str(new["scale"])}
    rollovers = others | new.get("rollovers", {})
    return {**new, "rollovers": rollovers} if rollovers else new


def _channel(channel: ChannelDescription) -> Channel:
    item: Channel = {
        "name": channel.name,
        "quantity": channel.quantity,
        "unit": channel.unit,
        "kind": Kind(channel.kind).name.lower(),
        "type": {F32LE: "f32", F64LE: "f64"}.get(channel.tag, "decimal"),
        "scale": channel.scale,
        "period_ms": channel.period_ms,
        "writable": channel.writable,
        "limits": list(channel.limits) if channel.limits else None,
        "title": dict(channel.title),
        "states": {str(number): dict(words) for number, words in channel.states.items()},
        "rollovers": {str(channel.scale): channel.rollover} if channel.rollover else None,
    }
    return {key: value for key, value in item.items() if value not in (None, {}, False)}
