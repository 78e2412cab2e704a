"""Smoothing over ticks that may be missing: what the filters of agent.dsp leave to whoever runs them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from agent.dsp import Cascade, Hold, Median5, Pass, Section, butterworth, kept_ticks
from agent.dsp.arrays import Block, Mask, Row, Times
from agent.dsp.design import low_pass_taps, notch
from agent.dsp.hold import PATIENCE
from agent.pipeline.align import Aligned
from agent.pipeline.filters import TAPS_PER_KEPT, FilterConfig
from agent.pipeline.ticks import Ticks
from protocols.quality import Quality

if TYPE_CHECKING:
    from agent.dsp.fir import Fir
    from agent.dsp.hampel import Hampel

_PASSES = {
    "highpass_hz": Pass.HIGH,
    "bandpass_hz": Pass.BAND,
    "bandstop_hz": Pass.ALL_BUT_BAND,
    "lowpass_hz": Pass.LOW,
}


class Smoother:
    """Hold, despike, take off, low-pass. Gives each tick of its input exactly once, as late as its filters delay.

    `windowed`: somebody looks in between, before the low-pass.
    """

    def __init__(self, filters: FilterConfig, channels: int, period_ms: int, *, windowed: bool) -> None:
        self._period_ms, self._keep_one_in = period_ms, filters.decimate
        self.channels = channels
        self._hold = Hold(channels)
        self._despike = _despiker(filters, channels)
        shape, low = _sections(filters, 1000 / period_ms)
        self._windowed = windowed
        if not self._windowed:  # nobody looks in between: one product does for both
            shape, low = (), shape + low
        self._shape = Cascade(shape, channels) if shape else None
        self._low = Cascade(low, channels) if low else None
        self._fir = _fir(filters, channels, 1000 / period_ms)
        delay = self._despike.DELAY if self._despike is not None else 0
        self._sharp = Aligned(delay, channels)
        self._smooth = Aligned(delay + (self._fir.delay if self._fir is not None else 0), channels)
        self.newest: int | None = None
        self.held = 0
        self.resets = 0

    def process(self, ticks: Ticks) -> tuple[Ticks, Ticks]:
        """The ticks that are done as they were before the low-pass, for who looks there if anybody; and smoothed."""
        ticks = self._without_gaps(ticks)
        if ticks.clean and self._hold.goes_on:
            held = self._hold.keep(ticks.numbers)
            sharp, smooth = self._filter(held.values, held.begins, self._wanted(ticks.times))
            done = self._smooth.process(Ticks.all_good(ticks.times, smooth), held.begins)
            if not self._windowed:
                return done, done
            return self._sharp.process(Ticks.all_good(ticks.times, sharp), held.begins), done
        good = ticks.value & (ticks.quality & 0xC000 != 0x8000)
        held = self._hold.process(ticks.numbers, good)
        self.held += int(np.count_nonzero(held.held))
        self.resets += int(np.count_nonzero(held.begins))
        sharp, smooth = self._filter(held.values, held.begins, self._wanted(ticks.times))
        quality = np.where(held.held, np.uint16(Quality.UNCERTAIN_LAST_USABLE), ticks.quality)
        silent = held.absent & (quality & 0xC000 != 0x8000)
        quality[silent] = Quality.BAD_NO_COMMUNICATION
        now = Ticks(ticks.times, smooth, ~held.absent, np.ones_like(held.held), quality)
        done = self._smooth.process(now, held.begins)
        return self._sharp.process(now._replace(numbers=sharp), held.begins) if self._windowed else done, done

    def takes_abreast(self, times: Times) -> bool:
        """Whether ticks at `times`, all good, would leave all good, and nothing but states would have to be known."""
        return (
            self.newest is not None
            and int(times[-1]) - self.newest == len(times) * self._period_ms
            and self._hold.goes_on
            and self._smooth.is_clean()
            and self._fir is None
            and not self._windowed
        )

    def process_abreast(self, others: Sequence["Smoother"], ticks: Ticks) -> Ticks:
        """What process() of the others would give, side by side, and leave them as. They are of this one's filters and
        all take `ticks` abreast; this one has their channels together, or more, and no state of its own."""
        first, channels = others[0], others[0].channels
        end = len(others) * channels
        for mine, theirs in zip(self.states, zip(*(one.states for one in others), strict=True), strict=True):
            np.concatenate(theirs, axis=1, out=mine[:, :end])
        self.resume(first.newest, first.waiting, np.zeros(self.channels))
        done = self.process(ticks)[1]
        for place, one in enumerate(others):
            columns = slice(place * channels, (place + 1) * channels)
            for mine, their in zip(self.states, one.states, strict=True):
                their[:] = mine[:, columns]
            one.resume(self.newest, self.waiting, self._hold.last[columns])
        return done

    @property
    def states(self) -> list[Block]:
        """Of each stage (rows, channels), to be written to as well."""
        return [stage.state for stage in (self._despike, self._shape, self._low) if stage is not None]

    @property
    def waiting(self) -> Times:
        return self._smooth.waiting

    def resume(self, newest: int | None, waiting: Times, last: Row) -> None:
        """Beside the states: as if ticks had been taken abreast, the `newest` of them with the numbers `last`."""
        self.newest = newest
        self._hold.stand_at(last)
        self._smooth.resume(waiting)

    def _without_gaps(self, ticks: Ticks) -> Ticks:
        """With ticks that nobody told of: enough of them to let the filters hold, or end, and no more."""
        times, period = ticks.times, self._period_ms
        before = int(times[0]) - period if self.newest is None else self.newest
        self.newest = int(times[-1])
        if self.newest - before == len(times) * period:
            return ticks
        steps = np.diff(times, prepend=before)
        missing = np.clip((steps + period // 2) // period - 1, 0, PATIENCE)
        at = np.repeat(np.arange(len(times)), missing)
        if not len(at):
            return ticks
        ordinals = np.concatenate([np.arange(1, count + 1) for count in missing.tolist()])
        return Ticks(
            np.insert(times, at, (times - steps)[at] + ordinals * period),
            np.insert(ticks.numbers, at, 0.0, axis=0),
            np.insert(ticks.value, at, False, axis=0),
            np.insert(ticks.told, at, False, axis=0),
            np.insert(ticks.quality, at, Quality.BAD_NO_COMMUNICATION, axis=0),
        )

    def _wanted(self, times: Times) -> Mask | None:
        """The rows that decimation keeps of what leaves; None for all, or where skipping them saves nothing."""
        if self._fir is None or self._keep_one_in == 1:
            return None
        return kept_ticks(self._smooth.times(times), self._period_ms, self._keep_one_in)

    def _filter(self, values: Block, begins: Mask, wanted: Mask | None) -> tuple[Block, Block]:
        """Cuts the block where a channel's stream begins, and lets its filters begin there at rest."""
        starts = [0, len(values)]
        if begins[1:].any():
            starts = [0, *(np.flatnonzero(begins[1:].any(axis=1)) + 1).tolist(), len(values)]
        despiked = values if self._despike is None else np.empty_like(values)
        shaped = despiked if self._shape is None else np.empty_like(values)
        low = shaped if self._low is None else np.empty_like(values)
        smooth = low if self._fir is None else np.zeros_like(values)
        for first, last in pairwise(starts):
            if first == last:
                continue
            if begins[first].any():
                self._begin(begins[first], values[first])
            piece = slice(first, last)
            if self._despike is not None:
                self._despike.process(values[piece], out=despiked[piece])
            if self._shape is not None:
                self._shape.process(despiked[piece], out=shaped[piece])
            if self._low is not None:
                self._low.process(shaped[piece], out=low[piece])
            if self._fir is not None:
                self._fir.process(low[piece], None if wanted is None else wanted[piece], out=smooth[piece])
        return shaped, smooth

    def _begin(self, columns: Mask, row: Block) -> None:
        if self._despike is not None:
            self._despike.prime(columns, row)
        for cascade in (self._shape, self._low):
            if cascade is not None:
                cascade.prime(columns, row)
                row = row * cascade.gain_at_rest
        if self._fir is not None:
            self._fir.prime(columns, row)


