"""Captures as they are shown: what a device was read as around the moment at which a rule fired. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from fleet_server.domains.telemetry.export import Row, quality_name
from fleet_server.domains.telemetry.models import EPOCH, Stream, channel_now, decimal_text, float_text
from fleet_server.ingest.chunks import Block, BrokenChunk, decode
from fleet_server.kernel.ports import ChannelNow
from protocols.edge.burst import MAX_TIME_US, Ending
from protocols.edge.columns import FLOAT_TAGS, Column
from protocols.edge.messages import ClockState

GAP_PERIODS = 2.5  # a sample that lacks shows; one that is late does not


@dataclass(frozen=True)
class Head:
    """`name` is what the event that tells of the firing calls it. `start` is what the parts' times count from, UTC in
    us; it is the gateway's wrong time where it is not `dated`. `fired` is us after it."""

    id: int
    name: str
    rule: str
    start: int
    fired: int
    period: int
    parts: int
    received: int  # parts that have come
    readings: int
    ending: str
    dated: bool
    received_at: datetime

    @property
    def fired_at(self) -> datetime:
        return at_us(self.start + self.fired)

    @property
    def whole(self) -> bool:
        return self.received == self.parts and self.ending == ending_name(Ending.WHOLE)


@dataclass(frozen=True)
class Trace:
    """One channel. `t` is us after the firing; `text` the exact decimals, "" where there is no value. `gaps` are
    [from, to) in us in which nothing was told."""

    channel: ChannelNow
    t: Sequence[int]
    value: Sequence[float | None]
    text: Sequence[str]
    quality: Sequence[int]
    gaps: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Capture:
    head: Head
    traces: tuple[Trace, ...]


def at_us(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=min(max(us, 0), MAX_TIME_US))


def ending_name(ending: int) -> str:
    return Ending(ending).name.lower()


def head(row: Mapping[str, Any]) -> Head:
    """A row of the store, with the clock's fix of its boot where there is one."""
    start, dated = row["t0"], row["clock"] != ClockState.UNSET
    if not dated and row["fix_utc_ms"] is not None:
        start, dated = 1000 * (row["fix_utc_ms"] + row["boottime_ms"] - row["fix_boottime_ms"]), True
    return Head(
        id=row["id"],
        name=row["name"].hex(),
        rule=row["rule"],
        start=min(max(start, 0), MAX_TIME_US),
        fired=row["fired"],
        period=row["period"],
        parts=row["parts"],
        received=row["received"],
        readings=row["readings"],
        ending=ending_name(row["ending"]),
        dated=dated,
        received_at=row["received_at"],
    )


def assemble(one: Head, stream: Stream, bodies: Sequence[bytes]) -> Capture:
    """`bodies` are those of the parts, in order. One that does not read back is left out: the rest is worth a look."""
    blocks: list[Block] = []
    for body in bodies:
        try:
            blocks += decode(0, body)
        except BrokenChunk:
            continue
    indexes = sorted({column.alias for block in blocks for column in block.columns})
    return Capture(one, tuple(_trace(one, stream, index, blocks) for index in indexes if index < len(stream.channels)))


def rows(capture: Capture) -> Iterator[Row]:
    """As those of an export, its times exact to the microsecond."""
    zero = capture.head.start + capture.head.fired
    for trace in capture.traces:
        times = np.array(trace.t, np.int64) + zero
        told = np.datetime_as_string(times.astype("datetime64[us]"), unit="us", timezone="UTC").tolist()
        for time, text, quality in zip(told, trace.text, trace.quality, strict=True):
            yield time, trace.channel.name, text, trace.channel.unit, quality_name(quality)


def _trace(one: Head, stream: Stream, index: int, blocks: Sequence[Block]) -> Trace:
    described = stream.channels[index]
    points: list[tuple[int, float | None, str, int]] = []
    for block in blocks:
        for column in block.columns:
            if column.alias == index:
                points += _points(column, (block.times - one.fired).tolist(), described["type"])
    points.sort(key=lambda point: point[0])
    times = np.array([point[0] for point in points], np.int64)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    lacks = np.flatnonzero(steps > GAP_PERIODS * usual) if usual else np.zeros(0, np.int64)
    return Trace(
        channel=channel_now(described, index),
        t=[point[0] for point in points],
        value=[point[1] for point in points],
        text=[point[2] for point in points],
        quality=[point[3] for point in points],
        gaps=[(int(times[at]) + 1, int(times[at + 1])) for at in lacks],
    )


def _points(column: Column, times: list[int], kind: str) -> Iterator[tuple[int, float | None, str, int]]:
    """A sample that was not taken, with neither value nor quality, is none."""
    values = iter(column.values.tolist())
    for place, (t, present) in enumerate(zip(times, column.present.tolist(), strict=True)):
        quality = column.quality.get(place, 0)
        if not present:
            if quality:
                yield t, None, "", quality
            continue
        value = next(values)
        if column.tag in FLOAT_TAGS:
            yield t, float(value), float_text(value, kind), quality
        else:
            text = decimal_text(value, column.scale)
            yield t, float(text), text, quality
