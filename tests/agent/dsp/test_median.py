import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import Median5
from agent.dsp.arrays import Block
from tests.agent.dsp.streams import cuts, in_pieces, streams


def slow_medians(stream: Block) -> Block:
    """numpy's median of each window of five; before the stream stands its first row for ever."""
    padded = np.vstack([np.repeat(stream[:1], 4, axis=0), stream])
    return np.array([np.median(padded[i : i + 5], axis=0) for i in range(len(stream))])


def primed(stream: Block) -> Median5:
    filtering = Median5(stream.shape[1], stream.dtype)
    filtering.prime(np.ones(stream.shape[1], bool), stream[0])
    return filtering


@given(streams(), st.data())
def test_the_network_gives_the_median_however_the_stream_is_cut(stream: Block, data: st.DataObject) -> None:
    expected = slow_medians(stream)
    filtering = primed(stream)
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        assert np.array_equal(filtering.process(piece), expected[at : at + len(piece)])


def test_two_samples_that_stick_out_vanish_and_a_step_stays_where_it_was() -> None:
    calm = np.full((20, 1), 5.0)
    spiky = calm.copy()
    spiky[7], spiky[8] = 900.0, -900.0
    assert np.array_equal(primed(spiky).process(spiky), calm)
    step = calm.copy()
    step[10:] = 6.0
    assert np.array_equal(primed(step).process(step)[Median5.DELAY :], step[: -Median5.DELAY])


def test_priming_some_channels_leaves_the_others_alone() -> None:
    stream = np.arange(24.0).reshape(12, 2)
    filtering = primed(stream)
    filtering.process(stream[:6])
    other = primed(stream)
    other.process(stream[:6])
    other.prime(np.array([False, True]), np.array([0.0, 100.0]))
    plain, anew = filtering.process(stream[6:]), other.process(stream[6:])
    assert np.array_equal(plain[:, 0], anew[:, 0])
    assert anew[0, 1] == 100.0
