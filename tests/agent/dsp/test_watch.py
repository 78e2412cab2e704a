import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.watch import Watch
from tests.agent.dsp.streams import cuts, in_pieces

STUCK_MS = 3000


@given(st.data())
def test_what_is_marked_is_too_steep_or_stuck_and_nothing_else_however_the_stream_is_cut(data: st.DataObject) -> None:
    rows, channels = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 3))
    times = np.cumsum(data.draw(hnp.arrays("i8", rows, elements=st.integers(1, 2000))))
    block = data.draw(hnp.arrays("f8", (rows, channels), elements=st.integers(0, 3).map(float)))
    valid = data.draw(hnp.arrays(bool, (rows, channels), elements=st.sampled_from([True, True, False])))
    steepest = data.draw(hnp.arrays("f8", channels, elements=st.sampled_from([0.5, 1.0, 2.0, 7.0])))
    watch = Watch(channels, steepest, STUCK_MS)
    steep, stuck = np.zeros((rows, channels), bool), np.zeros((rows, channels), bool)
    for piece, at in in_pieces(block, data.draw(cuts(block))):
        span = slice(at, at + len(piece))
        steep[span], stuck[span] = watch.process(times[span], np.where(valid[span], piece, np.nan), valid[span])
    for channel in range(channels):
        last: tuple[float, int] | None = None
        since = 0
        for row, time in enumerate(times.tolist()):
            if not valid[row, channel]:
                assert not steep[row, channel]
                assert not stuck[row, channel]
                continue
            value = float(block[row, channel])
            fast = last is not None and abs(value - last[0]) * 1000 > steepest[channel] * (time - last[1]) * (1 + 1e-9)
            if last is None or value != last[0] or time - last[1] >= STUCK_MS:
                since = time
            assert steep[row, channel] == fast
            assert stuck[row, channel] == (time - since >= STUCK_MS)
            last = (value, time)


def test_a_limit_that_is_met_exactly_is_met() -> None:
    steps = np.array([0.1, 0.2, 0.3, 0.4, 0.3, 0.2])[:, None]
    watch = Watch(1, np.array([0.1]), None)
    steep, stuck = watch.process(np.arange(6) * 1000, steps, np.ones((6, 1), bool))
    assert not steep.any()
    assert not stuck.any()
