"""Windows of a device's channels for the models that judge them, and columns of what the models say."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from agent.dsp.arrays import Block, Mask, Times
from agent.pipeline.chain import Chain
from agent.pipeline.emit import Cell, Ready, shared
from agent.pipeline.plan import Inference
from agent.pipeline.ticks import Ticks
from protocols.edge.columns import F32LE
from protocols.quality import Quality


class Window(NamedTuple):
    """f32 values (ticks, channels), each in its channel's unit, and how good they are together."""

    start_ms: int
    values: Block
    quality: int


class Verdict(NamedTuple):
    """What a model said of a window that began then: None where it said nothing."""

    start_ms: int
    numbers: Block | None
    quality: int


class Inferred:
    """One model's way through a device's pipeline. `chains` are asked to tell it of their ticks from the first on.

    A window begins at the ticks whose number since boot divides by the hop, so a restart moves nothing. One with a
    tick at which a channel had no value, not even a held one, is not whole: Bad. Windows that began before the first
    tick are not spoken of.
    """

    def __init__(self, one: Inference, chains: Sequence[Chain]) -> None:
        self.window, self.hop = one.window, one.hop
        self.first, self.outputs = one.members[0], one.outputs
        self.aliases: list[int] = []  # of the outputs
        self.whole: list[Window] = []  # for whoever runs the model; the others are in `broken`
        self.broken: list[Verdict] = []
        sources = [chain for chain in chains if not set(one.members).isdisjoint(chain.members)]
        self._period_ms = sources[0].period_ms
        order = [member for chain in sources for member in chain.members if member in one.members]
        self._order = [order.index(member) for member in one.members]
        self._told: list[Ticks | None] = [None] * len(sources)
        self._times = np.zeros(0, np.int64)
        self._values = np.zeros((0, len(order)), np.float32)
        self._known = self._good = np.zeros(0, bool)
        for place, chain in enumerate(sources):
            self._listen(place, chain, [at for at, member in enumerate(chain.members) if member in one.members])

    def _listen(self, place: int, chain: Chain, columns: list[int]) -> None:
        factor = chain.factor[columns]

        def take(ticks: Ticks) -> None:
            mine = Ticks(
                ticks.times,
                ticks.numbers[:, columns] * factor,
                ticks.value[:, columns],
                ticks.told[:, columns],
                ticks.quality[:, columns],
                ticks.clean,
            )
            before = self._told[place]
            self._told[place] = mine if before is None else Ticks.joined(before, mine)

        chain.feed(take)

    def advance(self) -> None:
        """Looks at what the chains have told of: at each tick once all of them have."""
        told = [one for one in self._told if one is not None and len(one.times)]
        if len(told) < len(self._told):
            return
        common = reduce(np.intersect1d, [one.times for one in told])
        end = min(int(one.times[-1]) for one in told)
        parts = [one.rows(np.isin(one.times, common)) for one in told]
        self._told = [one.rows(one.times > end) for one in told]
        if not len(common):
            return
        numbers = np.concatenate([part.numbers for part in parts], axis=1)[:, self._order]
        known = np.concatenate([part.value for part in parts], axis=1)
        good = np.concatenate([part.quality == Quality.GOOD for part in parts], axis=1)
        self._cut(common, numbers, known, good)

    def _cut(self, times: Times, numbers: Block, known: Mask, good: Mask) -> None:
        with np.errstate(over="ignore"):
            values = numbers.astype(np.float32)
        fits = np.isfinite(values).all(axis=1)
        before = len(self._times)
        times = np.concatenate([self._times, times])
        values = np.concatenate([self._values, values])
        known = np.concatenate([self._known, known.all(axis=1) & fits])
        good = np.concatenate([self._good, good.all(axis=1)])
        number = (times + self._period_ms // 2) // self._period_ms  # as agent.dsp.decimate counts
        starts = np.flatnonzero(number[: max(0, len(times) - self.window + 1)] % self.hop == 0)
        for start in starts[starts + self.window > before].tolist():
            span = slice(start, start + self.window)
            begin, last = int(times[start]), start + self.window - 1
            if number[last] - number[start] != self.window - 1 or not known[span].all():
                self.broken.append(Verdict(begin, None, Quality.BAD))
            else:
                quality = Quality.GOOD if good[span].all() else Quality.UNCERTAIN_SUB_NORMAL
                self.whole.append(Window(begin, values[span], quality))
        tail = slice(max(0, len(times) - self.window + 1), None)
        self._times, self._values, self._known, self._good = times[tail], values[tail], known[tail], good[tail]

    def columns(self, verdicts: Sequence[Verdict], most_bytes: int) -> Iterable[Ready]:
        """Numbers that are not finite leave as no value, and Bad."""
        table = np.full((len(verdicts), len(self.outputs)), np.nan, np.float32)
        for row, verdict in enumerate(verdicts):
            if verdict.numbers is not None:
                table[row] = verdict.numbers
        some = np.isfinite(table)
        given = np.array([verdict.quality for verdict in verdicts], np.uint16)[:, None]
        quality = np.where(some, given, np.uint16(Quality.BAD))
        everywhere = np.ones(len(verdicts), bool)
        cells = [
            Cell(alias, F32LE, 0, table[:, at], some[:, at], everywhere, quality[:, at])
            for at, alias in enumerate(self.aliases)
        ]
        return shared(np.array([verdict.start_ms for verdict in verdicts], np.int64), cells, False, most_bytes)
