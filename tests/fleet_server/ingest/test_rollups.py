import math
from collections import defaultdict
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.chunks import Block
from fleet_server.ingest.rollups import MINUTE_MS, from_ms, latest, ordered, reduce, to_ms
from fleet_server.ingest.samples import Collector, Samples
from protocols.edge.columns import F64LE, I64LE, Column

WIDTHS = {7: 3, 9: 5}
READING = st.tuples(
    st.sampled_from([7, 9]),
    st.integers(0, 2),
    st.integers(0, 3 * MINUTE_MS).map(lambda t: t // 10_000 * 10_000),
    st.one_of(st.none(), st.integers(-50, 50)),
    st.sampled_from([0, 0, 0, 0x4090, 0x803C]),
    st.booleans(),
)


def samples(readings: list[tuple[Any, ...]]) -> Samples:
    collector = Collector()
    for device, channel, t, value, quality, decimal in readings:
        tag = I64LE if decimal else F64LE
        present = np.array([value is not None])
        values = np.array([] if value is None else [value], "<i8" if decimal else "<f8")
        codes = {0: quality or (0x800A if value is None else 0)} if quality or value is None else {}
        column = Column(channel, tag, values, present, -1 if decimal else 0, codes)
        collector.add(device, Block(np.array([t], np.int64), (column,)))
    return ordered(collector.samples())


def number(value: int, decimal: bool) -> float:
    return value / 10 if decimal else float(value)


@given(st.lists(READING, max_size=40))
def test_a_bucket_says_what_counting_by_hand_says(readings: list[tuple[Any, ...]]) -> None:
    by_hand: dict[tuple[int, int, int], list[tuple[int, float]]] = defaultdict(list)
    bad: dict[tuple[int, int, int], int] = defaultdict(int)
    for device, channel, t, value, quality, decimal in readings:
        place = (device, t // MINUTE_MS * MINUTE_MS, channel)
        if value is None and not quality & 0x4000:
            quality = quality or 0x800A
        if quality & 0xC000 == 0x8000:
            bad[place] += 1
        elif value is not None:
            by_hand[place].append((t, number(value, decimal)))
    seen = set()
    for device, bucket, n, total, low, high, last_at, last, mantissa, scale, failed in reduce(
        samples(readings), WIDTHS, MINUTE_MS
    ):
        assert {len(array) for array in (n, total, low, high, last_at, last, mantissa, scale, failed)} == {
            WIDTHS[device]
        }
        for channel in range(WIDTHS[device]):
            place = (device, to_ms(bucket), channel)
            values = by_hand.get(place, [])
            assert (n[channel], failed[channel]) == (len(values), bad.get(place, 0))
            assert math.isclose(total[channel], sum(value for _, value in values), abs_tol=1e-9)
            if values:
                seen.add(place)
                assert (low[channel], high[channel]) == (min(v for _, v in values), max(v for _, v in values))
                assert (last_at[channel], last[channel]) == max(values)
                assert (mantissa[channel] is None) == (scale[channel] is None)
            else:
                assert low[channel] is high[channel] is last[channel] is mantissa[channel] is None
    assert seen == set(by_hand)


@given(st.lists(READING, max_size=30).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_arrival_changes_nothing(pair: tuple[list[Any], list[Any]]) -> None:
    assert latest(samples(pair[0]), WIDTHS) == latest(samples(pair[1]), WIDTHS)
    for one, other in zip(
        reduce(samples(pair[0]), WIDTHS, MINUTE_MS), reduce(samples(pair[1]), WIDTHS, MINUTE_MS), strict=True
    ):
        assert [*one[:3], *one[4:8]] == [*other[:3], *other[4:8]]


def test_the_newest_reading_is_told_even_if_it_is_bad_and_has_no_value() -> None:
    (row,) = latest(samples([(7, 1, 1000, 5, 0, True), (7, 1, 2000, None, 0x800A, False)]), WIDTHS)
    assert row == (
        7,
        [None, 2000, None],
        [None, None, None],
        [None, None, None],
        [None, None, None],
        [None, 0x800A, None],
    )


def test_no_readings_make_no_rows() -> None:
    nothing = samples([])
    assert reduce(nothing, WIDTHS, MINUTE_MS) == latest(nothing, WIDTHS) == []


@given(st.integers(0, 253_402_300_799_999))
def test_ms_survive_the_way_to_a_datetime_and_back(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms
