import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp.arrays import Block
from agent.dsp.tones import Tones
from tests.agent.dsp.streams import cuts, in_pieces, streams


def told(stream: Block, frequencies: list[float], cut: list[int], rate_hz: float = 1.0) -> Block:
    names = {str(number): hz for number, hz in enumerate(frequencies)}
    tones = Tones(stream.shape[1], names, rate_hz, len(stream))
    for piece, _ in in_pieces(stream, cut):
        tones.add(piece, np.ones_like(piece, bool))
    return np.array(list(tones.close().values()))


@given(streams(longest=200), st.lists(st.floats(0.001, 0.499), min_size=1, max_size=5), st.data())
def test_any_frequency_is_as_strong_as_scipys_transform_says(
    stream: Block, frequencies: list[float], data: st.DataObject
) -> None:
    got = told(stream, frequencies, data.draw(cuts(stream)))
    away = stream - stream.mean(axis=0)
    size = max(1.0, float(np.abs(stream).max()))
    for row, hz in zip(got, frequencies, strict=True):
        spectrum = scipy.signal.czt(away, m=1, a=np.exp(2j * np.pi * hz), axis=0)[0]
        assert np.allclose(row, 2 / len(stream) * np.abs(spectrum), rtol=0, atol=1e-11 * size)


@given(streams(longest=128), st.data())
def test_whole_cycles_are_the_bins_of_a_fourier_transform(stream: Block, data: st.DataObject) -> None:
    count = len(stream)
    bins = list(range(1, (count + 1) // 2))
    if not bins:
        return
    got = told(stream, [one / count for one in bins], data.draw(cuts(stream)))
    expected = 2 / count * np.abs(np.fft.rfft(stream, axis=0)[bins])
    assert np.allclose(got, expected, rtol=0, atol=1e-12 * max(1.0, float(np.abs(stream).max())))


def test_mains_and_its_harmonics_are_told_at_their_amplitudes_far_from_zero() -> None:
    at = np.arange(2000) / 1000
    mains = 1e6 + 325 * np.sin(2 * np.pi * 50 * at + 0.3) + 12 * np.cos(2 * np.pi * 150 * at)
    got = told(mains[:, None], [50.0, 100.0, 150.0], [7, 1311], rate_hz=1000.0)
    assert got[:, 0] == pytest.approx([325.0, 0.0, 12.0], abs=1e-6)


@pytest.mark.parametrize("lost", [0, 5, 9])
def test_a_window_with_a_hole_has_no_amplitude_and_the_next_one_has(lost: int) -> None:
    tones = Tones(2, {"one": 0.2}, 1.0, 10)
    valid = np.ones((10, 2), bool)
    valid[lost, 0] = False
    wave = np.tile(np.sin(2 * np.pi * 0.2 * np.arange(10))[:, None], 2)
    tones.add(np.where(valid, wave, np.nan), valid)
    first = tones.close()["one"]
    assert np.isnan(first[0])
    assert first[1] == pytest.approx(1.0)
    tones.add(wave[:9], np.ones((9, 2), bool))
    assert np.isnan(tones.close()["one"]).all()
    tones.add(wave, np.ones((10, 2), bool))
    assert tones.close()["one"] == pytest.approx([1.0, 1.0])
