from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry.series import gaps, gather, raw_series, rollup_series, thin
from fleet_server.ingest.chunks import Block
from protocols.edge.columns import F32LE, I64LE, Column
from protocols.quality import is_bad, is_uncertain

POWER = {"name": "power", "quantity": "q", "unit": "W", "kind": "gauge", "type": "f32", "period_ms": 1000}
ENERGY = {"name": "energy", "quantity": "q", "unit": "kWh", "kind": "counter", "type": "decimal", "scale": -2}


def block(times: list[int], *columns: tuple[int, int, list[Any], dict[int, int]]) -> Block:
    made = []
    for index, tag, values, quality in columns:
        present = np.array([value is not None for value in values])
        array = np.array([value for value in values if value is not None], "<f4" if tag == F32LE else "<i8")
        made.append(Column(index, tag, array, present, -2 if tag == I64LE else 0, quality))
    return Block(np.array(times, np.int64), made)


@given(
    st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=400),
    st.integers(10, 100),
    st.dictionaries(st.integers(0, 399), st.sampled_from([0x4090, 0x800A]), max_size=5),
)
def test_thinning_keeps_the_extremes_the_ends_and_the_worst_quality(
    values: list[int | None], points: int, qualities: dict[int, int]
) -> None:
    value = np.array([np.nan if v is None else v for v in values], np.float64)
    quality = np.array([qualities.get(at, 0) for at in range(len(values))], np.int64)
    kept = thin(value, quality, points)
    assert len(kept) <= points + 2
    assert list(kept) == sorted(set(kept.tolist()))
    if len(values):
        assert {0, len(values) - 1} <= set(kept.tolist())
        assert (quality[kept] & 0xC000).max() == (quality & 0xC000).max()
    if np.isfinite(value).any():
        assert np.nanmin(value[kept]) == np.nanmin(value)
        assert np.nanmax(value[kept]) == np.nanmax(value)


def times(samples: Any) -> Any:
    return np.unique(samples.t)


def test_gaps_are_the_holes_longer_than_three_periods_and_the_edges() -> None:
    heard = np.array([2000, 3000, 9000, 10_000], np.int64)
    assert gaps(heard, heard, 3000, 0, 11_000) == [(3000, 9000)]
    assert gaps(heard, heard, 3000, -5000, 20_000) == [(-5000, 2000), (3000, 9000), (10_000, 20_000)]
    nothing = np.array([], np.int64)
    assert gaps(nothing, nothing, 3000, 0, 10_000) == [(0, 10_000)]


def test_raw_history_is_exact_ordered_and_within_its_bounds() -> None:
    late = block([1000, 2000], (1, I64LE, [99_999_999, 100_000_000], {}))
    early = block([0, 500], (1, I64LE, [1, 2], {1: 0x4090}), (0, F32LE, [0.1, None], {1: 0x800A}))
    samples = gather([late, early], 0, 2000)
    energy = raw_series(ENERGY, 1, samples, times(samples), 0, 2000, 100)
    assert (energy.t, energy.text) == ([0, 500, 1000], ["0.01", "0.02", "999999.99"])
    assert (energy.value, energy.quality) == ([0.01, 0.02, 999999.99], [0, 0x4090, 0])
    power = raw_series(POWER, 0, samples, times(samples), 0, 2000, 100)
    assert (power.t, power.value, power.quality) == ([0, 500], [0.1, None], [0, 0x800A])
    assert power.text == []


def test_a_reading_that_stands_in_two_chunks_shows_once() -> None:
    one, other = block([0], (0, F32LE, [1.0], {})), block([0], (0, F32LE, [2.0], {}))
    samples = gather([other, one], 0, 10)
    series = raw_series(POWER, 0, samples, times(samples), 0, 10, 100)
    assert (series.t, series.value) == ([0], [2.0])


def test_a_channel_that_only_did_not_change_has_no_gap_while_its_device_speaks() -> None:
    speaking = block(list(range(0, 60_000, 1000)), (0, F32LE, [1.0] * 60, {}))
    unchanged = block([0, 50_000], (1, I64LE, [5, 6], {}))
    samples = gather([speaking, unchanged], 0, 60_000)
    assert raw_series({**ENERGY, "period_ms": 1000}, 1, samples, times(samples), 0, 60_000, 100).gaps == []


def row(
    t: int, n: int, bad: int = 0, low: float = 1.0, high: float = 3.0, last: float = 2.0, mantissa: int | None = None
) -> Any:
    scale = None if mantissa is None else -2
    return {
        "t": t, "n": [n], "sum": [2.0 * n], "low": [low if n else None], "high": [high if n else None],
        "last": [last if n else None], "mantissa": [mantissa], "scale": [scale], "bad": [bad],
    }  # fmt: skip


def test_a_roll_up_gives_mean_envelope_quality_and_gaps() -> None:
    rows = [row(0, 60), row(60_000, 50, bad=10), row(240_000, 0, bad=60)]
    series = rollup_series(POWER, 0, rows, 60_000, 0, 300_000, 100)
    assert (series.t, series.value) == ([0, 60_000, 240_000], [2.0, 2.0, None])
    assert (series.low, series.high) == ([1.0, 1.0, None], [3.0, 3.0, None])
    assert series.quality[0] == 0
    assert is_uncertain(series.quality[1])
    assert is_bad(series.quality[2])
    assert series.gaps == [(120_000, 240_000)]


def test_a_counters_roll_up_is_its_last_reading_exactly() -> None:
    series = rollup_series(ENERGY, 0, [row(0, 60, last=999999.99, mantissa=99_999_999)], 60_000, 0, 60_000, 100)
    assert (series.value, series.text) == ([999999.99], ["999999.99"])


def test_many_buckets_are_merged_and_the_envelope_survives() -> None:
    rows = [row(60_000 * n, 60, low=-float(n), high=float(n)) for n in range(1000)]
    series = rollup_series(POWER, 0, rows, 60_000, 0, 60_000_000, 100)
    assert len(series.t) <= 100
    assert (min(v for v in series.low if v is not None), max(v for v in series.high if v is not None)) == (
        -999.0,
        999.0,
    )
    assert series.gaps == []
