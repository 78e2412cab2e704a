"""A block of which all is Good takes a shorter way through the filters: it must come out as by the longer one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import Hold
from agent.dsp.arrays import Block, Times
from agent.pipeline import ChannelPlan, DevicePlan, FilterConfig, Pipeline
from agent.pipeline.ticks import Ticks
from drivers.base import Reading, Readings
from protocols.edge.columns import F32LE, F64LE, I32LE
from protocols.quality import Quality
from tests.agent.pipeline.test_pipeline import GOOD, PERIOD, START, Sample, channel, device, drain, samples

GENERAL = Ticks.all_good

FILTERS = [
    FilterConfig(despike=True),
    FilterConfig(despike="hampel", lowpass_hz=1.0, decimate=3),
    FilterConfig(highpass_hz=0.5, lowpass_hz=2.0, window_s=0.7, statistics=("mean", "min", "max", "std")),
    FilterConfig(fir_hz=1.5, fir_taps=5, window_s=0.5, statistics=("max",)),
    FilterConfig(antialias=True, decimate=2),
    FilterConfig(despike=True, fir_hz=1.0, fir_taps=7, decimate=4, deadband=0.2),
    FilterConfig(lowpass_hz=1.0, deadband=0.3),
    FilterConfig(steepest=5.0, stuck_s=0.4, despike=True),
    FilterConfig(decimate=2, deadband=0.1),
    FilterConfig(window_s=0.3),
]


class Step(NamedTuple):
    """What one tick brings: ticks left out before it, whether the device is missed, each channel's reading, a drain."""

    skip: int
    missed: bool
    readings: tuple[tuple[float | None, int], ...]
    drained: bool


number = st.integers(-500, 500)
reading = st.one_of(
    *[st.tuples(number, st.just(GOOD))] * 6,
    st.tuples(number, st.just(int(Quality.UNCERTAIN_NOT_ACCURATE))),
    st.tuples(number, st.just(int(Quality.BAD_SENSOR_FAILURE))),
    st.just((None, int(Quality.BAD_SENSOR_FAILURE))),
    st.just((1e39, GOOD)),
    st.just((float("nan"), GOOD)),
)
all_good = st.tuples(*[st.tuples(number, st.just(GOOD))] * 3)


def steps(readings: st.SearchStrategy[tuple[tuple[float | None, int], ...]], rough: bool) -> st.SearchStrategy[Step]:
    skip = st.sampled_from([0, 0, 0, 0, 1, 2, 4] if rough else [0])
    missed = st.sampled_from([False] * 5 + [rough])
    return st.builds(Step, skip, missed, readings, st.booleans())


course = st.builds(
    lambda before, rough, after: [*before, *rough, *after],
    st.lists(steps(all_good, False), max_size=12),
    st.lists(steps(st.tuples(reading, reading, reading), True), max_size=8),
    st.lists(steps(all_good, False), max_size=25),
)


@contextmanager
def the_longer_way() -> Iterator[None]:
    """As if nobody had ever noticed that all is Good."""

    def told(times: Times, numbers: Block) -> Ticks:
        return GENERAL(times, numbers)._replace(clean=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticks, "all_good", staticmethod(told))
        patch.setattr(Hold, "goes_on", property(lambda _: False))
        yield


def run(plan: DevicePlan, course: Sequence[Step]) -> tuple[dict[int, dict[int, Sample]], object]:
    pipeline = Pipeline([plan])
    parts, tick = [], START
    for step in course:
        tick += PERIOD * (1 + step.skip)
        if step.missed:
            pipeline.missed(0, tick, Quality.BAD_TIMEOUT)
        else:
            told = [told_by(plan, index, *one) for index, one in enumerate(step.readings)]
            pipeline.add(0, tick, Readings.of(told))
        if step.drained:
            parts += drain(pipeline)
    parts += drain(pipeline)
    return samples(parts), pipeline.counters


def told_by(plan: DevicePlan, index: int, value: float | None, quality: int) -> Reading:
    if value is not None and plan.channels[index].channel.tag == I32LE and not abs(value) < 1000:
        return Reading(index, None, Quality.BAD_SENSOR_FAILURE)  # no register holds it
    return Reading(index, value, quality)


@given(st.lists(st.sampled_from(FILTERS), min_size=3, max_size=3), course)
def test_the_short_way_of_what_is_all_good_changes_nothing(chosen: list[FilterConfig], course: list[Step]) -> None:
    tags = (F32LE, F64LE, I32LE)
    plan = device(
        *((channel(name, tag), filters) for name, tag, filters in zip("abc", tags, chosen, strict=True))
    )  # fmt: skip
    short = run(plan, course)
    with the_longer_way():
        longer = run(plan, course)
    assert short == longer


@pytest.mark.parametrize("filters", [one for one in FILTERS if one.smooths])
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_what_is_missed_is_not_forgotten_while_it_is_inside_a_filter(filters: FilterConfig, rows: int) -> None:
    plan = DevicePlan(PERIOD, tuple(ChannelPlan(channel(name, F32LE), filters) for name in "ab"))
    missed = {20, 21, 44, 45, 46, 47, 61}
    course = [
        Step(0, number in missed, tuple((float(number % 7 + index), GOOD) for index in range(2)), number % rows == 0)
        for number in range(90)
    ]
    short = run(plan, course)
    with the_longer_way():
        assert run(plan, course) == short


def test_a_drain_between_two_ticks_that_decimation_keeps_hands_out_nothing() -> None:
    pipeline = Pipeline([device((channel("a", F32LE), FilterConfig(despike=True, decimate=5)))])
    for tick in range(START, START + 15 * PERIOD, PERIOD):
        pipeline.add(0, tick, Readings.of([Reading(0, 1.0, GOOD)]))
        assert all(len(group.times) for part in drain(pipeline) for group in part.groups)


@pytest.mark.parametrize("deadband", [None, 0.5])
def test_what_is_filtered_and_too_large_for_its_column_has_no_value_and_says_why(deadband: float | None) -> None:
    filters = FilterConfig(lowpass_hz=1.0, deadband=deadband)
    pipeline = Pipeline([device((channel("a", F64LE), filters), (channel("b", F64LE), filters))])
    for number, value in enumerate((1.0, 1e300, 1.0)):
        readings = [Reading(0, value, GOOD), Reading(1, 1.0, GOOD)]
        pipeline.add(0, START + number * PERIOD, Readings.of(readings))
    found = samples(drain(pipeline))
    assert found[0][START + PERIOD] == Sample(None, Quality.BAD_OUT_OF_RANGE)
    assert found[0][START] == Sample(1.0, GOOD)
    assert {one.quality for one in found[1].values()} == {GOOD}
