import numpy as np
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import Cascade, Pass, Section, butterworth
from agent.dsp.arrays import Block
from agent.dsp.design import notch
from tests.agent.dsp.streams import cuts, in_pieces, streams


def by_scipy(sections: tuple[Section, ...], stream: Block) -> Block:
    sos = [[b0, b1, b2, 1.0, a1, a2] for b0, b1, b2, a1, a2 in sections]
    return np.asarray(scipy.signal.sosfilt(sos, stream.astype(np.float64), axis=0))


def bound(sections: tuple[Section, ...]) -> float:
    """How far rounding may part two orders of the same sums: it dies away as slowly as the slowest pole.

    1e-12 of the input where that pole lies within 0.99; 1e-14 / (1 - radius) beyond. Measured: a fifth of it.
    """
    radius = max(float(np.abs(np.roots([1.0, a1, a2])).max()) for *_, a1, a2 in sections)
    return max(1e-12, 1e-14 / (1 - radius))


@st.composite
def designs(draw: st.DrawFn) -> tuple[Section, ...]:
    low = draw(st.floats(0.002, 0.4))
    if draw(st.booleans()) and low < 0.3:
        return (notch(low, 1.0, draw(st.floats(1.0, 50.0))), *butterworth((0.4,), 1.0, draw(st.integers(1, 3))))
    kind = draw(st.sampled_from(list(Pass)))
    corners = (low,) if kind in (Pass.LOW, Pass.HIGH) else (low, min(low * draw(st.floats(1.1, 10.0)), 0.45))
    return butterworth(corners, 1.0, draw(st.integers(1, 6)), kind)


@given(streams(longest=150), designs(), st.data())
def test_products_over_blocks_equal_scipys_recursion_however_the_stream_is_cut(
    stream: Block, sections: tuple[Section, ...], data: st.DataObject
) -> None:
    expected = by_scipy(sections, stream)
    filtering = Cascade(sections, stream.shape[1])
    most = bound(sections) * max(1.0, float(np.abs(stream).max()))
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        assert np.allclose(filtering.process(piece), expected[at : at + len(piece)], rtol=0, atol=most)


@given(streams(dtype="f4", most=1000.0))
def test_single_precision_is_as_good_as_single_precision_can_be(stream: Block) -> None:
    sections = butterworth((0.05,), 1.0, 4)
    got = Cascade(sections, stream.shape[1], np.float32).process(stream)
    assert got.dtype == np.float32
    assert np.allclose(got, by_scipy(sections, stream), rtol=0, atol=2e-5 * max(1.0, float(np.abs(stream).max())))


@given(st.floats(-1e5, 1e5), designs(), st.integers(1, 70))
def test_a_filter_that_begins_at_rest_stays_at_rest(level: float, sections: tuple[Section, ...], rows: int) -> None:
    filtering = Cascade(sections, 2)
    filtering.prime(np.array([True, False]), np.array([level, 7.0]))
    out = filtering.process(np.column_stack([np.full(rows, level), np.zeros(rows)]))
    rest = level * filtering.gain_at_rest
    assert np.allclose(out[:, 0], rest, rtol=0, atol=1e-6 * max(1.0, abs(level)))
    assert np.all(out[:, 1] == 0)
