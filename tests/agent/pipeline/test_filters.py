from dataclasses import replace

import pytest

from agent import config
from agent.pipeline import FilterConfig, problems
from agent.pipeline.filters import DESPIKERS, STATISTICS
from drivers.base import Channel
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE, I64LE

GAUGE = Channel("power", {"en": "power"}, "power", "W", Kind.GAUGE, I32LE, -1)
COUNTER = replace(GAUGE, name="energy", kind=Kind.COUNTER, tag=I64LE, rollover=10**8)


@pytest.mark.parametrize(
    ("filters", "word"),
    [
        (FilterConfig(lowpass_hz=0.5), "lowpass_hz"),
        (FilterConfig(lowpass_hz=0.0), "lowpass_hz"),
        (FilterConfig(lowpass_hz=-1.0), "lowpass_hz"),
        (FilterConfig(highpass_hz=0.5), "highpass_hz"),
        (FilterConfig(bandpass_hz=(0.1, 0.6)), "bandpass_hz"),
        (FilterConfig(bandstop_hz=(0.3, 0.1)), "bandstop_hz"),
        (FilterConfig(notch_hz=(0.1, 0.5)), "notch_hz"),
        (FilterConfig(notch_hz=(0.1,), notch_q=0.0), "notch_q"),
        (FilterConfig(lowpass_hz=0.1, order=9), "order"),
        (FilterConfig(fir_hz=0.7), "fir_hz"),
        (FilterConfig(fir_hz=0.1, fir_taps=32), "fir_taps"),
        (FilterConfig(antialias=True), "antialias"),
        (FilterConfig(antialias=True, decimate=251), "antialias"),
        (FilterConfig(antialias=True, decimate=5, fir_hz=0.1), "antialias"),
        (FilterConfig(steepest=0.0), "steepest"),
        (FilterConfig(stuck_s=0.0), "stuck_s"),
        (FilterConfig(unwrap=True), "unwrap"),
        (FilterConfig(statistics=("rms",)), "statistics"),
        (FilterConfig(tones_hz=(0.1,)), "tones_hz"),
        (FilterConfig(bands_hz=((0.1, 0.2),)), "bands_hz"),
        (FilterConfig(window_s=10.0, statistics=("rsm",)), "statistics"),
        (FilterConfig(window_s=10.0, statistics=("rms", "rms")), "statistics"),
        (FilterConfig(window_s=10.5, tones_hz=(0.1,)), "window_s"),
        (FilterConfig(window_s=10.0, tones_hz=(0.05,)), "tones_hz"),
        (FilterConfig(window_s=10.0, tones_hz=(0.5,)), "tones_hz"),
        (FilterConfig(window_s=63.0, bands_hz=((0.1, 0.2),)), "bands_hz"),
        (FilterConfig(window_s=64.0, bands_hz=((0.1, 0.6),)), "bands_hz"),
        (FilterConfig(window_s=64.0, bands_hz=((0.1, 0.11),)), "bands_hz"),
        (
            FilterConfig(window_s=10.0, tones_hz=(0.2, 0.2000000001)),
            "window_s would make two channels called power.0.2hz",
        ),
        (FilterConfig(decimate=0), "decimate"),
        (FilterConfig(window_s=0.5), "window_s"),
        (FilterConfig(window_s=float("nan")), "window_s"),
        (FilterConfig(deadband=-0.1), "deadband"),
        (FilterConfig(deadband=float("inf")), "deadband"),
        (FilterConfig(heartbeat_s=0.0), "heartbeat_s"),
    ],
)
def test_a_filter_that_cannot_be_is_named(filters: FilterConfig, word: str) -> None:
    (problem,) = problems(filters, GAUGE, period_ms=1000)
    assert problem.startswith(word)


@pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.STATE])
@pytest.mark.parametrize(
    "filters",
    [
        FilterConfig(despike=True),
        FilterConfig(decimate=2),
        FilterConfig(deadband=1.0),
        FilterConfig(steepest=1.0),
        FilterConfig(notch_hz=(0.1,)),
    ],
)
def test_counters_and_states_are_never_filtered(kind: Kind, filters: FilterConfig) -> None:
    (problem,) = problems(filters, replace(GAUGE, kind=kind), period_ms=1000)
    assert "only gauges" in problem
    assert problems(FilterConfig(), replace(GAUGE, kind=kind), period_ms=1000) == []


def test_a_filter_that_can_be_has_no_problem() -> None:
    every = FilterConfig(
        steepest=9.0,
        stuck_s=600.0,
        despike="hampel",
        highpass_hz=0.01,
        notch_hz=(0.2, 0.3),
        lowpass_hz=0.05,
        order=5,
        antialias=True,
        decimate=5,
        window_s=640.0,
        statistics=STATISTICS,
        tones_hz=(0.05, 0.1),
        bands_hz=((0.0, 0.1), (0.1, 0.5)),
        deadband=0.5,
    )
    assert problems(every, GAUGE, period_ms=1000) == []
    assert problems(FilterConfig(unwrap=True), COUNTER, period_ms=1000) == []


def test_a_channel_whose_name_no_birth_could_hold_is_not_derived() -> None:
    long = replace(GAUGE, name="p" * 60)
    assert problems(FilterConfig(window_s=10.0, statistics=("rms",)), long, period_ms=1000) == []
    (problem,) = problems(FilterConfig(window_s=10.0, statistics=("peak",)), long, period_ms=1000)
    assert "at most 64 characters" in problem


def test_a_counter_that_never_begins_again_is_not_counted_on() -> None:
    (problem,) = problems(FilterConfig(unwrap=True), replace(COUNTER, rollover=None), period_ms=1000)
    assert problem.startswith("unwrap needs to know where energy begins again at 0")


def test_the_configuration_knows_all_despikers() -> None:
    assert DESPIKERS == config.DESPIKERS


@pytest.mark.parametrize(
    ("filters", "key"),
    [
        (FilterConfig(despike=True), "despike"),
        (FilterConfig(lowpass_hz=0.1), "lowpass_hz"),
        (FilterConfig(decimate=2), "decimate"),
        (FilterConfig(window_s=60.0), "window_s"),
    ],
)
def test_what_needs_a_steady_period_is_refused_for_who_reports_when_it_likes(filters: FilterConfig, key: str) -> None:
    (problem,) = problems(filters, GAUGE, period_ms=1000, steady=False)
    assert problem.startswith(f"{key} needs samples at a steady period")
    assert problems(FilterConfig(deadband=0.5), GAUGE, period_ms=1000, steady=False) == []
