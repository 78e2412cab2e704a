import pytest

from agent.pipeline import FilterConfig, Pipeline, describe_channels, late_ms
from agent.pipeline.plan import ChannelPlan, DevicePlan, outputs
from drivers.base import Channel, Reading, Readings
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, I32LE, I64LE
from tests.agent.parts import columns_of

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


@pytest.mark.parametrize(
    "filters",
    [
        FilterConfig(),
        FilterConfig(despike=True, lowpass_hz=1.0),
        FilterConfig(despike="hampel", antialias=True, decimate=3),
        FilterConfig(fir_hz=1.0, fir_taps=9),
        FilterConfig(despike="hampel", fir_hz=1.0, window_s=0.5, statistics=("max",)),
        FilterConfig(window_s=0.13, statistics=("max",)),
    ],
)
def test_a_value_leaves_as_late_as_is_told(filters: FilterConfig) -> None:
    plan = DevicePlan(100, (ChannelPlan(GAUGE, filters),))
    pipeline, late = Pipeline([plan]), dict.fromkeys(range(len(outputs([plan]))), 0)
    for tick in range(0, 12_000, 100):
        pipeline.add(0, tick, Readings.of([Reading(0, 1, 0)]))
        while (part := pipeline.drain()) is not None:
            for group in part.groups:
                for column in columns_of(group):
                    behind = tick - part.t0_boot_ms - int(group.times[0])
                    late[column.alias] = max(late[column.alias], behind)
    assert late == {output.alias: late_ms(output, plan) for output in outputs([plan])}
