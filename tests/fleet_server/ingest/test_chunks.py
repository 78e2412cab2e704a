from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.chunks import HOUR_MS, Block, BrokenChunk, by_hour, decode, encode
from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE, Column

NOON = 1_772_366_400_000
DTYPES = {F32LE: "<f4", F64LE: "<f8", I32LE: "<i4", I64LE: "<i8"}


@st.composite
def blocks(draw: Any) -> Block:
    steps = draw(st.lists(st.sampled_from([1, 1000, 1000, 1000, 1_800_000]), min_size=0, max_size=8))
    times = NOON + draw(st.integers(-5000, 5000)) + np.cumsum([0, *steps]).astype(np.int64)
    columns = []
    for index in draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True)):
        tag = draw(st.sampled_from(list(DTYPES)))
        present = np.array(draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times))))
        numbers = draw(st.lists(st.integers(-1000, 1000), min_size=len(times), max_size=len(times)))
        quality = draw(st.dictionaries(st.integers(0, len(times) - 1), st.sampled_from([0x4090, 0x800A]), max_size=3))
        scale = 0 if tag in (F32LE, F64LE) else draw(st.integers(-3, 3))
        columns.append(Column(index, tag, np.array(numbers, DTYPES[tag])[present], present, scale, quality))
    return Block(times, columns)


def readings(found: list[Block]) -> list[tuple[Any, ...]]:
    """(index, time, type, scale, value, quality), in an order of its own."""
    rows = []
    for block in found:
        for column in block.columns:
            value = iter(column.values.tolist())
            for at, (time, present) in enumerate(zip(block.times.tolist(), column.present.tolist(), strict=True)):
                shown = next(value) if present else None
                if present or at in column.quality:
                    rows.append((column.alias, time, column.tag, column.scale, shown, column.quality.get(at, 0)))
    return sorted(rows, key=repr)


@given(st.lists(blocks(), max_size=3))
def test_a_chunk_reads_back_as_it_was_written(written: list[Block]) -> None:
    t0 = min((int(block.times[0]) for block in written), default=0)
    assert readings(decode(t0, encode(t0, written))) == readings(written)


@given(st.lists(blocks(), max_size=3))
def test_cutting_at_the_hours_keeps_every_reading_and_its_quality(whole: list[Block]) -> None:
    hours = by_hour(whole)
    for hour, parts in hours.items():
        assert all(hour <= block.times[0] <= block.times[-1] < hour + HOUR_MS for block in parts)
    assert readings([block for parts in hours.values() for block in parts]) == readings(whole)


@given(blocks(), st.data())
def test_a_damaged_chunk_is_told_and_never_read_as_another_error(block: Block, data: Any) -> None:
    body = bytearray(encode(NOON, [block]))
    if data.draw(st.booleans()):
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    else:
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(BrokenChunk):
        decode(NOON, bytes(body))


def test_a_chunk_of_another_version_is_refused() -> None:
    with pytest.raises(BrokenChunk, match="version"):
        decode(0, b"\x02")
