"""The numpy core beside scipy: 256 channels by 64 samples, streaming, f32 where not told otherwise, one BLAS thread.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.dsp RESULTS_FILE

measure() runs this in a child: the number of threads is settled when numpy is first loaded. Rounds of all contenders
take turns, so that whoever else uses the machine disturbs them alike, and each figure is a median.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure

CHANNELS, SAMPLES = 256, 64
ROUNDS, CALLS = 9, 40
ROOT = Path(__file__).parents[2]
MED5_GOAL_NS, SCIPY_GOAL, HAMPEL_GOAL = 4.0, 3.0, 5.0
NAMES = {
    "median5": "median-5 against scipy.ndimage.median_filter",
    "med5_2biquad": "median-5 and two biquads against scipy.ndimage.median_filter and sosfilt",
    "med5_2biquad_f64": "the same in f64",
    "biquad2": "two biquads against scipy.signal.sosfilt",
    "hampel": "Hampel against np.partition twice",
    "fir33": "FIR of 33 taps against scipy.signal.lfilter",
    "fir161_by10": "FIR of 161 taps, one row in ten kept, against scipy.signal.upfirdn",
    "moments": "nine window statistics against scipy.stats and numpy, f64",
    "tones4": "four tones against scipy.signal.czt, f64",
    "bands2": "two bands against scipy.signal.welch, f64",
}


def measure(folder: Path) -> list[Figure]:
    results = folder / "dsp.json"
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.dsp", str(results)],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        check=True,
    )
    ns: dict[str, list[float]] = json.loads(results.read_text("ascii"))
    ours, theirs = ns["med5_2biquad"]
    faster = theirs / ours
    hampel = ns["hampel"][1] / ns["hampel"][0]
    name = NAMES["med5_2biquad"]
    goal = f"<= {MED5_GOAL_NS:g} ns"
    figures = [
        Figure("dsp.med5_2biquad_ns", ours, "ns", theirs, goal, ours <= MED5_GOAL_NS, name),
        Figure("dsp.vs_scipy", faster, "x", 1.0, f">= {SCIPY_GOAL:g}", faster >= SCIPY_GOAL, name),
        Figure(
            "dsp.hampel_vs_partition", hampel, "x", 1.0, f">= {HAMPEL_GOAL:g}", hampel >= HAMPEL_GOAL, NAMES["hampel"]
        ),
    ]
    for key, words in NAMES.items():
        if key != "med5_2biquad":
            mine, peer = ns[key]
            figures.append(Figure(f"dsp.{key}_ns", mine, "ns", peer, "<= the peer", mine <= peer, words))
    return figures


def contenders() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Ours and the peer's, by name; each call takes one block further, with its state."""
    import numpy as np
    import scipy.ndimage
    import scipy.signal
    import scipy.stats

    from agent.dsp import Cascade, Median5, butterworth
    from agent.dsp.bands import Bands
    from agent.dsp.design import low_pass_taps
    from agent.dsp.fir import Fir
    from agent.dsp.hampel import FAR, SIGMA, WINDOW, Hampel
    from agent.dsp.moments import Moments
    from agent.dsp.tones import Tones

    block = np.random.default_rng(1).normal(20, 1, (SAMPLES, CHANNELS))
    single = block.astype(np.float32)
    everything = np.ones(block.shape, bool)
    sections = butterworth((0.1,), 1.0, 4)
    made: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {}

    def smoothed(x: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
        median, cascade, out = Median5(CHANNELS, x.dtype), Cascade(sections, CHANNELS, x.dtype), np.empty_like(x)
        sos = scipy.signal.butter(4, 0.1, fs=1.0, output="sos").astype(x.dtype)
        # As scipy is fastest: channels in rows, each one's samples side by side.
        rows = np.ascontiguousarray(x.T)
        state = np.zeros((len(sos), CHANNELS, 2), x.dtype)

        def theirs() -> None:
            nonlocal state
            _, state = scipy.signal.sosfilt(sos, scipy.ndimage.median_filter(rows, (1, 5)), axis=1, zi=state)

        return lambda: cascade.process(median.process(x, out=out), out=out), theirs

    made["med5_2biquad"], made["med5_2biquad_f64"] = smoothed(single), smoothed(block)

    median, out = Median5(CHANNELS, np.float32), np.empty_like(single)
    rows = np.ascontiguousarray(single.T)
    made["median5"] = lambda: median.process(single, out=out), lambda: scipy.ndimage.median_filter(rows, (1, 5))

    cascade = Cascade(sections, CHANNELS, np.float32)
    sos = scipy.signal.butter(4, 0.1, fs=1.0, output="sos").astype(np.float32)
    zi = np.zeros((len(sos), CHANNELS, 2), np.float32)
    made["biquad2"] = (
        lambda: cascade.process(single, out=out),
        lambda: scipy.signal.sosfilt(sos, rows, axis=1, zi=zi),
    )

    hampel, past = Hampel(CHANNELS, np.float32), single[: WINDOW - 1]

    def by_partition() -> None:
        padded = np.concatenate([past, single])
        stack = np.stack([padded[at : at + SAMPLES] for at in range(WINDOW)])
        middle = np.partition(stack, WINDOW // 2, axis=0)[WINDOW // 2]
        deviation = np.partition(np.abs(stack - middle), WINDOW // 2, axis=0)[WINDOW // 2]
        asked = stack[WINDOW // 2]
        np.where(np.abs(asked - middle) > np.float32(FAR * SIGMA) * deviation, middle, asked)

    made["hampel"] = lambda: hampel.process(single, out=out), by_partition

    taps = low_pass_taps(0.1, 1.0, 33)
    fir, single_taps = Fir(taps, CHANNELS, np.float32), taps.astype(np.float32)
    zf = np.zeros((CHANNELS, 32), np.float32)
    made["fir33"] = (
        lambda: fir.process(single, out=out),
        lambda: scipy.signal.lfilter(single_taps, np.ones(1, np.float32), rows, axis=1, zi=zf),
    )
    long_taps = low_pass_taps(0.04, 1.0, 161)
    thinning, long_single = Fir(long_taps, CHANNELS, np.float32), long_taps.astype(np.float32)
    kept = np.arange(SAMPLES) % 10 == 0
    # scipy keeps no state here: it is given the history with the block, and thins by itself.
    history = np.ascontiguousarray(np.tile(rows, (1, 4))[:, : SAMPLES + 160])
    made["fir161_by10"] = (
        lambda: thinning.process(single, kept, out=out),
        lambda: scipy.signal.upfirdn(long_single, history, 1, 10, axis=1),
    )

    moments = Moments(CHANNELS, ("mean", "min", "max", "std", "rms", "peak", "peak_to_peak", "crest", "kurtosis"))

    def ours_of_all() -> None:
        moments.add(block, everything)
        moments.close()

    def theirs_of_all() -> None:
        _, (least, most), mean, variance, _, _ = scipy.stats.describe(block, axis=0, ddof=0)
        rms = np.sqrt(mean * mean + variance)
        np.maximum(np.abs(least), np.abs(most)) / rms
        scipy.stats.kurtosis(block, axis=0, fisher=False)

    made["moments"] = ours_of_all, theirs_of_all

    frequencies = {"a": 0.05, "b": 0.1, "c": 0.15, "d": 0.2}
    tones = Tones(CHANNELS, frequencies, 1.0, SAMPLES)

    def ours_of_tones() -> None:
        tones.add(block, everything)
        tones.close()

    chirp = scipy.signal.CZT(SAMPLES, 4, w=np.exp(-2j * np.pi * 0.05), a=np.exp(2j * np.pi * 0.05))
    made["tones4"] = ours_of_tones, lambda: np.abs(chirp(block - block.mean(axis=0), axis=0))

    bands = Bands(CHANNELS, {"low": (0.0, 0.25), "high": (0.25, 0.5)}, 1.0, SAMPLES)

    def ours_of_bands() -> None:
        bands.add(block, everything)
        bands.close()

    def theirs_of_bands() -> None:
        _, density = scipy.signal.welch(block, 1.0, nperseg=16, axis=0)
        np.sqrt(density[:4].sum(axis=0)), np.sqrt(density[4:].sum(axis=0))

    made["bands2"] = ours_of_bands, theirs_of_bands
    return made


def main(results: Path) -> None:
    timed: dict[str, tuple[list[float], list[float]]] = {}
    racing = contenders()
    for _ in range(ROUNDS + 1):  # the first warms caches and is thrown away
        for name, pair in racing.items():
            sides = timed.setdefault(name, ([], []))
            for side, run in zip(sides, pair, strict=True):
                for _ in range(CALLS):
                    started = time.perf_counter()
                    run()
                    side.append((time.perf_counter() - started) * 1e9 / (CHANNELS * SAMPLES))
    medians = {name: [statistics.median(side[CALLS:]) for side in sides] for name, sides in timed.items()}
    results.write_text(json.dumps(medians), "ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
