"""Devices of one kind are filtered side by side: each must come out as it would alone."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dsp import Median5
from agent.dsp.arrays import Block
from agent.pipeline import DevicePlan, FilterConfig, Part, Pipeline, outputs
from agent.pipeline.abreast import MOST
from drivers.base import Reading, Readings
from protocols.edge.columns import F32LE, F64LE, I32LE
from protocols.quality import Quality
from tests.agent.pipeline.test_chain import FILTERS, Step, all_good, reading, steps, told_by
from tests.agent.pipeline.test_pipeline import GOOD, PERIOD, START, Sample, channel, device, drain, samples

DEVICES = 3
usual = steps(all_good, False)
rough = steps(st.tuples(reading, reading, reading), True)
moment = st.tuples(*[st.one_of(*[usual] * 12, rough)] * DEVICES)


def give(pipeline: Pipeline, plan: DevicePlan, index: int, tick: int, step: Step) -> None:
    if step.missed:
        pipeline.missed(index, tick, Quality.BAD_TIMEOUT)
    else:
        pipeline.add(index, tick, Readings.of(told_by(plan, at, *one) for at, one in enumerate(step.readings)))


def by_device(parts: Sequence[Part], plan: DevicePlan, devices: int) -> list[list[dict[int, Sample]]]:
    """Of each device its columns, in the order of its own aliases."""
    found = samples(parts)
    described = outputs([plan] * devices)
    return [[found.get(one.alias, {}) for one in described if one.device == index] for index in range(devices)]


@settings(max_examples=40)
@given(st.lists(st.sampled_from([FilterConfig(), *FILTERS]), min_size=3, max_size=3), st.lists(moment, max_size=30))
def test_side_by_side_each_leaves_what_it_would_alone(
    chosen: list[FilterConfig], course: list[tuple[Step, ...]]
) -> None:
    tags = (F32LE, F64LE, I32LE)
    plan = device(
        *((channel(name, tag), filters) for name, tag, filters in zip("abc", tags, chosen, strict=True))
    )  # fmt: skip
    together, alone = Pipeline([plan] * DEVICES), [Pipeline([plan]) for _ in range(DEVICES)]
    left: list[Part] = []
    each: list[list[Part]] = [[] for _ in range(DEVICES)]
    ticks = [START] * DEVICES
    for moment in course:
        for index, step in enumerate(moment):
            ticks[index] += (1 + step.skip) * PERIOD
            give(together, plan, index, ticks[index], step)
            give(alone[index], plan, 0, ticks[index], step)
        if moment[0].drained:
            left += drain(together)
            for index, one in enumerate(alone):
                each[index] += drain(one)
    left += drain(together)
    apart = [by_device(parts + drain(one), plan, 1)[0] for parts, one in zip(each, alone, strict=True)]
    for ours, theirs in zip(by_device(left, plan, DEVICES), apart, strict=True):
        for column, expected in zip(ours, theirs, strict=True):
            assert {t: one.quality for t, one in column.items()} == {t: one.quality for t, one in expected.items()}
            ours_there, there = (
                {t: one.value for t, one in those.items() if one.value is not None} for those in (column, expected)
            )
            # A product of other width may round otherwise in its last digit.
            assert ours_there == pytest.approx(there, rel=1e-5, abs=1e-4)
    counted = [one.counters for one in alone]
    assert together.counters.values == sum(one.values for one in counted)
    assert together.counters.resets == sum(one.resets for one in counted)
    assert together.counters.out_of_range == sum(one.out_of_range for one in counted)


@pytest.mark.parametrize("devices", [2, MOST, MOST + 2])
def test_a_flush_of_many_devices_filters_once_for_as_many_as_go_abreast(
    devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = []
    process = Median5.process

    def counted(self: Median5, block: Block, out: Block | None = None) -> Block:
        blocks.append(block.shape)
        return process(self, block, out)

    plan = device(*((channel(name, F32LE), FilterConfig(despike=True, lowpass_hz=1.0)) for name in "abcd"))
    pipeline = Pipeline([plan] * devices)
    for flush in range(3):
        for tick in range(7):
            for index in range(devices):
                row = [Reading(at, float(index + tick + at), GOOD) for at in range(4)]
                pipeline.add(index, START + (7 * flush + tick) * PERIOD, Readings.of(row))
        if flush == 2:
            monkeypatch.setattr(Median5, "process", counted)
        drained = drain(pipeline)
    assert len(blocks) == -(-devices // MOST)
    assert all(rows == 7 for rows, _ in blocks)
    assert sum(part.values for part in drained) == devices * 4 * 7


def test_one_out_of_bounds_does_not_keep_the_others_from_going_abreast() -> None:
    plan = device((channel("a", F32LE, limits=("0", "100")), FilterConfig(lowpass_hz=1.0)))
    pipeline = Pipeline([plan] * 3)
    for tick in range(20):
        for index in range(3):
            value = 500.0 if index == 1 and tick > 10 else 50.0
            pipeline.add(index, START + tick * PERIOD, Readings.of([Reading(0, value, GOOD)]))
        if tick % 4 == 3:
            found = samples(drain(pipeline))
    assert {one.quality for one in found[0].values()} == {GOOD}
    assert [one.value for one in found[2].values()] == pytest.approx(np.full(4, 50.0))
    assert GOOD not in {one.quality for one in found[1].values()}
