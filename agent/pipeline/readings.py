"""A device's readings as they come, turned into arrays a block at a time: Python touches each tick, not each value."""

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Mask, Times
from agent.pipeline.plan import DevicePlan
from agent.pipeline.ticks import marks
from drivers.base import Number, Readings
from protocols.edge.columns import DTYPES, F32LE, F64LE
from protocols.quality import Quality

MAX_TICKS = 1200  # kept for one device between two drains; older ones go: the memory is bounded
FLOATS = frozenset({F32LE, F64LE})


@dataclass(frozen=True, eq=False)
class ReadingBlock:
    """Ticks of one device, (ticks, channels). Each channel's numbers are in `integers` or `floats`, at its `position`.

    `value` says where a number stands, `told` where anything is known at all: a number, or why there is none.
    `quality` is 0 (Good) where nothing else was told.
    """

    times: Times
    integers: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]
    value: Mask
    told: Mask
    quality: npt.NDArray[np.uint16]
    clean: bool  # every number stands, and all are Good

    def rows(self, chosen: Mask) -> "ReadingBlock":
        return ReadingBlock(
            self.times[chosen],
            self.integers[chosen],
            self.floats[chosen],
            self.value[chosen],
            self.told[chosen],
            self.quality[chosen],
            self.clean,
        )


class ReadingRows:
    """Collects readings for one device. Numbers are in the channel's own integers or floats, before its scale."""

    def __init__(self, plan: DevicePlan) -> None:
        channels = [one.channel for one in plan.channels]
        self._count = len(channels)
        self.is_float = [channel.tag in FLOATS for channel in channels]
        sides: dict[bool, list[int]] = {False: [], True: []}
        self.position = []
        for index, floating in enumerate(self.is_float):
            self.position.append(len(sides[floating]))
            sides[floating].append(index)
        self._integer_channels, self._float_channels = sides[False], sides[True]
        bounds = [_bounds(channel.tag, channel.limits, channel.scale) for channel in channels]
        self._travels = _sides(sides, [wide for wide, _ in bounds])
        self._plausible = _sides(sides, [narrow for _, narrow in bounds])
        self._all_good = (0,) * self._count
        self._ticks: list[int] = []
        self._rows: list[Readings | int] = []
        self._pickers: dict[tuple[int, ...], tuple[Any, Any]] = {}
        self.out_of_range = 0
        self.no_value = 0

    def __len__(self) -> int:
        return len(self._ticks)

    @property
    def last_tick(self) -> int | None:
        return self._ticks[-1] if self._ticks else None

    def append(self, tick: int, row: Readings | int) -> None:
        """`row` is the readings, or the quality with which the whole device was missed."""
        self._ticks.append(tick)
        self._rows.append(row)

    def extend_last(self, readings: Readings) -> None:
        last = self._rows[-1]
        self._rows[-1] = readings if isinstance(last, int) else last + readings

    def drop_oldest(self) -> int:
        """Keeps the newest MAX_TICKS; how many went."""
        excess = max(0, len(self._ticks) - MAX_TICKS)
        del self._ticks[:excess], self._rows[:excess]
        return excess

    def take(self) -> ReadingBlock | None:
        """All rows so far as one block; None if there are none."""
        if not self._ticks:
            return None
        times = np.array(self._ticks, np.int64)
        block = self._fast(times) or self._careful(times)
        self.clear()
        return self.judged(block)

    def clear(self) -> None:
        self._ticks, self._rows = [], []

    @property
    def ticks(self) -> list[int]:
        return self._ticks

    def _fast(self, times: Times) -> ReadingBlock | None:
        """The usual case, every channel read and Good at every tick."""
        if (good := self.good()) is None:
            return None
        try:
            return clean(times, np.array(good.integers, np.int64), np.array(good.floats, np.float64))
        except (OverflowError, TypeError):
            return None

    def good(self) -> "Good | None":
        """All rows so far, if every channel was read and Good in each: Python compares two tuples a tick."""
        integers, floats = [], []
        order, pickers = None, None
        for row in self._rows:
            if isinstance(row, int) or row.qualities != self._all_good:
                return None
            if row.channels is not order:
                order = row.channels
                pickers = self._pickers.get(order) or self._learn(order)
            if pickers is None:
                return None
            integers.append(pickers[0](row.values))
            floats.append(pickers[1](row.values))
        return Good(integers, floats)

    def _learn(self, order: tuple[int, ...]) -> tuple[Any, Any] | None:
        """How to pick the integers and the floats out of readings that come in this order."""
        if not order or sorted(order) != list(range(self._count)) or len(self._pickers) >= 8:
            return None
        place = {channel: index for index, channel in enumerate(order)}
        pickers = (
            _picker([place[channel] for channel in self._integer_channels]),
            _picker([place[channel] for channel in self._float_channels]),
        )
        self._pickers[order] = pickers
        return pickers

    def _careful(self, times: Times) -> ReadingBlock:
        shape = (len(times), self._count)
        integers = np.zeros((len(times), len(self._integer_channels)), np.int64)
        floats = np.zeros((len(times), len(self._float_channels)))
        value, told = np.zeros(shape, bool), np.zeros(shape, bool)
        quality = np.zeros(shape, np.uint16)
        for tick, row in enumerate(self._rows):
            if isinstance(row, int):
                told[tick], quality[tick] = True, row
                continue
            for channel, number, code in row:
                told[tick, channel], quality[tick, channel] = True, code
                if number is None:
                    self.no_value += 1
                    quality[tick, channel] = code or Quality.BAD
                    continue
                side = floats if self.is_float[channel] else integers
                try:
                    side[tick, self.position[channel]] = _fitting(number, self.is_float[channel])
                except OverflowError:
                    self.out_of_range += 1
                    quality[tick, channel] = Quality.BAD_OUT_OF_RANGE
                    continue
                value[tick, channel] = True
        return ReadingBlock(times, integers, floats, value, told, quality, clean=False)

    def plausible(self, integers: npt.NDArray[np.int64], floats: npt.NDArray[np.float64]) -> Mask:
        """Of devices of this one's kind, (devices, ticks, channels): whose block judged() would leave as it is."""
        ticks_and_channels = (1, 2)
        whole = _inside(integers, self._plausible.integers).all(ticks_and_channels)
        return np.logical_and(whole, _inside(floats, self._plausible.floats).all(ticks_and_channels))

    def judged(self, block: ReadingBlock) -> ReadingBlock:
        """Numbers outside a channel's limits keep their value and turn Bad; what no column can carry loses it."""
        implausible = self._outside(block, self._plausible)
        if implausible is None:
            return block
        value, quality = block.value.copy(), block.quality.copy()
        out = implausible & value & (quality & 0xC000 != 0x8000)
        quality[out] = Quality.BAD_OUT_OF_RANGE
        self.out_of_range += int(np.count_nonzero(out))
        lost = self._outside(block, self._travels)
        if lost is not None:
            value &= ~lost
        return ReadingBlock(block.times, block.integers, block.floats, value, block.told, quality, clean=False)

    def _outside(self, block: ReadingBlock, bounds: "_Bounds") -> Mask | None:
        """Where numbers lie outside (NaN does, too); None if nowhere, as it nearly always is."""
        whole = _inside(block.integers, bounds.integers)
        floating = _inside(block.floats, bounds.floats)
        if np.count_nonzero(whole) == whole.size and np.count_nonzero(floating) == floating.size:
            return None
        outside = np.empty(block.value.shape, bool)
        outside[:, self._integer_channels] = ~whole
        outside[:, self._float_channels] = ~floating
        return outside


