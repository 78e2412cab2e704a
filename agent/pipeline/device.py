"""One device's way through the pipeline: its ticks, the gaps between them, and its chains of filters."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from agent.dsp.arrays import Mask
from agent.pipeline.chain import Chain
from agent.pipeline.derived import TOTAL
from agent.pipeline.emit import Cell, Lanes, Numbers, Ready, shared, stretches, whole
from agent.pipeline.plan import DevicePlan, Output
from agent.pipeline.readings import FLOATS, ReadingBlock, ReadingRows
from agent.pipeline.ticks import Ticks
from protocols.edge.columns import I64LE
from protocols.quality import Quality

if TYPE_CHECKING:
    from agent.dsp.rollover import Unwrap
    from agent.pipeline.inferred import Inferred

Tap: TypeAlias = Callable[[ReadingRows, ReadingBlock], None]

PART_BYTES = 180_000  # messages.MAX_PAYLOAD is 262,144; the rest is for what the estimate of sizes leaves out


class DeviceLane:
    """One device's rows and chains."""

    def __init__(self, plan: DevicePlan, described: Sequence[Output]) -> None:
        self.rows = ReadingRows(plan)
        self.newest: int | None = None
        self.tap: Tap | None = None  # is given what was read, before it is filtered
        self._period_ms = plan.period_ms
        self._channels = [one.channel for one in plan.channels]
        alike: dict[object, list[int]] = {}
        for index, one in enumerate(plan.channels):
            alike.setdefault((one.filters, plan.period_of(index)), []).append(index)
        aliases = _aliases(described)
        self.chains = [
            Chain(
                [plan.channels[member] for member in members],
                members,
                *_named(aliases, members),
                plan.period_of(members[0]),
            )
            for members in alike.values()
        ]
        self._lanes = {id(chain): self._by_tag(chain) for chain in self.chains}
        self._floats = {id(chain): self._among_floats(chain) for chain in self.chains}
        self.inferred: list[Inferred] = []
        if plan.inferences:
            from agent.pipeline import inferred

            self.inferred = [inferred.Inferred(one, self.chains) for one in plan.inferences]
            self._name_verdicts(aliases)

    def _name_verdicts(self, aliases: Mapping[tuple[int, str | None], int]) -> None:
        for one in self.inferred:
            one.aliases = [aliases[one.first, name] for name in one.outputs]

    def rename(self, described: Sequence[Output]) -> None:
        """What leaves from now on leaves under these aliases; filters and rows go on."""
        aliases = _aliases(described)
        for chain in self.chains:
            chain.name(*_named(aliases, chain.members))
        self._name_verdicts(aliases)
        self._lanes = {id(chain): self._by_tag(chain) for chain in self.chains}

    def take(self) -> list[Ready]:
        block = self.rows.take()
        if block is None:
            return []
        if self.tap is not None:
            self.tap(self.rows, block)
        ready = [one for chain in self.chains for one in self.through(chain, block)]
        for one in self.inferred:
            one.advance()
            if one.broken:
                ready.extend(one.columns(one.broken, PART_BYTES))
                one.broken = []
        return ready

    def through(self, chain: Chain, block: ReadingBlock) -> Iterable[Ready]:
        if chain.period_ms != self._period_ms:
            block = self._of_its_ticks(chain, block)
            if not len(block.times):
                return
        if not chain.picks:
            yield from self._as_read(chain, block)
        if chain.computes:
            yield from chain.process(self._ticks(chain, block), PART_BYTES)
        if chain.unwraps is not None:
            yield from self._totals(chain, chain.unwraps, block)

    @property
    def goes_abreast(self) -> bool:
        """Whether nobody looks at this device's ticks alone."""
        return self.tap is None and not self.inferred

    def at_every_tick(self, chain: Chain) -> bool:
        return chain.period_ms == self._period_ms

    def side_by_side(self, chain: Chain) -> list[tuple[bool, Lanes]]:
        """The chain's channels by tag; whether they stand among the floats."""
        return self._lanes[id(chain)]

    def numbers(self, chain: Chain, integers: Numbers, floats: Numbers) -> Numbers:
        """(..., channels) of the chain, of clean blocks."""
        if (among := self._floats.get(id(chain))) is not None:
            return floats[..., among]
        numbers = np.empty((*floats.shape[:-1], len(chain.members)))
        for column, member in enumerate(chain.members):
            side = floats if self.rows.is_float[member] else integers
            numbers[..., column] = side[..., self.rows.position[member]]
        return numbers

    def _of_its_ticks(self, chain: Chain, block: ReadingBlock) -> ReadingBlock:
        """Those at which channels that are read less often were due, and those at which they were read late."""
        period = chain.period_ms
        due = block.times // period != (block.times - self._period_ms) // period
        return block.rows(due | block.value[:, chain.members].any(axis=1))

    def _totals(self, chain: Chain, unwraps: "Unwrap", block: ReadingBlock) -> Iterable[Ready]:
        """Of the Good readings of counters; whole numbers all the way."""
        members = chain.members
        counts = block.integers[:, [self.rows.position[member] for member in members]]
        done = unwraps.process(counts, block.value[:, members] & (block.quality[:, members] == Quality.GOOD))
        quality = np.where(done.leapt, np.uint16(Quality.UNCERTAIN_NOT_ACCURATE), np.uint16(Quality.GOOD))
        cells = [
            Cell(
                chain.derived[i][TOTAL],
                I64LE,
                self._channels[member].scale,
                done.totals[:, i],
                done.value[:, i],
                done.value[:, i],
                quality[:, i],
            )
            for i, member in enumerate(members)
        ]
        yield from shared(block.times, cells, False, PART_BYTES)

    def _as_read(self, chain: Chain, block: ReadingBlock) -> Iterable[Ready]:
        kept = chain.kept(block.times)
        if block.clean and kept is None:
            told = [
                lanes.runs(lanes.rows(block.floats if floating else block.integers))
                for floating, lanes in self._lanes[id(chain)]
            ]
            ready = whole(block.times, tuple(itertools.chain.from_iterable(told)))
            if ready.size <= PART_BYTES:
                yield ready
                return
        chosen = slice(None) if kept is None else kept
        cells = [
            self._cell(alias, member, block, chosen) for alias, member in zip(chain.aliases, chain.members, strict=True)
        ]
        yield from shared(block.times[chosen], cells, block.clean, PART_BYTES)

    def _cell(self, alias: int, member: int, block: ReadingBlock, chosen: slice | Mask) -> Cell:
        channel, position = self._channels[member], self.rows.position[member]
        side: Numbers = block.floats if self.rows.is_float[member] else block.integers
        return Cell(
            alias,
            channel.tag,
            channel.scale,
            side[chosen, position],
            block.value[chosen, member],
            block.told[chosen, member],
            block.quality[chosen, member],
        )

    def _ticks(self, chain: Chain, block: ReadingBlock) -> Ticks:
        members = chain.members
        numbers = self.numbers(chain, block.integers, block.floats)
        if block.clean:
            return Ticks.all_good(block.times, numbers)
        numbers = numbers.copy()
        value = block.value[:, members]
        numbers[~value] = 0.0
        return Ticks(block.times, numbers, value, block.told[:, members], block.quality[:, members])

    def _among_floats(self, chain: Chain) -> slice | list[int] | None:
        """Where the chain's channels stand, if all of them are floats."""
        if not all(self.rows.is_float[member] for member in chain.members):
            return None
        return _positions([self.rows.position[member] for member in chain.members])

    def _by_tag(self, chain: Chain) -> list[tuple[bool, Lanes]]:
        by_tag: dict[int, list[tuple[int, int, int]]] = {}
        for alias, member in zip(chain.aliases, chain.members, strict=True):
            channel = self._channels[member]
            by_tag.setdefault(channel.tag, []).append((self.rows.position[member], alias, channel.scale))
        return [(tag in FLOATS, _lanes(tag, columns)) for tag, columns in by_tag.items()]


def _aliases(described: Sequence[Output]) -> dict[tuple[int, str | None], int]:
    """By channel, and the name of what is derived from it; None for itself."""
    return {(output.channel, output.derived.name if output.derived else None): output.alias for output in described}


def _named(
    aliases: Mapping[tuple[int, str | None], int], members: Sequence[int]
) -> tuple[list[int], list[dict[str, int]]]:
    """The aliases of the channels `members`, and of what is derived from each."""
    derived = [
        {name: alias for (channel, name), alias in aliases.items() if channel == member and name is not None}
        for member in members
    ]
    return [aliases[member, None] for member in members], derived


def _lanes(tag: int, columns: list[tuple[int, int, int]]) -> Lanes:
    positions, aliases, scales = (list(part) for part in zip(*columns, strict=True))
    return Lanes(tag, _positions(positions), stretches(aliases, scales))


def _positions(positions: list[int]) -> slice | list[int]:
    """A slice, which copies nothing, where they follow each other."""
    first, end = positions[0], positions[-1] + 1
    return slice(first, end) if positions == list(range(first, end)) else positions
