import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp import DeadBand
from tests.agent.dsp.streams import cuts, in_pieces

HEARTBEAT = 5000


@given(st.data())
def test_what_is_picked_is_new_or_due_and_nothing_new_or_due_is_left_out(data: st.DataObject) -> None:
    rows, channels = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    times = np.cumsum(data.draw(hnp.arrays("i8", rows, elements=st.integers(1, 2000))))
    block = data.draw(hnp.arrays("f8", (rows, channels), elements=st.integers(-5, 5).map(float)))
    marks = data.draw(hnp.arrays("i8", (rows, channels), elements=st.integers(0, 1)))
    told = data.draw(hnp.arrays(bool, (rows, channels)))
    band = data.draw(hnp.arrays("f8", channels, elements=st.integers(0, 4).map(float)))
    deadband = DeadBand(band, HEARTBEAT)
    picked = np.zeros((rows, channels), bool)
    for piece, at in in_pieces(block, data.draw(cuts(block))):
        span = slice(at, at + len(piece))
        picked[span] = deadband.process(times[span], piece, marks[span], told[span])
    for channel in range(channels):
        last: tuple[float, int, int] | None = None
        for row in range(rows):
            value, mark, time = float(block[row, channel]), int(marks[row, channel]), int(times[row])
            new = told[row, channel] and (
                last is None or abs(value - last[0]) > band[channel] or mark != last[1] or time - last[2] >= HEARTBEAT
            )
            assert picked[row, channel] == new
            if new:
                last = (value, mark, time)


def test_a_slow_drift_is_told_in_the_end() -> None:
    drift = np.arange(0, 10, 0.1)[:, None]
    always = np.ones(drift.shape, bool)
    picked = DeadBand(np.array([1.0]), 10**9).process(
        np.arange(len(drift)), drift, np.zeros(drift.shape, np.int64), always
    )
    told = drift[picked[:, 0], 0]
    assert len(told) == 10
    assert np.all(np.diff(told) <= 1.1 + 1e-9)