def _despiker(filters: FilterConfig, channels: int) -> "Median5 | Hampel | None":
    if filters.despiker is None:
        return None
    if filters.despiker == "median":
        return Median5(channels)
    from agent.dsp.hampel import Hampel

    return Hampel(channels)


def _sections(filters: FilterConfig, rate_hz: float) -> tuple[tuple[Section, ...], tuple[Section, ...]]:
    """What takes a part of the signal away on purpose, and comes before the windows; and the low-pass."""
    made: dict[str, tuple[Section, ...]] = {
        key: butterworth(corners, rate_hz, filters.order, _PASSES[key])
        for key, corners in filters.recursive()
        if corners is not None
    }
    low = made.pop("lowpass_hz", ())
    shape = tuple(section for sections in made.values() for section in sections)
    return shape + tuple(notch(hz, rate_hz, filters.notch_q) for hz in filters.notch_hz), low


def _fir(filters: FilterConfig, channels: int, rate_hz: float) -> "Fir | None":
    if filters.antialias:
        corner, count = 0.4 * rate_hz / filters.decimate, TAPS_PER_KEPT * filters.decimate + 1
    elif filters.fir_hz is not None:
        corner, count = filters.fir_hz, filters.fir_taps
    else:
        return None
    from agent.dsp.fir import Fir

    return Fir(low_pass_taps(corner, rate_hz, count), channels)
