"""Samples -> rows of the roll-up and last-value tables, one row per (device, bucket) with an array place a channel.

The statements in ingest/store.py merge such rows into the stored ones; the telemetry domain rebuilds buckets from
chunks with the same functions. Both give the same rows, in whatever order the readings came: a place's last reading is
the greatest by (source time, value), and n, sum, low, high and last are over readings that are not Bad.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fleet_server.ingest.samples import NOT_DECIMAL, Samples

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# In the order of the table's columns: device_id, bucket, n, sum, low, high, last_at, last, mantissa, scale, bad.
RollupRow: TypeAlias = tuple[Any, ...]
# device_id, at, value, mantissa, scale, quality
LastRow: TypeAlias = tuple[Any, ...]


def from_ms(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def to_ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def ordered(samples: Samples) -> Samples:
    """By device, channel, time and, where one channel has two readings of one ms, by value."""
    by_time = np.lexsort((samples.t, samples.channel, samples.device))
    result = samples.take(by_time)
    same = (np.diff(result.t) == 0) & (np.diff(result.channel) == 0) & (np.diff(result.device) == 0)
    if not same.any():
        return result
    value = np.where(np.isnan(result.value), -np.inf, result.value)
    return result.take(np.lexsort((result.quality, value, result.t, result.channel, result.device)))


def reduce(samples: Samples, widths: Mapping[int, int], step_ms: int) -> list[RollupRow]:
    """One row per device and bucket of `step_ms`; `samples` are `ordered`, `widths` how many channels a device has."""
    if not len(samples):
        return []
    bucket = samples.t // step_ms * step_ms
    start = _runs(samples.device, samples.channel, bucket)
    bad = samples.quality & 0xC000 == 0x8000
    good = ~bad & ~np.isnan(samples.value)
    value = samples.value
    n = np.add.reduceat(good.astype(np.int64), start)
    has = n > 0
    last = np.maximum.reduceat(np.where(good, np.arange(len(good)), -1), start)
    layout = _Layout(samples.device[start], bucket[start], samples.channel[start], widths)
    return layout.rows(
        layout.spread(n, 0),
        layout.spread(np.add.reduceat(np.where(good, value, 0.0), start), 0.0),
        layout.sparse(np.minimum.reduceat(np.where(good, value, np.inf), start), has),
        layout.sparse(np.maximum.reduceat(np.where(good, value, -np.inf), start), has),
        layout.sparse(samples.t[last], has),
        layout.sparse(value[last], has),
        layout.sparse(samples.mantissa[last], has & (samples.scale[last] != NOT_DECIMAL)),
        layout.sparse(samples.scale[last], has & (samples.scale[last] != NOT_DECIMAL)),
        layout.spread(np.add.reduceat(bad.astype(np.int64), start), 0),
    )


def latest(samples: Samples, widths: Mapping[int, int]) -> list[LastRow]:
    """One row per device: the newest reading of each channel, Bad ones too. `samples` are `ordered`."""
    if not len(samples):
        return []
    start = _runs(samples.device, samples.channel)
    last = np.append(start[1:], len(samples)) - 1
    newest = samples.take(last)
    layout = _Layout(newest.device, np.zeros(len(last), np.int64), newest.channel, widths)
    every = np.ones(len(last), bool)
    decimal = newest.scale != NOT_DECIMAL
    rows = layout.rows(
        layout.sparse(newest.t, every),
        layout.sparse(newest.value, ~np.isnan(newest.value)),
        layout.sparse(newest.mantissa, decimal),
        layout.sparse(newest.scale, decimal),
        layout.sparse(newest.quality, every),
    )
    return [(device, *arrays) for device, _, *arrays in rows]


def _runs(*keys: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Where a run of equal keys begins."""
    changes = np.zeros(len(keys[0]) - 1, bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


class _Layout:
    """Where each entry (device, bucket, channel) lies among rows that are as wide as their device."""

    def __init__(
        self,
        device: npt.NDArray[np.int64],
        bucket: npt.NDArray[np.int64],
        channel: npt.NDArray[np.int64],
        widths: Mapping[int, int],
    ) -> None:
        keys, row = np.unique(np.stack([device, bucket], axis=1), axis=0, return_inverse=True)
        self._keys: list[list[int]] = keys.tolist()
        ends = np.cumsum([widths[key[0]] for key in self._keys])
        begins = np.concatenate([[0], ends[:-1]])
        self._bounds = list(zip(begins.tolist(), ends.tolist(), strict=True))
        self._place = begins[row.reshape(-1)] + channel
        self._total = int(ends[-1])

    def spread(self, entries: npt.NDArray[Any], empty: float) -> list[Any]:
        flat = np.full(self._total, empty, entries.dtype)
        flat[self._place] = entries
        return list(flat.tolist())

    def sparse(self, entries: npt.NDArray[Any], has: npt.NDArray[np.bool_]) -> list[Any]:
        flat = np.full(self._total, None, object)
        flat[self._place[has]] = entries[has]
        return list(flat)

    def rows(self, *columns: list[Any]) -> list[tuple[Any, ...]]:
        return [
            (device, from_ms(bucket), *(column[low:high] for column in columns))
            for (device, bucket), (low, high) in zip(self._keys, self._bounds, strict=True)
        ]
