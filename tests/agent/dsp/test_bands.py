import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp.bands import LONGEST, Bands, segment_length
from tests.agent.dsp.streams import in_pieces


@given(
    st.integers(0, 2**32 - 1),
    st.integers(64, 700),
    st.floats(1.0, 1e4),
    st.lists(st.integers(0, 700), max_size=6).map(sorted),
)
def test_a_bands_power_is_the_sum_of_scipys_welch_over_it(seed: int, samples: int, rate: float, cut: list[int]) -> None:
    stream = np.random.default_rng(seed).normal(30, 2, (samples, 3))
    length = segment_length(samples)
    first, second = (share * rate + rate / length / 3 for share in (0.125, 0.3125))  # between bins: no rounding decides
    edges = {"low": (0.0, first), "middle": (first, second), "high": (second, 0.5 * rate)}
    bands = Bands(3, edges, rate, samples)
    for piece, _ in in_pieces(stream, [at for at in cut if at < samples]):
        bands.add(piece, np.ones_like(piece, bool))
    got = bands.close()
    frequencies, density = scipy.signal.welch(stream, rate, nperseg=length, axis=0)
    for name, (low, high) in edges.items():
        power = density[(low <= frequencies) & (frequencies < high * (1 - 1e-12))].sum(axis=0) * rate / length
        assert got[name] ** 2 == pytest.approx(power, rel=1e-9)


def test_a_vibration_shows_its_effective_value_in_its_own_band_alone() -> None:
    at = np.arange(4000) / 1000
    shaking = 9.81 + 3.0 * np.sin(2 * np.pi * 120 * at)
    bands = Bands(1, {"slow": (10.0, 100.0), "fast": (100.0, 200.0)}, 1000.0, 4000)
    bands.add(shaking[:, None], np.ones((4000, 1), bool))
    got = bands.close()
    assert got["fast"][0] == pytest.approx(3.0 / np.sqrt(2), rel=1e-3)
    assert got["slow"][0] < 0.02


def test_a_window_with_a_hole_has_no_bands_and_the_next_one_has() -> None:
    bands = Bands(1, {"all": (0.0, 0.5)}, 1.0, 64)
    noise = np.random.default_rng(1).normal(size=(64, 1))
    valid = np.ones((64, 1), bool)
    valid[20] = False
    bands.add(np.where(valid, noise, np.nan), valid)
    assert np.isnan(bands.close()["all"][0])
    bands.add(noise, np.ones((64, 1), bool))
    assert bands.close()["all"][0] == pytest.approx(noise.std(), rel=0.3)


def test_an_edge_on_a_bin_begins_the_band_above_it_however_it_rounds() -> None:
    at = np.arange(512) / 700
    for place in (3, 7, 11, 29):
        edge = place * 700 / 128
        bands = Bands(1, {"below": (0.0, edge), "above": (edge, 350.0)}, 700.0, 512)
        bands.add(np.cos(2 * np.pi * edge * at)[:, None], np.ones((512, 1), bool))
        got = bands.close()
        # Of a Hann window's three bins, squared 1, 4 and 1 in six, the middle one stands above.
        assert got["above"][0] ** 2 == pytest.approx(0.5 * 5 / 6, rel=1e-6)


@pytest.mark.parametrize(("samples", "length"), [(63, 0), (64, 16), (255, 32), (1000, 128), (10**6, LONGEST)])
def test_a_segment_is_a_power_of_two_that_fits_four_times(samples: int, length: int) -> None:
    assert segment_length(samples) == length
