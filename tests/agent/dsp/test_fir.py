import numpy as np
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.arrays import Block
from agent.dsp.design import low_pass_taps
from agent.dsp.fir import Fir
from tests.agent.dsp.streams import cuts, in_pieces, streams

TAPS = st.tuples(st.floats(0.01, 0.49), st.integers(1, 60))


@given(streams(longest=150), TAPS, st.data())
def test_overlapping_blocks_equal_scipys_filter_however_the_stream_is_cut(
    stream: Block, design: tuple[float, int], data: st.DataObject
) -> None:
    corner, half = design
    taps = low_pass_taps(corner, 1.0, 2 * half + 1)
    expected = scipy.signal.lfilter(taps, 1.0, stream, axis=0)
    filtering = Fir(taps, stream.shape[1])
    size = max(1.0, float(np.abs(stream).max()))
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        assert np.allclose(filtering.process(piece), expected[at : at + len(piece)], rtol=0, atol=1e-12 * size)


@given(streams(longest=150), st.data())
def test_the_rows_that_are_wanted_are_the_same_and_no_others_are_computed(stream: Block, data: st.DataObject) -> None:
    wanted = data.draw(hnp.arrays(bool, len(stream)))
    taps = low_pass_taps(0.1, 1.0, 41)
    whole, some = Fir(taps, stream.shape[1]), Fir(taps, stream.shape[1])
    size = max(1.0, float(np.abs(stream).max()))
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        here = wanted[at : at + len(piece)]
        out = some.process(piece, here, out=np.full(piece.shape, 7.5))
        assert np.allclose(out[here], whole.process(piece)[here], rtol=0, atol=1e-12 * size)
        assert np.all(out[~here] == 7.5)


def test_a_primed_filter_stands_still_and_a_ramp_is_only_late() -> None:
    filtering = Fir(low_pass_taps(0.05, 1.0, 33), 2)
    filtering.prime(np.array([True, False]), np.array([4.0, 9.0]))
    out = filtering.process(np.column_stack([np.full(70, 4.0), np.arange(70.0)]))
    assert np.allclose(out[:, 0], 4.0, rtol=0, atol=1e-12)
    assert np.allclose(out[32:, 1], np.arange(16.0, 54.0), rtol=0, atol=1e-12)
