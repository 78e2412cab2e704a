import pytest

from agent.pipeline import FilterConfig, describe_channels
from agent.pipeline.plan import ChannelPlan, DevicePlan, outputs
from drivers.base import Channel
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, I32LE, I64LE

GAUGE = Channel("power", {"en": "power"}, "power", "W", Kind.GAUGE, I32LE, -1)


def test_more_channels_than_there_are_aliases_are_refused() -> None:
    plan = DevicePlan(1000, (ChannelPlan(GAUGE),) * 20_000)
    with pytest.raises(ValueError, match="65536"):
        outputs([plan] * 4)


def test_what_is_derived_says_what_it_is_and_in_which_unit() -> None:
    shaking = FilterConfig(window_s=1.0, statistics=("rms", "crest"), tones_hz=(50.0, 12.5), bands_hz=((10.0, 40.0),))
    counter = Channel("energy", {"en": "energy"}, "energy", "kWh", Kind.COUNTER, I32LE, -2, rollover=10**8)
    plan = DevicePlan(10, (ChannelPlan(GAUGE, shaking), ChannelPlan(counter, FilterConfig(unwrap=True))))
    told = {one.name: (one.unit, one.tag, one.scale, one.period_ms) for one in describe_channels([plan])}
    assert told == {
        "power": ("W", I32LE, -1, 10),
        "energy": ("kWh", I32LE, -2, 10),
        "power.rms": ("W", F32LE, 0, 1000),
        "power.crest": ("", F32LE, 0, 1000),
        "power.50hz": ("W", F32LE, 0, 1000),
        "power.12.5hz": ("W", F32LE, 0, 1000),
        "power.10-40hz": ("W", F32LE, 0, 1000),
        "energy.total": ("kWh", I64LE, -2, 10),
    }
    rollovers = {one.name: one.rollover for one in describe_channels([plan])}
    assert (rollovers["energy"], rollovers["energy.total"]) == (10**8, None)