class Good(NamedTuple):
    """A row's numbers are in the order of the channels, integers and floats apart."""

    integers: list[tuple[int, ...]]
    floats: list[tuple[float, ...]]


def clean(times: Times, integers: npt.NDArray[np.int64], floats: npt.NDArray[np.float64]) -> ReadingBlock:
    everywhere, nowhere = marks((len(times), integers.shape[1] + floats.shape[1]))
    return ReadingBlock(times, integers, floats, everywhere, everywhere, nowhere, clean=True)


@dataclass(frozen=True, eq=False)
class _Bounds:
    integers: npt.NDArray[np.int64]  # [lowest, highest] x channels
    floats: npt.NDArray[np.float64]


def _inside(numbers: npt.NDArray[Any], bounds: npt.NDArray[Any]) -> Mask:
    if not numbers.size:
        return np.empty(numbers.shape, bool)
    low, high = bounds
    inside: Mask = numbers >= low
    inside &= numbers <= high
    return inside


def _bounds(tag: int, limits: Any, scale: int) -> tuple[tuple[Number, Number], tuple[Number, Number]]:
    """What a column of this tag can carry; and of that, what the limits allow; in the channel's own numbers."""
    if tag in FLOATS:
        most = float(np.finfo(DTYPES[tag]).max)
        wide: tuple[Number, Number] = (-most, most)
    else:
        wide = (int(np.iinfo(DTYPES[tag]).min), int(np.iinfo(DTYPES[tag]).max))
    if limits is None:
        return wide, wide
    low, high = (limit.scaleb(-scale) for limit in limits)
    if tag in FLOATS:
        return wide, (max(wide[0], float(low)), min(wide[1], float(high)))
    # Integers above the lowest limit are those above its ceiling: no rounding decides.
    return wide, (max(wide[0], math.ceil(low)), min(wide[1], math.floor(high)))


def _sides(sides: dict[bool, list[int]], bounds: list[tuple[Number, Number]]) -> _Bounds:
    return _Bounds(
        np.array([bounds[c] for c in sides[False]], np.int64).reshape(-1, 2).T,
        np.array([bounds[c] for c in sides[True]], np.float64).reshape(-1, 2).T,
    )


def _picker(places: list[int]) -> Any:
    """A function from a tuple to the tuple of what stands at `places`."""
    if len(places) > 1:
        return itemgetter(*places)
    if places:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(slice(0, 0))


def _fitting(number: Number, floating: bool) -> Number:
    if floating:
        return float(number)
    if not -(2**63) <= number < 2**63:
        raise OverflowError
    return int(number)
