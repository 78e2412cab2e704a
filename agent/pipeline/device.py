"""One device's way through the pipeline: its ticks, the gaps between them, and its chains of filters."""

from collections.abc import Iterable, Sequence

import numpy as np

from agent.dsp.arrays import Mask
from agent.pipeline.chain import Chain
from agent.pipeline.emit import Cell, Lanes, Numbers, Ready, shared, whole
from agent.pipeline.plan import DevicePlan, Output
from agent.pipeline.readings import FLOATS, ReadingBlock, ReadingRows
from agent.pipeline.smooth import Ticks

PART_BYTES = 180_000  # messages.MAX_PAYLOAD is 262,144; the rest is for what the estimate of sizes leaves out


class DeviceLane:
    """One device's rows and chains."""

    def __init__(self, plan: DevicePlan, described: Sequence[Output]) -> None:
        self.rows = ReadingRows(plan)
        self.newest: int | None = None
        self._period_ms = plan.period_ms
        self._channels = [one.channel for one in plan.channels]
        aliases = {(output.channel, output.statistic): output.alias for output in described}
        alike: dict[object, list[int]] = {}
        for index, one in enumerate(plan.channels):
            alike.setdefault(one.filters, []).append(index)
        self.chains = []
        for members in alike.values():
            derived = [
                {name: alias for (channel, name), alias in aliases.items() if channel == member and name is not None}
                for member in members
            ]
            plans = [plan.channels[member] for member in members]
            self.chains.append(
                Chain(plans, members, [aliases[member, None] for member in members], derived, plan.period_ms)
            )
        self._lanes = {id(chain): self._side_by_side(chain) for chain in self.chains}

    def take(self) -> list[Ready]:
        block = self.rows.take()
        if block is None:
            return []
        ready: list[Ready] = []
        for chain in self.chains:
            if not chain.picks:
                ready.extend(self._as_read(chain, block))
            if chain.computes:
                ready.extend(chain.process(self._ticks(chain, block), PART_BYTES))
        return ready

    def _as_read(self, chain: Chain, block: ReadingBlock) -> Iterable[Ready]:
        kept = chain.kept(block.times)
        if block.clean and kept is None:
            ready = whole(
                block.times,
                [
                    column
                    for floating, lanes in self._lanes[id(chain)]
                    for column in lanes.columns(block.floats if floating else block.integers)
                ],
            )
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
        numbers = np.empty((len(block.times), len(members)))
        for column, member in enumerate(members):
            side: Numbers = block.floats if self.rows.is_float[member] else block.integers
            numbers[:, column] = side[:, self.rows.position[member]]
        value = block.value[:, members]
        if not block.clean:
            numbers[~value] = 0.0
        return Ticks(block.times, numbers, value, block.told[:, members], block.quality[:, members])

    def _side_by_side(self, chain: Chain) -> list[tuple[bool, Lanes]]:
        """The chain's channels by tag; whether they stand among the floats."""
        by_tag: dict[int, list[tuple[int, int, int]]] = {}
        for alias, member in zip(chain.aliases, chain.members, strict=True):
            channel = self._channels[member]
            by_tag.setdefault(channel.tag, []).append((self.rows.position[member], alias, channel.scale))
        return [(tag in FLOATS, _lanes(tag, columns)) for tag, columns in by_tag.items()]


def _lanes(tag: int, columns: list[tuple[int, int, int]]) -> Lanes:
    positions, aliases, scales = (list(part) for part in zip(*columns, strict=True))
    first, end = positions[0], positions[-1] + 1
    return Lanes(tag, slice(first, end) if positions == list(range(first, end)) else positions, aliases, scales)
