import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp import Window, Windows
from agent.dsp.moments import Moments
from tests.agent.dsp.streams import cuts, in_pieces


@given(st.data())
def test_each_window_tells_of_its_own_samples_however_the_stream_is_cut(data: st.DataObject) -> None:
    rows, channels = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 3))
    steps = data.draw(hnp.arrays("i8", rows, elements=st.integers(1, 700)))
    times = 10_000 + np.cumsum(steps)
    block = data.draw(hnp.arrays("f8", (rows, channels), elements=st.floats(-1e6, 1e6)))
    valid = data.draw(hnp.arrays(bool, (rows, channels)))
    dirty = np.where(valid, block, np.nan)
    windows = Windows(channels, 1000, [Moments(channels, ("mean", "min")), Moments(channels, ("max",))])
    got: list[Window] = []
    for piece, at in in_pieces(dirty, data.draw(cuts(dirty))):
        span = slice(at, at + len(piece))
        got += windows.process(times[span], piece, valid[span])
    starts = sorted({int(time) // 1000 * 1000 for time in times})[:-1]  # the last one is not complete
    assert [window.start_ms for window in got] == starts
    for window in got:
        inside = (times >= window.start_ms) & (times < window.start_ms + 1000)
        assert list(window.figures) == ["mean", "min", "max"]
        for channel in range(channels):
            samples = block[inside & valid[:, channel], channel]
            assert window.count[channel] == len(samples)
            found = {name: row[channel] for name, row in window.figures.items()}
            if len(samples):
                assert (found["min"], found["max"]) == (samples.min(), samples.max())
                assert abs(found["mean"] - samples.mean()) <= 1e-12 * max(1.0, float(np.abs(samples).max()))
            else:
                assert np.isnan(list(found.values())).all()
