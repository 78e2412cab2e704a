"""Readings of many batches as parallel arrays, so that a group of batches costs a few numpy calls, not one a column."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleet_server.ingest.chunks import Block
from protocols.edge.columns import F32LE, F64LE, Array, Column

NOT_DECIMAL = -128  # the scale of a floating-point reading, which has no mantissa


@dataclass(frozen=True, eq=False)
class Samples:
    """One reading at each place. `t` is UTC ms; `value` NaN where a reading failed without a value.

    A decimal reading is exactly mantissa * 10**scale, and `value` the double nearest to it; else scale is NOT_DECIMAL.
    """

    device: npt.NDArray[np.int64]
    channel: npt.NDArray[np.int64]
    t: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    mantissa: npt.NDArray[np.int64]
    scale: npt.NDArray[np.int64]
    quality: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.t)

    def take(self, order: npt.NDArray[np.intp]) -> "Samples":
        return Samples(
            self.device[order],
            self.channel[order],
            self.t[order],
            self.value[order],
            self.mantissa[order],
            self.scale[order],
            self.quality[order],
        )


@dataclass(eq=False)
class _Part:
    """Columns of one kind of number, waiting to be joined."""

    dtype: npt.DTypeLike
    count: int = 0
    heads: list[tuple[int, int, int, int]] = field(default_factory=list)  # device, channel, scale, how many
    times: list[Array] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    qualities: list[tuple[int, Array]] = field(default_factory=list)  # where they begin, and they

    def put(
        self, device: int, channel: int, scale: int, times: Array, values: Array, quality: Array | None = None
    ) -> None:
        self.heads.append((device, channel, scale, len(times)))
        self.times.append(times)
        self.values.append(values)
        if quality is not None:
            self.qualities.append((self.count, quality))
        self.count += len(times)

    def join(self) -> tuple[Array, Array, Array, Array, Array, Array]:
        device, channel, scale, lengths = np.array(self.heads, np.int64).reshape(-1, 4).T
        quality = np.zeros(self.count, np.int64)
        for at, codes in self.qualities:
            quality[at : at + len(codes)] = codes
        return (
            np.repeat(device, lengths),
            np.repeat(channel, lengths),
            np.concatenate([np.empty(0, np.int64), *self.times]),
            np.concatenate([np.empty(0, self.dtype), *self.values]).astype(self.dtype, copy=False),
            np.repeat(scale, lengths),
            quality,
        )


class Collector:
    def __init__(self) -> None:
        self._floats = _Part(np.float64)
        self._decimals = _Part(np.int64)

    def add(self, device: int, block: Block) -> None:
        for column in block.columns:
            self._add(device, block.times, column)

    def _add(self, device: int, times: npt.NDArray[np.int64], column: Column) -> None:
        is_float = column.tag in (F32LE, F64LE)
        part = self._floats if is_float else self._decimals
        scale = NOT_DECIMAL if is_float else column.scale
        if not column.quality and len(column.values) == len(times):
            part.put(device, column.alias, scale, times, column.values)
            return
        quality = np.zeros(len(times), np.int64)
        told = np.fromiter(column.quality, np.int64, len(column.quality))
        quality[told] = np.fromiter(column.quality.values(), np.int64, len(column.quality))
        part.put(device, column.alias, scale, times[column.present], column.values, quality[column.present])
        silent = np.zeros(len(times), bool)
        silent[told] = True
        silent &= ~column.present
        if silent.any():
            nothing = np.full(np.count_nonzero(silent), np.nan)
            self._floats.put(device, column.alias, NOT_DECIMAL, times[silent], nothing, quality[silent])

    def samples(self) -> Samples:
        f_device, f_channel, f_t, f_value, f_scale, f_quality = self._floats.join()
        d_device, d_channel, d_t, mantissa, d_scale, d_quality = self._decimals.join()
        return Samples(
            device=np.concatenate([f_device, d_device]),
            channel=np.concatenate([f_channel, d_channel]),
            t=np.concatenate([f_t, d_t]),
            value=np.concatenate([f_value, to_double(mantissa, d_scale)]),
            mantissa=np.concatenate([np.zeros(len(f_t), np.int64), mantissa]),
            scale=np.concatenate([f_scale, d_scale]),
            quality=np.concatenate([f_quality, d_quality]),
        )


def to_double(mantissa: npt.NDArray[np.int64], scale: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The nearest doubles below 2**53: a power of ten up to 10**22 is exact, so one division rounds once."""
    power = np.power(10.0, np.abs(scale))
    exact = mantissa.astype(np.float64)
    return np.where(scale < 0, exact / power, exact * power)
