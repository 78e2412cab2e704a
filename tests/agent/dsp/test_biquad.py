import cmath
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import LowPass, Section, butterworth
from agent.dsp.arrays import Block
from tests.agent.dsp.streams import cuts, in_pieces, streams


def slow_sections(sections: tuple[Section, ...], stream: Block) -> Block:
    """Direct form II, a sample at a time, from rest at zero: Oppenheim and Schafer, 6.3."""
    out = stream.astype(np.float64)
    for b0, b1, b2, a1, a2 in sections:
        for channel in range(out.shape[1]):
            before, before_that = 0.0, 0.0
            for row in range(len(out)):
                inner = out[row, channel] - a1 * before - a2 * before_that
                out[row, channel] = b0 * inner + b1 * before + b2 * before_that
                before, before_that = inner, before
    return out


RATES = st.tuples(st.floats(0.002, 0.45), st.sampled_from([2, 4]))


@given(streams(), RATES, st.data())
def test_products_over_blocks_equal_the_recursion_however_the_stream_is_cut(
    stream: Block, design: tuple[float, int], data: st.DataObject
) -> None:
    cutoff, order = design
    sections = butterworth(cutoff, 1.0, order)
    expected = slow_sections(sections, stream)
    filtering = LowPass(sections, stream.shape[1])
    size = max(1.0, float(np.abs(stream).max()))
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        assert np.allclose(filtering.process(piece), expected[at : at + len(piece)], rtol=0, atol=1e-9 * size)


@given(streams(dtype="f4", most=1000.0))
def test_single_precision_is_as_good_as_single_precision_can_be(stream: Block) -> None:
    sections = butterworth(0.05, 1.0, 4)
    got = LowPass(sections, stream.shape[1], np.float32).process(stream)
    assert got.dtype == np.float32
    assert np.allclose(got, slow_sections(sections, stream), rtol=0, atol=2e-5 * max(1.0, float(np.abs(stream).max())))


def gain(sections: tuple[Section, ...], frequency: float) -> float:
    z = cmath.exp(-2j * math.pi * frequency)
    return math.prod(abs((b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)) for b0, b1, b2, a1, a2 in sections)


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("cutoff", [0.001, 0.1, 0.3, 0.45])
def test_it_is_a_butterworth_one_at_rest_three_decibels_at_the_cutoff_and_ever_falling(
    order: int, cutoff: float
) -> None:
    sections = butterworth(cutoff, 1.0, order)
    assert gain(sections, 0.0) == pytest.approx(1.0, abs=1e-9)
    assert gain(sections, cutoff) == pytest.approx(math.sqrt(0.5), abs=1e-9)
    warped = math.tan(math.pi * 0.2) / math.tan(math.pi * cutoff)
    assert gain(sections, 0.2) == pytest.approx(1 / math.sqrt(1 + warped ** (2 * order)), abs=1e-9)
    gains = [gain(sections, frequency) for frequency in np.linspace(0, 0.499, 200)]
    assert all(after <= before + 1e-12 for before, after in pairwise(gains))


def test_the_coefficients_are_those_of_a_well_known_design() -> None:
    # Second order, cut off at a quarter of the rate: 1/(2+sqrt 2) (1 + 2/z + 1/z^2) / (1 + (2-sqrt 2)/(2+sqrt 2)/z^2).
    root = math.sqrt(2)
    (section,) = butterworth(0.25, 1.0)
    assert section == pytest.approx((1 / (2 + root), 2 / (2 + root), 1 / (2 + root), 0.0, (2 - root) / (2 + root)))


@given(st.floats(-1e5, 1e5), RATES, st.integers(1, 70))
def test_a_filter_that_begins_at_rest_stays_at_rest(level: float, design: tuple[float, int], rows: int) -> None:
    cutoff, order = design
    filtering = LowPass(butterworth(cutoff, 1.0, order), 2)
    filtering.prime(np.array([True, False]), np.array([level, 7.0]))
    out = filtering.process(np.column_stack([np.full(rows, level), np.zeros(rows)]))
    assert np.allclose(out[:, 0], level, rtol=0, atol=1e-6 * max(1.0, abs(level)))
    assert np.all(out[:, 1] == 0)


@pytest.mark.parametrize(("cutoff", "order"), [(0.0, 2), (0.5, 2), (-1.0, 2), (0.7, 2), (0.1, 3), (0.1, 0)])
def test_what_is_no_low_pass_is_refused(cutoff: float, order: int) -> None:
    with pytest.raises(ValueError, match=r"cutoff|order"):
        butterworth(cutoff, 1.0, order)
