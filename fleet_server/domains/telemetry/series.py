"""Chunks and roll-up rows -> the series of a chart: thinned without losing an extreme, with its gaps named. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fleet_server.domains.telemetry.models import DEFAULT_PERIOD_MS, GAP_PERIODS, channel_now, decimal_text, float_text
from fleet_server.ingest.chunks import Block, decode
from fleet_server.ingest.rollups import ordered
from fleet_server.ingest.samples import NOT_DECIMAL, Collector, Samples
from fleet_server.kernel.ports import Series
from protocols.quality import Quality

Chunk = tuple[int, bytes]  # t0 in ms, body: as `chunk` holds it
Described = Sequence[tuple[Mapping[str, Any], int]]  # channels and their indexes
Span = tuple[int, int]  # [from, to) in ms


def raw(described: Described, chunks: Iterable[Chunk], span: Span, heard: Span, points: int) -> tuple[Series, ...]:
    """`heard` is the part of `span` that is over: in it, silence is a gap."""
    samples = gather([block for t0, body in chunks for block in decode(t0, body)], *span)
    times = np.unique(samples.t)
    return tuple(raw_series(channel, index, samples, times, *heard, points) for channel, index in described)


def rolled_up(
    described: Described, rows: Sequence[Mapping[str, Any]], step_ms: int, heard: Span, points: int
) -> tuple[Series, ...]:
    return tuple(rollup_series(channel, index, rows, step_ms, *heard, points) for channel, index in described)


def gather(blocks: Iterable[Block], start: int, end: int) -> Samples:
    """All readings of one device in [start, end), ordered by channel and time; one reading at most for each ms."""
    collector = Collector()
    for block in blocks:
        collector.add(0, block)
    samples = ordered(collector.samples())
    inside = (samples.t >= start) & (samples.t < end)
    # Of two readings of one ms the last in order is the one that roll-ups and last values hold too.
    superseded = np.zeros(len(samples), bool)
    superseded[:-1] = (np.diff(samples.t) == 0) & (np.diff(samples.channel) == 0)
    return samples.take(np.flatnonzero(inside & ~superseded))


def raw_series(
    channel: Mapping[str, Any],
    index: int,
    samples: Samples,
    heard: npt.NDArray[np.int64],
    start: int,
    end: int,
    points: int,
) -> Series:
    """`samples` as `gather` gives them, and the times of all: other channels tell whether the device was silent or only
    unchanged."""
    own = samples.take(np.arange(*np.searchsorted(samples.channel, (index, index + 1))))
    chosen = own.take(thin(own.value, own.quality, points))
    period = channel.get("period_ms") or DEFAULT_PERIOD_MS
    values, texts = _shown(channel["type"], chosen.value, chosen.mantissa, chosen.scale)
    return Series(
        channel=channel_now(channel, index),
        t=chosen.t.tolist(),
        value=values,
        low=values,
        high=values,
        quality=chosen.quality.tolist(),
        gaps=gaps(heard, heard, GAP_PERIODS * period, start, end),
        text=texts,
    )


def rollup_series(
    channel: Mapping[str, Any],
    index: int,
    rows: Sequence[Mapping[str, Any]],
    step_ms: int,
    start: int,
    end: int,
    points: int,
) -> Series:
    """`rows` of the roll-up table in order of bucket, each with `t` in ms. A point stands at the beginning of its
    bucket: the mean of a gauge, the last reading of a counter or a state."""
    t = np.array([row["t"] for row in rows], np.int64)
    period = channel.get("period_ms") or DEFAULT_PERIOD_MS
    holes = gaps(t, t + step_ms, max(GAP_PERIODS * period, step_ms), start, end)
    mine = [row for row in rows if index < len(row["n"]) and (row["n"][index] or row["bad"][index])]
    width = max(1, -(-len(rows) // max(points, 1)))
    merged = [_merge(mine[at : at + width], index, channel["kind"] == "gauge") for at in range(0, len(mine), width)]
    _, texts = _shown(
        channel["type"],
        np.array([np.nan if m.last is None else m.last for m in merged], np.float64),
        np.array([m.mantissa or 0 for m in merged], np.int64),
        np.array([NOT_DECIMAL if m.mantissa is None or m.scale is None else m.scale for m in merged], np.int64),
    )
    return Series(
        channel=channel_now(channel, index),
        t=[m.t for m in merged],
        value=[m.value for m in merged],
        low=[m.low for m in merged],
        high=[m.high for m in merged],
        quality=[m.quality for m in merged],
        gaps=holes,
        text=[] if channel["kind"] == "gauge" else texts,
    )


def thin(value: npt.NDArray[np.float64], quality: npt.NDArray[np.int64], points: int) -> npt.NDArray[np.intp]:
    """Indexes of at most about `points` readings: of each run the lowest, the highest and the worst in quality."""
    count = len(value)
    if count <= points:
        return np.arange(count)
    runs = max(points // 3, 1)
    edges = np.linspace(0, count, runs + 1).astype(np.int64)
    start = edges[:-1]
    picked = [
        _first_at(np.where(np.isnan(value), np.inf, value), np.minimum, start, count),
        _first_at(np.where(np.isnan(value), -np.inf, value), np.maximum, start, count),
        _first_at(quality & 0xC000, np.maximum, start, count),
        np.array([0, count - 1]),
    ]
    return np.unique(np.concatenate(picked))


def gaps(begins: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], longest: int, start: int, end: int) -> list[Span]:
    """The holes longer than `longest` ms between one item's end and the next one's begin, inside [start, end)."""
    begins, ends = np.append(begins, end), np.concatenate([[start], ends])
    wide = np.flatnonzero(begins - ends > longest)
    return list(zip(ends[wide].tolist(), begins[wide].tolist(), strict=True))


class _Merged:
    """Adjacent roll-up rows as one."""

    __slots__ = ("high", "last", "low", "mantissa", "quality", "scale", "t", "value")

    def __init__(self, t: int) -> None:
        self.t = t
        self.value: float | None = None
        self.low: float | None = None
        self.high: float | None = None
        self.last: float | None = None
        self.mantissa: int | None = None
        self.scale: int | None = None
        self.quality = int(Quality.BAD)


def _merge(rows: Sequence[Mapping[str, Any]], index: int, is_gauge: bool) -> _Merged:
    merged = _Merged(rows[0]["t"])
    full = [row for row in rows if row["n"][index]]
    if full:
        count, newest = sum(row["n"][index] for row in full), full[-1]
        merged.low = min(row["low"][index] for row in full)
        merged.high = max(row["high"][index] for row in full)
        merged.last = newest["last"][index]
        merged.mantissa, merged.scale = newest["mantissa"][index], newest["scale"][index]
        mean = sum(row["sum"][index] for row in full) / count
        merged.value = min(max(mean, merged.low), merged.high) if is_gauge else merged.last
        some_bad = any(row["bad"][index] for row in rows)
        merged.quality = int(Quality.UNCERTAIN_SUB_NORMAL if some_bad else Quality.GOOD)
    return merged


def _first_at(
    value: npt.NDArray[Any], best: np.ufunc, start: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.intp]:
    """For each run the first index that holds the run's best."""
    lengths = np.diff(np.append(start, count))
    hits = np.flatnonzero(value == np.repeat(best.reduceat(value, start), lengths))
    run = np.repeat(np.arange(len(start)), lengths)[hits]
    _, first = np.unique(run, return_index=True)
    return np.asarray(hits[first])


def _shown(
    kind: str, value: npt.NDArray[np.float64], mantissa: npt.NDArray[np.int64], scale: npt.NDArray[np.int64]
) -> tuple[list[float | None], list[str]]:
    if kind != "decimal":
        numbers = [None if np.isnan(v) else float(float_text(v, kind)) for v in value.tolist()]
        return numbers, []
    numbers = [None if np.isnan(v) else v for v in value.tolist()]
    texts = [
        decimal_text(m, s) if s != NOT_DECIMAL else "" for m, s in zip(mantissa.tolist(), scale.tolist(), strict=True)
    ]
    return numbers, texts
