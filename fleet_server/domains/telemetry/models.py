"""Streams and what is shown of them: channels, texts, which resolution answers a question, the delivery proof. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from fleet_server.ingest.sequences import Ranges
from fleet_server.kernel.ports import ChannelNow, DeliveryProof, DeviceNow, GatewayNow, IncarnationProof, Resolution
from fleet_server.kernel.principal import CITY, Principal
from protocols.edge.messages import MAX_TIME_MS
from protocols.quality import Quality

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RAW_SAMPLES = 4000  # a span with no more samples of a channel is answered from them
STEP_MS: dict[Resolution, int] = {"raw": 0, "minute": 60_000, "hour": 3_600_000}
DEFAULT_PERIOD_MS = 1000  # of a channel whose birth tells none
GAP_PERIODS = 3


@dataclass(frozen=True)
class Stream:
    """A device as the store knows it; `channels` in order of index, as ingest/births.py writes them."""

    id: int
    code: str
    channels: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Last:
    """The newest reading by channel index; arrays as stored."""

    at: Sequence[int | None]
    value: Sequence[float | None]
    mantissa: Sequence[int | None]
    scale: Sequence[int | None]
    quality: Sequence[int | None]


NOTHING = Last((), (), (), (), ())


@dataclass(frozen=True)
class CursorView:
    """A gateway_incarnation row, read without its lock."""

    incarnation: int
    first_seen: datetime
    received: Ranges
    dropped: Mapping[str, Ranges]
    first_kept: int
    next_seq: int
    stored: int
    repeats: int
    forks: int
    quarantined: int


def from_ms(ms: int) -> datetime:
    """For what a gateway says of itself, which nobody checked: clamped to what a datetime can hold."""
    return EPOCH + timedelta(milliseconds=min(max(ms, 0), MAX_TIME_MS))


def to_ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def decimal_text(mantissa: int, scale: int) -> str:
    """99999999, -2 -> "999999.99": exact, without an exponent."""
    return format(Decimal(mantissa).scaleb(scale), "f")


def float_text(value: float, kind: str) -> str:
    """The shortest decimal that gives this f32 or f64 again."""
    number = np.float32(value) if kind == "f32" else np.float64(value)
    return np.format_float_positional(number, trim="-")


def device_now(stream: Stream, last: Last) -> DeviceNow:
    """The channels of the newest birth, in order of index; those gone are left out."""
    channels = tuple(
        channel_now(channel, index, last) for index, channel in enumerate(stream.channels) if not channel.get("gone")
    )
    return DeviceNow(stream.code, max((c.at for c in channels if c.at), default=None), channels)


def channel_now(channel: Mapping[str, Any], index: int, last: Last = NOTHING) -> ChannelNow:
    at = last.at[index] if index < len(last.at) else None
    value, text, quality = None, "", int(Quality.BAD_WAITING_FOR_INITIAL_DATA)
    if at is not None:
        quality = last.quality[index] or 0
        value, text = shown(channel["type"], last.value[index], last.mantissa[index], last.scale[index])
    limits = channel.get("limits")
    return ChannelNow(
        name=channel["name"],
        title=channel.get("title", {}),
        quantity=channel["quantity"],
        unit=channel["unit"],
        kind=channel["kind"],
        scale=channel.get("scale", 0),
        writable=channel.get("writable", False),
        limits=(limits[0], limits[1]) if limits else None,
        states={int(number): words for number, words in channel.get("states", {}).items()},
        period_ms=channel.get("period_ms", 0),
        value=value,
        text=text,
        quality=quality,
        at=None if at is None else from_ms(at),
        rollovers={int(scale): count for scale, count in channel.get("rollovers", {}).items()},
    )


def shown(kind: str, value: float | None, mantissa: int | None, scale: int | None) -> tuple[float | None, str]:
    """A reading as (number, exact text)."""
    if value is None:
        return None, ""
    if mantissa is not None and scale is not None:
        return value, decimal_text(mantissa, scale)
    text = float_text(value, kind)
    return float(text), text


def choose_resolution(span_ms: int, period_ms: int, points: int) -> Resolution:
    """Raw where it is few samples or no more than were asked for; else minutes for some days, else hours."""
    enough = max(RAW_SAMPLES, points)
    if span_ms <= enough * (period_ms or DEFAULT_PERIOD_MS):
        return "raw"
    return "minute" if span_ms <= enough * STEP_MS["minute"] else "hour"


def present_at(gateway: GatewayNow, earliest: datetime) -> GatewayNow:
    """Not online when it was last heard before `earliest`, whatever it said then: a will that a broker lost never
    comes, and while ingest stands still nobody knows."""
    if not gateway.online or (gateway.last_seen is not None and gateway.last_seen >= earliest):
        return gateway
    return replace(gateway, online=False, since=gateway.last_seen)


def in_view(principal: Principal, gateways: Collection[str]) -> Collection[str] | None:
    """Whose quarantined messages the principal may see, given the gateways in its scope; None: everybody's. A message
    that names no gateway of ours belongs to no division: who sees the whole city sees it."""
    return None if principal.covers(CITY) else gateways


def prove(gateway: str, cursors: Sequence[CursorView], stored_twice: int) -> DeliveryProof:
    """Every seq below next_seq is received, declared dropped, still kept by the gateway, or lost.

    `cursors` are the newest first. Of an earlier life the gateway keeps nothing: after a fork it has given what it kept
    new seqs in the next one; else the spool's file was lost, and what it held with it.
    """
    proofs = []
    lost = pending = 0
    for place, cursor in enumerate(cursors):
        said = Ranges([(1, cursor.next_seq - 1)] if cursor.next_seq > 1 else [])
        missing = said.minus(cursor.received)
        for ranges in cursor.dropped.values():
            missing = missing.minus(ranges)
        kept = missing.within(cursor.first_kept, cursor.next_seq).size
        lost += missing.size - kept
        if place == 0:
            pending += kept
        elif not cursor.forks:
            lost += kept
            kept = 0
        # What a transaction stores it counts, so more counted than received would be a message stored twice.
        stored_twice += cursor.stored + cursor.quarantined - cursor.received.size
        dropped = [(low, high, cause) for cause, ranges in cursor.dropped.items() for low, high in ranges]
        proofs.append(
            IncarnationProof(
                incarnation=cursor.incarnation,
                first_seen=cursor.first_seen,
                received=tuple(cursor.received),
                missing=tuple(missing),
                dropped=tuple(sorted(dropped)),
                next_seq=cursor.next_seq,
                stored=cursor.stored,
                duplicates=cursor.repeats,
                quarantined=cursor.quarantined,
                in_flight=kept,
            )
        )
    return DeliveryProof(gateway, lost, stored_twice, pending, tuple(proofs))
