from dataclasses import replace

import pytest

from agent.pipeline import FilterConfig, problems
from agent.pipeline.plan import ChannelPlan, DevicePlan, outputs
from drivers.base import Channel
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE

GAUGE = Channel("power", {"en": "power"}, "power", "W", Kind.GAUGE, I32LE, -1)


@pytest.mark.parametrize(
    ("filters", "word"),
    [
        (FilterConfig(lowpass_hz=0.5), "lowpass_hz"),
        (FilterConfig(lowpass_hz=0.0), "lowpass_hz"),
        (FilterConfig(lowpass_hz=-1.0), "lowpass_hz"),
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
    assert word in problem


@pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.STATE])
@pytest.mark.parametrize("filters", [FilterConfig(despike=True), FilterConfig(decimate=2), FilterConfig(deadband=1.0)])
def test_counters_and_states_are_never_filtered(kind: Kind, filters: FilterConfig) -> None:
    (problem,) = problems(filters, replace(GAUGE, kind=kind), period_ms=1000)
    assert "only gauges" in problem
    assert problems(FilterConfig(), replace(GAUGE, kind=kind), period_ms=1000) == []


def test_a_filter_that_can_be_has_no_problem() -> None:
    every = FilterConfig(despike=True, lowpass_hz=0.05, decimate=5, window_s=10.0, deadband=0.5)
    assert problems(every, GAUGE, period_ms=1000) == []


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


def test_more_channels_than_there_are_aliases_are_refused() -> None:
    plan = DevicePlan(1000, (ChannelPlan(GAUGE),) * 20_000)
    with pytest.raises(ValueError, match="65536"):
        outputs([plan] * 4)
