"""Many chunks of one device and hour -> one, with exactly the same readings. Pure."""

from collections.abc import Iterable, Sequence

import numpy as np

from fleet_server.ingest.chunks import MAX_SAMPLES, Block, decode, encode
from protocols.edge.columns import Column

Shape = tuple[tuple[int, int, int], ...]  # (index, type, scale) of each column


def compacted(chunks: Iterable[tuple[int, bytes]]) -> tuple[int, bytes]:
    """`chunks` are (t0 in ms, body), in the order that readings of one ms shall keep; gives the same of the one."""
    blocks: dict[Shape, list[Block]] = {}
    for t0, body in chunks:
        for block in decode(t0, body):
            shape = tuple((column.alias, column.tag, column.scale) for column in block.columns)
            blocks.setdefault(shape, []).append(block)
    joined = [block for alike in blocks.values() for block in join(alike)]
    first = min(int(block.times[0]) for block in joined)
    return first, encode(first, joined)


def join(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of one shape end to end, in order of time: a new one where times would not rise or grow too many."""
    runs: list[list[Block]] = []
    for block in sorted(blocks, key=lambda block: int(block.times[0])):
        if (
            not runs
            or runs[-1][-1].times[-1] >= block.times[0]
            or sum(len(one.times) for one in runs[-1]) + len(block.times) > MAX_SAMPLES
        ):
            runs.append([])
        runs[-1].append(block)
    return [_concatenate(run) for run in runs]


def _concatenate(run: Sequence[Block]) -> Block:
    if len(run) == 1:
        return run[0]
    before = np.concatenate([[0], np.cumsum([len(block.times) for block in run])]).tolist()
    columns = []
    for place, first in enumerate(run[0].columns):
        parts = [block.columns[place] for block in run]
        columns.append(
            Column(
                first.alias,
                first.tag,
                np.concatenate([part.values for part in parts]),
                np.concatenate([part.present for part in parts]),
                first.scale,
                {
                    at + index: code
                    for at, part in zip(before, parts, strict=False)
                    for index, code in part.quality.items()
                },
            )
        )
    return Block(np.concatenate([block.times for block in run]), columns)
