import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import kept_ticks


@given(st.integers(1, 10_000), st.integers(1, 50), st.integers(0, 10**12), st.integers(-400, 400))
def test_one_tick_in_so_many_is_kept_wherever_the_stream_begins(
    period: int, keep: int, first: int, offset: int
) -> None:
    offset = offset % period // 3  # ticks stand where the bus put them, not on whole multiples
    times = (first + np.arange(3 * keep, dtype=np.int64)) * period + offset
    kept = kept_ticks(times, period, keep)
    assert np.count_nonzero(kept) == 3
    assert np.all(np.diff(times[kept]) == keep * period)
    assert np.array_equal(kept_ticks(times[1:], period, keep), kept[1:])
