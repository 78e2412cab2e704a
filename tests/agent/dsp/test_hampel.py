import numpy as np
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.arrays import Block
from agent.dsp.hampel import AROUND, FAR, SIGMA, WINDOW, Hampel
from tests.agent.dsp.streams import cuts, in_pieces, streams


def slow_hampel(stream: Block) -> Block:
    """Window by window; before the stream stands its first row for ever."""
    padded = np.vstack([np.repeat(stream[:1], WINDOW - 1, axis=0), stream])
    out = []
    for at in range(len(stream)):
        window = padded[at : at + WINDOW]
        median = np.median(window, axis=0)
        deviation = np.median(np.abs(window - median), axis=0)
        middle = window[AROUND]
        out.append(np.where(np.abs(middle - median) > stream.dtype.type(FAR * SIGMA) * deviation, median, middle))
    return np.array(out)


def primed(stream: Block) -> Hampel:
    filtering = Hampel(stream.shape[1], stream.dtype)
    filtering.prime(np.ones(stream.shape[1], bool), stream[0])
    return filtering


def few_values(dtype: str) -> st.SearchStrategy[Block]:
    """Streams that are mostly ties, as a sensor's steps are."""
    shapes = st.tuples(st.integers(1, 40), st.integers(1, 3))
    return hnp.arrays(dtype, shapes, elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 8.0, 900.0]))


@given(st.one_of(streams(), streams(dtype="f4"), few_values("f8"), few_values("f4")), st.data())
def test_the_network_gives_the_very_number_however_the_stream_is_cut(stream: Block, data: st.DataObject) -> None:
    expected = slow_hampel(stream)
    filtering = primed(stream)
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        assert np.array_equal(filtering.process(piece), expected[at : at + len(piece)])


def test_a_block_longer_than_its_scratch_is_judged_whole() -> None:
    stream = np.random.default_rng(3).standard_t(2, (5000, 3))
    assert np.array_equal(primed(stream).process(stream), slow_hampel(stream))


def test_its_medians_are_scipys_where_everything_sticks_out() -> None:
    """Around a middle that is far from six neighbours that agree, each of the six is as it was."""
    stream = np.random.default_rng(4).normal(0, 1, (200, 2))
    stream[::10] = 1e6
    out = primed(stream).process(stream)[Hampel.DELAY :]
    medians = scipy.ndimage.median_filter(stream, (WINDOW, 1))
    spikes = np.arange(10, 190, 10)
    assert np.array_equal(out[spikes], medians[spikes])


def test_three_samples_that_stick_out_vanish_and_a_step_and_a_slope_stay() -> None:
    calm = np.random.default_rng(5).normal(5, 0.01, (40, 1))
    spiky = calm.copy()
    spiky[17:20] = [[900.0], [-900.0], [700.0]]
    out = primed(spiky).process(spiky)[Hampel.DELAY :]
    assert np.all(np.abs(out - 5) < 0.1)
    slope = np.arange(40.0)[:, None]
    assert np.array_equal(primed(slope).process(slope)[Hampel.DELAY + 3 :], slope[3 : -Hampel.DELAY])
