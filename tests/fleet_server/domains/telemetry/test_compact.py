from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry.compact import compacted
from fleet_server.ingest.chunks import MAX_SAMPLES, Block, decode, encode
from protocols.edge.columns import F32LE, I64LE, Column

HOUR = 1_772_366_400_000


@st.composite
def chunks(draw: Any) -> tuple[int, bytes]:
    blocks = []
    for _ in range(draw(st.integers(1, 2))):
        first = HOUR + draw(st.integers(0, 20)) * 1000
        times = first + 1000 * np.arange(draw(st.integers(1, 4)), dtype=np.int64)
        columns = []
        for index, tag in draw(st.sampled_from([((0, F32LE),), ((0, F32LE), (1, I64LE)), ((1, I64LE),)])):
            present = np.array(draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times))))
            values = np.array(draw(st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times))))[present]
            quality = draw(st.dictionaries(st.integers(0, len(times) - 1), st.just(0x800A), max_size=2))
            dtype = "<f4" if tag == F32LE else "<i8"
            columns.append(Column(index, tag, values.astype(dtype), present, -2 if tag == I64LE else 0, quality))
        blocks.append(Block(times, columns))
    t0 = min(int(block.times[0]) for block in blocks)
    return t0, encode(t0, blocks)


def readings(made: list[tuple[int, bytes]]) -> list[tuple[Any, ...]]:
    rows = []
    for t0, body in made:
        for block in decode(t0, body):
            for column in block.columns:
                value = iter(column.values.tolist())
                for at, (time, present) in enumerate(zip(block.times.tolist(), column.present.tolist(), strict=True)):
                    shown = next(value) if present else None
                    if present or at in column.quality:
                        rows.append((column.alias, time, column.tag, column.scale, shown, column.quality.get(at, 0)))
    return sorted(rows, key=repr)


@given(st.lists(chunks(), min_size=1, max_size=6))
def test_an_hours_chunks_become_one_with_exactly_the_same_readings(made: list[tuple[int, bytes]]) -> None:
    one = compacted(made)
    assert readings([one]) == readings(made)
    assert one[0] == min(t0 for t0, _ in made)
    assert readings([compacted([one])]) == readings(made)


def test_regular_batches_become_one_axis() -> None:
    made = []
    for second in range(0, 3600, 2):
        times = HOUR + 1000 * np.arange(second, second + 2, dtype=np.int64)
        column = Column(0, F32LE, np.ones(2, "<f4"), np.ones(2, bool))
        made.append((int(times[0]), encode(int(times[0]), [Block(times, (column,))])))
    t0, body = compacted(made)
    (block,) = decode(t0, body)
    assert len(block.times) == 3600
    assert len(body) < 4 * 3600 + 64


def test_more_samples_than_an_axis_can_index_become_two() -> None:
    made = []
    for part in range(2):
        times = HOUR + part * 1_000_000 + np.arange(40_000, dtype=np.int64)
        column = Column(0, F32LE, np.ones(40_000, "<f4"), np.ones(40_000, bool), 0, {39_999: 0x4090})
        made.append((int(times[0]), encode(int(times[0]), [Block(times, (column,))])))
    t0, body = compacted(made)
    assert [len(block.times) for block in decode(t0, body)] == [40_000, 40_000]
    assert MAX_SAMPLES < 80_000
