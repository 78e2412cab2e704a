"""The filters of those channels of one device that are filtered alike, run over blocks of ticks.

Everything is computed in the channel's own numbers, before its decimal scale: every filter here commutes with it. A
channel that is not smoothed is never computed with: its numbers are picked, and leave as exact as they came.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from agent.dsp import DeadBand, Window, Windows, kept_ticks
from agent.dsp.arrays import Block, Mask, Times
from agent.pipeline.derived import RATIOS
from agent.pipeline.emit import Cell, Numbers, Ready, runs, shared, stretches, whole
from agent.pipeline.measures import measures
from agent.pipeline.plan import ChannelPlan
from agent.pipeline.smooth import Smoother
from agent.pipeline.ticks import Ticks, settled
from protocols.edge.columns import F32LE
from protocols.quality import Quality

if TYPE_CHECKING:
    from agent.dsp.watch import Watch


class Chain:
    """`members` are indexes of the model's channels; `aliases` are theirs, `derived` those of what is made of them."""

    def __init__(
        self,
        plans: Sequence[ChannelPlan],
        members: list[int],
        aliases: list[int],
        derived: list[dict[str, int]],
        period_ms: int,
    ) -> None:
        self.members = members
        self.name(aliases, derived)
        self._channels = [plan.channel for plan in plans]
        self._filters = plans[0].filters
        self.period_ms = period_ms
        self.factor = np.array([_power_of_ten(channel.scale) for channel in self._channels])
        self._scales = bool((self.factor != 1).any())
        self.smoother = self._smoother(self._filters.window_s is not None) if self._filters.smooths else None
        self._windows = None
        if self._filters.window_s is not None:
            self._window_ms = round(self._filters.window_s * 1000)
            self._windows = Windows(len(members), self._window_ms, measures(self._filters, len(members), period_ms))
        self._deadband = None
        if self._filters.deadband is not None:
            # In own numbers and rounded, so that 0.5 of a channel in tenths is exactly 5.
            band = np.round(self._filters.deadband / self.factor, 9)
            self._deadband = DeadBand(band, round(self._filters.heartbeat_s * 1000))
        self._watch = None
        if self._filters.watches:
            from agent.dsp.watch import Watch  # as every stage that few gateways need: loaded where it runs

            steepest, stuck_s = self._filters.steepest, self._filters.stuck_s
            self._watch = Watch(
                len(members),
                None if steepest is None else steepest / self.factor,
                None if stuck_s is None else round(stuck_s * 1000),
            )
        self.unwraps = None
        if self._filters.unwrap:
            from agent.dsp.rollover import Unwrap

            self.unwraps = Unwrap(np.array([channel.rollover or 0 for channel in self._channels], np.int64))
        self._waiting: Ticks | None = None
        self._steady: Smoother | None = None
        self._takers: list[Callable[[Ticks], None]] = []

    def name(self, aliases: list[int], derived: list[dict[str, int]]) -> None:
        """What leaves from now on leaves under these."""
        self.aliases, self.derived = aliases, derived
        self._stretches = stretches(aliases, repeat(0, len(aliases)))

    def _smoother(self, windowed: bool) -> Smoother:
        return Smoother(self._filters, len(self.members), self.period_ms, windowed=windowed)

    def feed(self, taker: Callable[[Ticks], None]) -> None:
        """`taker` is given what windows see, held where it was missing; said before the first tick."""
        self._takers.append(taker)
        self._steady = self._smoother(windowed=True)
        if self.smoother is not None:
            self.smoother = self._steady

    @property
    def computes(self) -> bool:
        return self.picks or self._windows is not None or self._steady is not None

    @property
    def picks(self) -> bool:
        """Whether process() gives the channels' values; else they leave as they were read, where kept() says."""
        return self.smoother is not None or self._deadband is not None or self._watch is not None

    @property
    def only_smooths(self) -> bool:
        """Besides which it does nothing: no other stage, and every tick leaves."""
        rest = (self._windows, self._deadband, self._watch, self.unwraps, self._steady)
        return self.smoother is not None and self._filters.decimate == 1 and all(one is None for one in rest)

    @property
    def only_tells(self) -> bool:
        """What was read leaves as it is, at every tick."""
        return not self.computes and self.unwraps is None and self._filters.decimate == 1

    def kept(self, times: Times) -> Mask | None:
        """The ticks that decimation keeps; None for all of them."""
        if self._filters.decimate == 1:
            return None
        return kept_ticks(times, self.period_ms, self._filters.decimate)

    def process(self, ticks: Ticks, most_bytes: int) -> Iterable[Ready]:
        ticks, self._waiting = settled(self._waiting, ticks)
        if not len(ticks.times):
            return
        if self._watch is not None:
            ticks = self._watched(self._watch, ticks)
        sharp = ticks
        if self.smoother is not None:
            sharp, ticks = self.smoother.process(ticks)
        if self._steady is not None:
            steady = sharp if self.smoother is not None else self._steady.process(ticks)[0]
            for taker in self._takers:
                taker(steady)
        if self._windows is not None and len(sharp.times):
            good = sharp.value & (sharp.quality == Quality.GOOD)
            for window in self._windows.process(sharp.times, sharp.numbers, good):
                yield from shared(np.array([window.start_ms]), self._statistics(window), False, most_bytes)
        if self.picks and len(ticks.times):
            yield from self.emit(ticks, most_bytes)

    def takes_abreast(self, times: Times) -> bool:
        return self.smoother is not None and self._waiting is None and self.smoother.takes_abreast(times)

    def wider(self, devices: int) -> Smoother:
        """For so many chains like this one, by Smoother.process_abreast."""
        return Smoother(self._filters, devices * len(self.members), self.period_ms, windowed=False)

    def emit(self, ticks: Ticks, most_bytes: int) -> Iterable[Ready]:
        """What leaves of ticks that are smoothed, where they are."""
        kept = self.kept(ticks.times)
        if kept is not None:
            ticks = ticks.rows(kept)
            if not len(ticks.times):
                return
        if self._deadband is not None:
            yield from self._sparse(self._deadband, ticks, most_bytes)
        elif ticks.clean and (ready := self._all_good(ticks)) is not None and ready.size <= most_bytes:
            yield ready
        else:
            cells = self._cells(ticks)
            clean = all(cell.value.all() and not cell.quality.any() for cell in cells)
            yield from shared(ticks.times, cells, clean, most_bytes)

    @staticmethod
    def _watched(watch: "Watch", ticks: Ticks) -> Ticks:
        """What moves too fast or not at all keeps its number, and is Uncertain; a worse quality stays."""
        steep, stuck = watch.process(ticks.times, ticks.numbers, ticks.value & (ticks.quality & 0xC000 != 0x8000))
        good = ticks.quality == Quality.GOOD
        quality = np.where(good & stuck, np.uint16(Quality.UNCERTAIN_NOT_ACCURATE), ticks.quality)
        quality[good & steep] = Quality.UNCERTAIN_EU_EXCEEDED
        return ticks._replace(quality=quality, clean=False)

    def _sparse(self, deadband: DeadBand, ticks: Ticks, most_bytes: int) -> Iterable[Ready]:
        """Each channel on its own axis of the ticks that the dead band picked."""
        marks = ticks.quality.astype(np.int64) * 2 + ticks.value
        picked = deadband.process(ticks.times, ticks.numbers, marks, ticks.told)
        for column, cell in enumerate(self._cells(ticks)):
            chosen = picked[:, column]
            if chosen.any():
                yield from shared(ticks.times[chosen], [cell.rows(chosen)], False, most_bytes)

    def _all_good(self, ticks: Ticks) -> Ready | None:
        """Smoothed channels at once, with no look at any one of them; None where that cannot be."""
        if self.smoother is None:
            return None
        rows = self.carried(ticks.numbers)
        return self.told(ticks.times, rows) if np.isfinite(rows).all() else None

    def carried(self, numbers: Block) -> Numbers:
        """(samples, channels), or those of several devices side by side, as they travel: (channels, samples)."""
        with np.errstate(over="ignore"):
            if self._scales:
                numbers = numbers * np.tile(self.factor, numbers.shape[1] // len(self.factor))
            return np.ascontiguousarray(numbers.T, np.float32)

    def told(self, times: Times, rows: Numbers) -> Ready:
        return whole(times, runs(F32LE, self._stretches, rows))

    def _cells(self, ticks: Ticks) -> list[Cell]:
        """Smoothed channels in their unit, as far as an f32 holds it; others in their own numbers, whole ones exact
        below 2**53.
        """
        if self.smoother is not None:
            with np.errstate(over="ignore"):
                numbers = (ticks.numbers * self.factor).astype(np.float32).T.copy()
            carried = np.isfinite(numbers.T)
            value = ticks.value & carried
            quality = np.where(ticks.value & ~carried, np.uint16(Quality.BAD_OUT_OF_RANGE), ticks.quality)
            forms = [(F32LE, 0)] * len(self.aliases)
        else:
            numbers, value, quality = ticks.numbers.T, ticks.value, ticks.quality
            forms = [(channel.tag, channel.scale) for channel in self._channels]
        return [
            Cell(alias, tag, scale, numbers[i], value[:, i], ticks.told[:, i], quality[:, i])
            for i, (alias, (tag, scale)) in enumerate(zip(self.aliases, forms, strict=True))
        ]

    def _statistics(self, window: Window) -> list[Cell]:
        """A window with fewer samples than it has ticks says so: OPC 10000-13 calls that sub-normal."""
        whole = window.count >= self._window_ms // self.period_ms
        goodness = np.where(whole, np.uint16(Quality.GOOD), np.uint16(Quality.UNCERTAIN_SUB_NORMAL))
        cells = []
        for name, row in window.figures.items():
            with np.errstate(over="ignore"):
                numbers = (row if name in RATIOS else row * self.factor).astype(np.float32)
            some = np.isfinite(numbers)
            quality = np.where(some, goodness, np.uint16(Quality.BAD))
            for i, derived in enumerate(self.derived):
                at = slice(i, i + 1)
                cells.append(Cell(derived[name], F32LE, 0, numbers[at], some[at], np.ones(1, bool), quality[at]))
        return cells


def _power_of_ten(scale: int) -> float:
    return float(10**scale) if scale >= 0 else 1 / 10**-scale
