import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp.arrays import Block
from agent.dsp.design import Pass, Section, butterworth, low_pass_taps, notch

SCIPY = {Pass.LOW: "lowpass", Pass.HIGH: "highpass", Pass.BAND: "bandpass", Pass.ALL_BUT_BAND: "bandstop"}
TURNS = np.linspace(0.0, math.pi, 257)


def sos(sections: tuple[Section, ...]) -> Block:
    """As scipy writes sections."""
    return np.array([[b0, b1, b2, 1.0, a1, a2] for b0, b1, b2, a1, a2 in sections])


def response(sections: tuple[Section, ...]) -> Block:
    return np.asarray(scipy.signal.sosfreqz(sos(sections), TURNS)[1])


@given(
    st.sampled_from(list(Pass)), st.integers(1, 8), st.floats(0.001, 0.4), st.floats(1.05, 20.0), st.floats(0.01, 1e4)
)
def test_every_butterworth_answers_each_frequency_as_scipys_does(
    kind: Pass, order: int, low: float, factor: float, rate: float
) -> None:
    corners = (low,) if kind in (Pass.LOW, Pass.HIGH) else (low, min(low * factor, 0.45))
    asked = corners[0] if len(corners) == 1 else corners
    theirs = scipy.signal.butter(order, asked, SCIPY[kind], output="sos", fs=1.0)
    mine = butterworth(tuple(corner * rate for corner in corners), rate, order, kind)
    assert len(mine) == (order if len(corners) == 2 else (order + 1) // 2)
    assert np.allclose(response(mine), scipy.signal.sosfreqz(theirs, TURNS)[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("corner", [0.001, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_a_low_pass_is_one_at_rest_and_three_decibels_down_at_its_corner(corner: float, order: int) -> None:
    sections = butterworth((corner,), 1.0, order)
    at = scipy.signal.sosfreqz(sos(sections), [0.0, 2 * math.pi * corner])[1]
    assert np.abs(at) == pytest.approx([1.0, math.sqrt(0.5)], abs=1e-9)


def test_the_coefficients_are_those_of_a_well_known_design() -> None:
    # Second order, cut off at a quarter of the rate: 1/(2+sqrt 2) (1 + 2/z + 1/z^2) / (1 + (2-sqrt 2)/(2+sqrt 2)/z^2).
    root = math.sqrt(2)
    (section,) = butterworth((0.25,), 1.0, 2)
    assert section == pytest.approx((1 / (2 + root), 2 / (2 + root), 1 / (2 + root), 0.0, (2 - root) / (2 + root)))


@given(st.floats(0.001, 0.49), st.floats(0.5, 200.0))
def test_a_notch_is_scipys_to_the_last_digits(frequency: float, quality: float) -> None:
    b, a = scipy.signal.iirnotch(frequency, quality, fs=1.0)
    assert notch(frequency, 1.0, quality) == pytest.approx((*b, *a[1:]), rel=1e-12, abs=1e-12)


@given(st.floats(0.01, 0.49), st.integers(1, 100))
def test_taps_are_those_of_a_sinc_in_a_hamming_window(corner: float, half: int) -> None:
    theirs = scipy.signal.firwin(2 * half + 1, corner, fs=1.0)
    assert np.allclose(low_pass_taps(corner, 1.0, 2 * half + 1), theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("corners", "order", "kind", "word"),
    [
        ((0.0,), 2, Pass.LOW, "corner"),
        ((0.5,), 2, Pass.HIGH, "corner"),
        ((-1.0,), 2, Pass.LOW, "corner"),
        ((0.1,), 0, Pass.LOW, "order"),
        ((0.1, 0.2), 2, Pass.LOW, "corners"),
        ((0.2, 0.1), 2, Pass.BAND, "corner"),
        ((0.1,), 2, Pass.ALL_BUT_BAND, "corners"),
    ],
)
def test_what_is_no_filter_is_refused(corners: tuple[float, ...], order: int, kind: Pass, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        butterworth(corners, 1.0, order, kind)


def test_what_is_no_notch_and_what_has_no_whole_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="quality"):
        notch(0.1, 1.0, 0.0)
    with pytest.raises(ValueError, match="corner"):
        notch(0.6, 1.0, 30.0)
    for count in (1, 32):
        with pytest.raises(ValueError, match="odd"):
            low_pass_taps(0.1, 1.0, count)
