"""Devices of one kind whose ticks are all good, taken through the pipeline side by side.

A flush finds a handful of ticks of each device. Of so small a block numpy's calls are what filtering costs, and not its
work; a block of many devices takes as many calls as that of one.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Times
from agent.pipeline.chain import Chain
from agent.pipeline.device import PART_BYTES, DeviceLane
from agent.pipeline.emit import Ready, whole
from agent.pipeline.readings import clean
from agent.pipeline.smooth import Smoother
from agent.pipeline.ticks import Ticks

MOST = 32  # devices: more bring little, and the scratch arrays of the filters grow with them
LONGEST = 64  # ticks: of a longer block the calls do not matter


class Row(NamedTuple):
    """Clean blocks of several devices, (devices, ticks, channels)."""

    lanes: list[DeviceLane]
    integers: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]


class Abreast:
    """`lanes` are of equal plans. Whoever has a gap, a quality, or somebody who looks at it goes its way alone."""

    def __init__(self, lanes: Sequence[DeviceLane]) -> None:
        self._lanes = lanes
        self._wide: dict[int, Smoother] = {}  # by the number of the chain

    def take(self) -> Iterable[Ready]:
        together: dict[tuple[int, ...], list[DeviceLane]] = {}
        for lane in self._lanes:
            if not lane.rows:
                continue
            if len(self._lanes) > 1 and lane.goes_abreast and len(lane.rows) <= LONGEST:
                together.setdefault(tuple(lane.rows.ticks), []).append(lane)
            else:
                yield from lane.take()
        for ticks, lanes in together.items():
            times = np.array(ticks, np.int64)
            for start in range(0, len(lanes), MOST):
                yield from self._side_by_side(times, lanes[start : start + MOST])

    def _side_by_side(self, times: Times, lanes: list[DeviceLane]) -> Iterable[Ready]:
        row = _stacked(lanes)
        if row is not None:
            for lane in row.lanes:
                lane.rows.clear()
            for number, chain in enumerate(row.lanes[0].chains):
                yield from self._through(number, chain, times, row)
        for lane in lanes:
            if lane.rows:
                yield from lane.take()

    def _through(self, number: int, chain: Chain, times: Times, row: "Row") -> Iterable[Ready]:
        lane = row.lanes[0]
        if not lane.at_every_tick(chain) or not (chain.only_tells or chain.only_smooths):
            for place, one in enumerate(row.lanes):
                block = clean(times, row.integers[place], row.floats[place])
                yield from one.through(one.chains[number], block)
        elif chain.only_tells:
            yield from self._as_read(number, chain, times, row)
        else:
            yield from self._smoothed(number, chain, times, row)

    def _as_read(self, number: int, chain: Chain, times: Times, row: "Row") -> Iterable[Ready]:
        tables = [
            lanes.rows(row.floats if floating else row.integers) for floating, lanes in row.lanes[0].side_by_side(chain)
        ]
        for place, one in enumerate(row.lanes):
            tagged = one.side_by_side(one.chains[number])
            told = [lanes.runs(table[place]) for (_, lanes), table in zip(tagged, tables, strict=True)]
            yield whole(times, tuple(itertools.chain.from_iterable(told)))

    def _smoothed(self, number: int, chain: Chain, times: Times, row: "Row") -> Iterable[Ready]:
        numbers = row.lanes[0].numbers(chain, row.integers, row.floats)
        chains = [lane.chains[number] for lane in row.lanes]
        joins = [one.takes_abreast(times) for one in chains]
        if not all(joins):
            for place, one in enumerate(chains):
                if not joins[place]:
                    yield from one.process(Ticks.all_good(times, numbers[place]), PART_BYTES)
            numbers = numbers[joins]
            chains = [one for one, joined in zip(chains, joins, strict=True) if joined]
        if not chains:
            return
        wide = self._wide.get(number)
        if wide is None:
            wide = self._wide[number] = chain.wider(min(MOST, len(self._lanes)))
        channels = numbers.shape[2]
        beside = np.zeros((len(times), wide.channels))
        beside[:, : len(chains) * channels] = numbers.swapaxes(0, 1).reshape(len(times), -1)
        smoothers = [one.smoother for one in chains if one.smoother is not None]
        done = wide.process_abreast(smoothers, Ticks.all_good(times, beside))
        rows = chain.carried(done.numbers[:, : len(chains) * channels])
        finite = bool(np.isfinite(rows).all())
        for place, one in enumerate(chains):
            columns = slice(place * channels, (place + 1) * channels)
            if finite:
                yield one.told(done.times, rows[columns])
            else:
                yield from one.emit(Ticks.all_good(done.times, done.numbers[:, columns]), PART_BYTES)


def _stacked(lanes: Sequence[DeviceLane]) -> Row | None:
    """Those whose readings are all good and plausible; None if fewer than two are."""
    goods = [(lane, good) for lane in lanes if (good := lane.rows.good()) is not None]
    if len(goods) < 2:
        return None
    try:
        integers = np.array([good.integers for _, good in goods], np.int64)
        floats = np.array([good.floats for _, good in goods], np.float64)
    except (OverflowError, TypeError):
        return None
    plausible = lanes[0].rows.plausible(integers, floats)
    if plausible.all():
        return Row([lane for lane, _ in goods], integers, floats)
    chosen = np.flatnonzero(plausible).tolist()
    return Row([goods[place][0] for place in chosen], integers[chosen], floats[chosen]) if len(chosen) > 1 else None
