import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.arrays import Block
from agent.dsp.moments import Moments
from tests.agent.dsp.streams import cuts, in_pieces

NAMES = ("mean", "min", "max", "std", "rms", "peak", "peak_to_peak", "crest", "kurtosis")


def slow(samples: Block) -> dict[str, float]:
    rms = float(np.sqrt(np.mean(samples**2)))
    peak = float(np.abs(samples).max())
    return {
        "mean": float(samples.mean()),
        "min": float(samples.min()),
        "max": float(samples.max()),
        "std": float(samples.std()),
        "rms": rms,
        "peak": peak,
        "peak_to_peak": float(np.ptp(samples)),
    }


@given(st.data())
def test_merged_moments_are_those_of_all_samples_however_they_were_cut(data: st.DataObject) -> None:
    rows, channels = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 3))
    block = data.draw(hnp.arrays("f8", (rows, channels), elements=st.floats(-1e6, 1e6, allow_subnormal=False)))
    valid = data.draw(hnp.arrays(bool, (rows, channels)))
    moments = Moments(channels, NAMES)
    for piece, at in in_pieces(np.where(valid, block, np.nan), data.draw(cuts(block))):
        moments.add(piece, valid[at : at + len(piece)])
    got = moments.close()
    for channel in range(channels):
        samples = block[valid[:, channel], channel]
        if not len(samples):
            assert all(np.isnan(got[name][channel]) for name in NAMES)
            continue
        size = max(1.0, float(np.abs(samples).max()))
        for name, expected in slow(samples).items():
            # A deviation is a root: what is lost of its square beside the mean's is lost twice of it.
            assert abs(got[name][channel] - expected) <= (1e-7 if name == "std" else 1e-12) * size


@given(st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3), st.lists(st.integers(0, 400), max_size=8).map(sorted))
def test_kurtosis_and_crest_are_scipys_of_the_whole_far_from_zero_too(seed: int, level: float, cut: list[int]) -> None:
    block = level + np.random.default_rng(seed).standard_t(5, (400, 2))
    moments = Moments(2, NAMES)
    for piece, _ in in_pieces(block, cut):
        moments.add(piece, np.ones_like(piece, bool))
    got = moments.close()
    assert got["kurtosis"] == pytest.approx(scipy.stats.kurtosis(block, axis=0, fisher=False), rel=1e-9)
    assert got["crest"] == pytest.approx(np.abs(block).max(axis=0) / np.sqrt((block**2).mean(axis=0)), rel=1e-12)


def test_a_sine_and_a_knock_have_the_shapes_they_are_known_by() -> None:
    sine = np.sin(2 * np.pi * np.arange(1000) / 50)
    knock = np.where(np.arange(1000) % 100 == 7, 1.0, 0.0)
    moments = Moments(2, ("crest", "kurtosis"))
    moments.add(np.column_stack([sine, knock]), np.ones((1000, 2), bool))
    got = moments.close()
    assert got["kurtosis"][0] == pytest.approx(1.5)
    assert got["kurtosis"][1] > 90
    assert got["crest"] == pytest.approx([np.sqrt(2), 10.0], rel=2e-3)


def test_what_does_not_vary_has_no_shape_and_what_is_nothing_has_no_crest() -> None:
    moments = Moments(2, NAMES)
    for _ in range(3):
        moments.add(np.array([[0.1, 0.0]] * 7), np.ones((7, 2), bool))
    got = moments.close()
    assert np.isnan(got["kurtosis"]).all()
    assert got["crest"][0] == pytest.approx(1.0)
    assert np.isnan(got["crest"][1])


def test_little_spread_around_much_is_not_lost() -> None:
    moments = Moments(1, ("std",))
    for _ in range(10):
        moments.add(1e9 + np.tile([0.0, 0.001], 10)[:, None], np.ones((20, 1), bool))
    assert abs(moments.close()["std"][0] - 0.0005) < 1e-7
