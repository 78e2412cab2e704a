"""The pipeline, told a tick after another and drained whenever: what comes out, when, and how good it is."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dsp import butterworth
from agent.pipeline import ChannelPlan, DevicePlan, FilterConfig, Part, Pipeline, describe_channels
from agent.pipeline.device import PART_BYTES
from agent.pipeline.readings import MAX_TICKS
from drivers.base import Channel, Reading, Readings
from protocols.edge.birth import (
    Description,
    DeviceDescription,
    Kind,
    decode_description,
    encode_description,
)
from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE
from protocols.edge.messages import MAX_GROUPS, MAX_PAYLOAD, Batch, Clock, ClockState, Origin, decode, encode
from protocols.quality import Quality
from tests.agent.parts import columns_of

GOOD = int(Quality.GOOD)
PERIOD = 100
START = 1_000_000


def channel(name: str, tag: int = I32LE, scale: int = -1, limits: tuple[str, str] | None = None) -> Channel:
    return Channel(
        name=name,
        title={"en": name, "zh": name},
        quantity="test",
        unit="V",
        kind=Kind.GAUGE,
        tag=tag,
        scale=scale if tag in (I32LE, I64LE) else 0,
        limits=None if limits is None else (Decimal(limits[0]), Decimal(limits[1])),
    )


def device(*channels: Channel | tuple[Channel, FilterConfig], period_ms: int = PERIOD) -> DevicePlan:
    plans = [ChannelPlan(*one) if isinstance(one, tuple) else ChannelPlan(one) for one in channels]
    return DevicePlan(period_ms, tuple(plans))


@dataclass(frozen=True)
class Sample:
    value: float | int | None
    quality: int


def drain(pipeline: Pipeline) -> list[Part]:
    parts = []
    while (part := pipeline.drain()) is not None:
        parts.append(part)
    return parts


def samples(parts: Sequence[Part]) -> dict[int, dict[int, Sample]]:
    """By alias and time, after a passage through the wire; a time must not come twice."""
    found: dict[int, dict[int, Sample]] = {}
    for part in parts:
        origin = Origin("G1", 1, 1, bytes(16), part.t0_boot_ms, Clock(ClockState.UNSET))
        payload = encode(Batch(origin, bytes(32), 0, part.groups))
        assert len(payload) <= MAX_PAYLOAD
        batch = decode(payload)
        assert isinstance(batch, Batch)
        for group in batch.groups:
            for column in group.columns:
                values = iter(column.values.tolist())
                for index, (time, present) in enumerate(zip(group.times.tolist(), column.present, strict=True)):
                    value = next(values) if present else None
                    quality = column.quality.get(index, GOOD)
                    if value is not None or quality:
                        at = part.t0_boot_ms + time
                        assert at not in found.setdefault(column.alias, {})
                        found[column.alias][at] = Sample(value, quality)
    return found


def feed(pipeline: Pipeline, ticks: Sequence[int | float | None], name: int = 0, start: int = START) -> None:
    """One channel's values, a tick after another; None is a tick that the device missed."""
    for number, value in enumerate(ticks):
        tick = start + number * PERIOD
        if value is None:
            pipeline.missed(0, tick, Quality.BAD_TIMEOUT)
        else:
            pipeline.add(0, tick, Readings.of([Reading(name, value, GOOD)]))


def values(found: dict[int, Sample]) -> list[float | int | None]:
    return [found[time].value for time in sorted(found)]


def near(got: Sequence[float | None], expected: Sequence[float | None]) -> bool:
    """Whether values are there, and not, at the same places, and are as good as equal in single precision."""
    return len(got) == len(expected) and all(
        (one is None) == (other is None) and (one or 0) == pytest.approx(other or 0, rel=1e-6, abs=1e-6)
        for one, other in zip(got, expected, strict=True)
    )


def test_a_dead_banded_channel_is_described_by_its_heartbeat_so_that_meant_silence_is_no_gap() -> None:
    (described,) = describe_channels([device((channel("quiet", F32LE), FilterConfig(deadband=0.5)), period_ms=1000)])
    assert described.period_ms == 60_000


def test_unfiltered_numbers_leave_as_exactly_as_they_came() -> None:
    plan = device(channel("a", I32LE), channel("b", I64LE), channel("c", F32LE), channel("d", F64LE))
    pipeline = Pipeline([plan])
    readings = [
        Reading(0, -(2**31), GOOD),
        Reading(1, 2**63 - 1, GOOD),
        Reading(2, 0.5, GOOD),
        Reading(3, 1 / 3, GOOD),
    ]
    pipeline.add(0, START, Readings.of(readings))
    pipeline.add(0, START + PERIOD, Readings.of(reversed(readings)))
    found = samples(drain(pipeline))
    assert [list(found[alias].values()) for alias in range(4)] == [
        [Sample(value, GOOD)] * 2 for value in (-(2**31), 2**63 - 1, 0.5, 1 / 3)
    ]
    assert pipeline.drain() is None
    assert pipeline.counters.values == 8


def test_channels_of_a_device_share_an_axis_and_devices_do_not() -> None:
    plan = device(channel("a"), channel("b"), channel("c", F32LE))
    pipeline = Pipeline([plan, plan])
    for tick in range(START, START + 500, PERIOD):
        for index in (0, 1):
            pipeline.add(index, tick + index, Readings.of([Reading(number, number, GOOD) for number in range(3)]))
    (part,) = drain(pipeline)
    assert [len(list(columns_of(group))) for group in part.groups] == [3, 3]
    assert [group.times.tolist() for group in part.groups] == [[0, 100, 200, 300, 400], [1, 101, 201, 301, 401]]
    assert part.t0_boot_ms == START


def test_a_tick_read_in_several_requests_loses_nothing_however_it_is_drained() -> None:
    smooth = FilterConfig(despike=True)
    for between in (False, True):
        pipeline = Pipeline([device(channel("a"), channel("b"), (channel("c"), smooth), (channel("d"), smooth))])
        parts = []
        for number in range(10):
            for pair in ([0, 2], [1, 3]):
                pipeline.add(0, START + number * PERIOD, Readings.of([Reading(index, number, GOOD) for index in pair]))
                if between:
                    parts += drain(pipeline)
        parts += drain(pipeline)
        found = samples(parts)
        assert [values(found[alias]) for alias in (0, 1)] == [list(range(10))] * 2
        assert [values(found[alias]) for alias in (2, 3)] == [pytest.approx([n / 10 for n in range(8)])] * 2
        assert pipeline.counters.late == 0


def test_a_reading_older_than_the_newest_tick_is_counted_and_dropped() -> None:
    pipeline = Pipeline([device(channel("a"))])
    pipeline.add(0, START, Readings.of([Reading(0, 1, GOOD)]))
    pipeline.add(0, START - 1, Readings.of([Reading(0, 2, GOOD)]))
    pipeline.missed(0, START - 1, Quality.BAD_TIMEOUT)
    assert values(samples(drain(pipeline))[0]) == [1]
    assert (pipeline.counters.late, pipeline.counters.readings, pipeline.counters.missed) == (1, 2, 0)


def test_a_missed_tick_has_no_value_and_its_cause_for_every_channel() -> None:
    pipeline = Pipeline([device(channel("a"), channel("b", F32LE))])
    pipeline.missed(0, START, Quality.BAD_TIMEOUT)
    found = samples(drain(pipeline))
    assert found == {alias: {START: Sample(None, Quality.BAD_TIMEOUT)} for alias in (0, 1)}
    assert pipeline.counters.missed == 1


def test_a_sentinel_has_no_value_and_a_request_that_failed_alone_harms_only_its_channels() -> None:
    pipeline = Pipeline([device(channel("a"), channel("b"), channel("c"))])
    pipeline.add(0, START, Readings.of([Reading(0, None, Quality.BAD_SENSOR_FAILURE), Reading(1, 7, GOOD)]))
    pipeline.add(0, START, Readings.of([Reading(2, None, Quality.BAD_COMMUNICATION_ERROR)]))
    found = samples(drain(pipeline))
    assert found[0] == {START: Sample(None, Quality.BAD_SENSOR_FAILURE)}
    assert found[1] == {START: Sample(7, GOOD)}
    assert found[2] == {START: Sample(None, Quality.BAD_COMMUNICATION_ERROR)}
    assert pipeline.counters.no_value == 2


@pytest.mark.parametrize(
    ("tag", "value", "kept"),
    [(I32LE, 1001, 1001), (I32LE, -1, -1), (F32LE, 100.5, 100.5), (F32LE, -0.5, -0.5), (I32LE, 2**31, None),
     (I64LE, 2**64 - 1, None), (F32LE, 1e39, None), (F32LE, float("nan"), None), (F64LE, float("inf"), None)],
)  # fmt: skip
def test_out_of_limits_keeps_its_value_unless_no_column_can_carry_it(
    tag: int, value: float, kept: float | None
) -> None:
    pipeline = Pipeline([device(channel("a", tag, limits=("0", "100")), channel("b", tag, limits=("0", "100")))])
    pipeline.add(0, START, Readings.of([Reading(0, value, GOOD), Reading(1, 50, GOOD)]))
    found = samples(drain(pipeline))
    assert found[0] == {START: Sample(kept, Quality.BAD_OUT_OF_RANGE)}
    assert found[1] == {START: Sample(50, GOOD)}
    assert pipeline.counters.out_of_range == 1


def test_the_limits_themselves_are_plausible_to_the_last_digit() -> None:
    pipeline = Pipeline([device(channel("a", limits=("0.05", "21.35")))])
    feed(pipeline, [0, 1, 213, 214])
    qualities = [sample.quality for sample in samples(drain(pipeline))[0].values()]
    assert qualities == [Quality.BAD_OUT_OF_RANGE, GOOD, GOOD, Quality.BAD_OUT_OF_RANGE]


def test_despiked_values_bear_the_time_they_are_of() -> None:
    pipeline = Pipeline([device((channel("a"), FilterConfig(despike=True)))])
    feed(pipeline, [10, 20, 30, 9000, 50, 60, 70, 80, 90])
    found = samples(drain(pipeline))[0]
    assert sorted(found) == [START + number * PERIOD for number in range(7)]
    # Before the first value stands that value, for ever; then a ramp passes unchanged, but for the spike.
    assert values(found) == pytest.approx([1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 7.0])


@given(
    st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), min_size=1, max_size=40),
    st.sets(st.integers(0, 40)),
    st.sets(st.integers(0, 39)),
    st.sampled_from(
        [
            FilterConfig(despike=True),
            FilterConfig(lowpass_hz=0.7),
            FilterConfig(despike=True, lowpass_hz=1.0, decimate=3),
            FilterConfig(despike=True, window_s=0.5),
            FilterConfig(deadband=20.0, heartbeat_s=0.7),
            FilterConfig(lowpass_hz=1.0, deadband=3.0),
            FilterConfig(window_s=0.3, decimate=2),
            FilterConfig(despike="hampel", steepest=900.0, stuck_s=0.3),
            FilterConfig(highpass_hz=0.5, lowpass_hz=2.0, order=3, window_s=0.5, statistics=("rms", "kurtosis")),
            FilterConfig(despike=True, bandstop_hz=(1.0, 2.0), fir_hz=2.0, fir_taps=9, window_s=0.4),
            FilterConfig(notch_hz=(2.0,), antialias=True, decimate=2, window_s=0.5, tones_hz=(2.0, 3.0)),
        ]
    ),
)
def test_what_comes_out_does_not_depend_on_when_it_is_drained(
    ticks: list[int | None], drains: set[int], untold: set[int], filters: FilterConfig
) -> None:
    def run(drains: set[int]) -> dict[int, dict[int, Sample]]:
        pipeline = Pipeline([device((channel("a"), filters), (channel("b"), filters))])
        parts = []
        for number, value in enumerate(ticks):
            if number in drains:
                parts += drain(pipeline)
            if number in untold:
                continue
            tick = START + number * PERIOD
            if value is None:
                pipeline.missed(0, tick, Quality.BAD_TIMEOUT)
            else:
                pipeline.add(0, tick, Readings.of([Reading(0, value, GOOD), Reading(1, -value, GOOD)]))
        return samples(parts + drain(pipeline))

    cut, whole = run(drains), run(set())
    assert cut.keys() == whole.keys()
    for alias, found in whole.items():
        assert cut[alias].keys() == found.keys()
        for time, sample in found.items():
            assert cut[alias][time].quality == sample.quality
            assert near([cut[alias][time].value], [sample.value])


def test_a_missing_tick_is_held_and_several_end_the_stream() -> None:
    pipeline = Pipeline([device((channel("a", scale=0), FilterConfig(lowpass_hz=1.0)))])
    feed(pipeline, [10, 10, None, None, 10, 10, None, None, None, None, 500, 500])
    found = samples(drain(pipeline))[0]
    qualities = [found[time].quality for time in sorted(found)]
    last, timeout = int(Quality.UNCERTAIN_LAST_USABLE), int(Quality.BAD_TIMEOUT)
    assert qualities == [0, 0, last, last, 0, 0, last, last, timeout, timeout, 0, 0]
    # The filter forgot 10: it begins at 500, at rest, instead of climbing there.
    assert near(values(found), [*[10.0] * 8, None, None, 500.0, 500.0])
    assert (pipeline.counters.held, pipeline.counters.resets) == (4, 2)


def test_a_tick_nobody_told_of_counts_as_missing() -> None:
    pipeline = Pipeline([device((channel("a", scale=0), FilterConfig(lowpass_hz=1.0)))])
    feed(pipeline, [10, 10])
    feed(pipeline, [10], start=START + 3 * PERIOD)
    feed(pipeline, [500], start=START + 1000 * PERIOD)
    found = samples(drain(pipeline))[0]
    assert near([found[START + 2 * PERIOD].value], [10.0])
    assert found[START + 2 * PERIOD].quality == Quality.UNCERTAIN_LAST_USABLE
    assert found[START + 1000 * PERIOD] == Sample(500.0, GOOD)
    gap = [found[time].quality for time in sorted(found)[4:-1]]
    last, silent = int(Quality.UNCERTAIN_LAST_USABLE), int(Quality.BAD_NO_COMMUNICATION)
    assert gap == [last, last, silent]


def test_a_bad_value_never_enters_a_filter() -> None:
    pipeline = Pipeline([device((channel("a", F32LE, limits=("0", "100")), FilterConfig(lowpass_hz=1.0)))])
    feed(pipeline, [10.0, 10.0, 99999.0, float("nan"), 10.0])
    found = samples(drain(pipeline))[0]
    assert values(found) == pytest.approx([10.0] * 5)
    assert pipeline.counters.out_of_range == 2


def test_a_low_pass_is_the_butterworth_of_the_rate_of_ticks() -> None:
    pipeline = Pipeline([device((channel("a", scale=-2), FilterConfig(lowpass_hz=1.5)))])
    raw = [0] + [1000] * 20
    feed(pipeline, raw)
    ((b0, b1, b2, a1, a2),) = butterworth((1.5,), 10.0, 2)
    expected: list[float] = []
    history = [0.0] * 4  # x[n-1], x[n-2], y[n-1], y[n-2]
    for number in raw:
        x = number / 100
        y = b0 * x + b1 * history[0] + b2 * history[1] - a1 * history[2] - a2 * history[3]
        history = [x, history[0], y, history[2]]
        expected.append(y)
    assert values(samples(drain(pipeline))[0]) == pytest.approx(expected, abs=1e-5)


def test_hampel_leaves_alone_what_does_not_stick_out_and_bears_the_time_of_what_it_judged() -> None:
    pipeline = Pipeline([device((channel("a", scale=0), FilterConfig(despike="hampel")))])
    ticks = [10, 13, 12, 14, 9000, 11, 12, 13, 12, 14, 12]
    feed(pipeline, list(ticks))
    found = samples(drain(pipeline))[0]
    assert values(found) == [10, 13, 12, 14, 13, 11, 12, 13]
    assert sorted(found) == [START + number * PERIOD for number in range(8)]


def test_a_filter_before_decimation_keeps_what_is_too_fast_from_folding_down_and_moves_nothing_in_time() -> None:
    pipeline = Pipeline([device((channel("a", F64LE), FilterConfig(antialias=True, decimate=5)))])
    at = np.arange(400) * PERIOD / 1000
    slow, fast = np.sin(2 * np.pi * 0.1 * at), np.sin(2 * np.pi * 2.2 * at)  # 2.2 Hz would show as 0.2 Hz
    feed(pipeline, (slow + fast).tolist())
    found = samples(drain(pipeline))[0]
    assert all(time % (5 * PERIOD) == 0 for time in found)
    settled = [(time - START) // PERIOD for time in found if time >= START + 80 * PERIOD]
    assert len(settled) > 50
    got = [found[START + number * PERIOD].value for number in settled]
    assert got == pytest.approx([float(slow[number]) for number in settled], abs=5e-3)


def test_windows_see_what_a_high_pass_leaves_and_a_low_pass_would_flatten() -> None:
    filters = FilterConfig(highpass_hz=0.2, lowpass_hz=0.5, window_s=1.0, statistics=("rms", "peak_to_peak"))
    pipeline = Pipeline([device((channel("a", F64LE), filters))])
    at = np.arange(100) * PERIOD / 1000
    feed(pipeline, (1000 + np.sin(2 * np.pi * 2.0 * at)).tolist())
    found = samples(drain(pipeline))
    last = START + 8000
    assert found[1][last].value == pytest.approx(np.sqrt(0.5), rel=0.03)
    assert found[2][last].value == pytest.approx(1.9, rel=0.03)
    smooth = found[0][START + 9000].value
    assert smooth is not None
    assert abs(smooth) < 0.2


def test_tones_and_bands_of_a_whole_window_are_told_in_the_channels_unit_and_those_of_a_torn_one_are_not() -> None:
    filters = FilterConfig(window_s=6.4, statistics=(), tones_hz=(2.5,), bands_hz=((1.5, 4.0),))
    pipeline = Pipeline([device((channel("a", scale=-2), filters))])
    wave: list[int | float | None] = [round(5000 + 300 * np.sin(2 * np.pi * n / 4)) for n in range(200)]
    wave[100] = None
    feed(pipeline, wave, start=6400 * 200)
    found = samples(drain(pipeline))
    first, torn = (6400 * number for number in (200, 201))
    assert found[1][first].value == pytest.approx(3.0, rel=1e-3)
    assert found[2][first].value == pytest.approx(3.0 / np.sqrt(2), rel=1e-3)
    assert [found[alias][torn] for alias in (1, 2)] == [Sample(None, Quality.BAD)] * 2


def test_what_jumps_or_stands_still_keeps_its_very_number_and_says_so() -> None:
    filters = FilterConfig(steepest=20.0, stuck_s=0.3)
    pipeline = Pipeline([device((channel("a", scale=-1), filters))])
    feed(pipeline, [100, 120, 141, 141, 141, 141, 141, 142, None, 999])
    found = samples(drain(pipeline))[0]
    steep, stuck = int(Quality.UNCERTAIN_EU_EXCEEDED), int(Quality.UNCERTAIN_NOT_ACCURATE)
    assert [found[time].quality for time in sorted(found)] == [
        GOOD, GOOD, steep, GOOD, GOOD, stuck, stuck, GOOD, Quality.BAD_TIMEOUT, steep
    ]  # fmt: skip
    assert values(found) == [100, 120, 141, 141, 141, 141, 141, 142, None, 999]


def test_a_counter_that_rolls_over_is_counted_on_beside_itself_to_the_last_digit() -> None:
    size = 10**12
    counter = replace(channel("a", I64LE, scale=-3), kind=Kind.COUNTER, rollover=size)
    pipeline = Pipeline([device((counter, FilterConfig(unwrap=True)))])
    parts = []
    for number, value in enumerate([size - 2, None, 1, 5, 2, 4]):
        feed(pipeline, [value], start=START + number * PERIOD)
        parts += drain(pipeline)
    found = samples(parts)
    assert values(found[0]) == [size - 2, None, 1, 5, 2, 4]
    assert values(found[1]) == [size - 2, size + 1, size + 5, size + 5, size + 7]
    qualities = [sample.quality for _, sample in sorted(found[1].items())]
    assert qualities == [GOOD, GOOD, GOOD, Quality.UNCERTAIN_NOT_ACCURATE, GOOD]


def test_windows_tell_the_statistics_of_what_was_despiked_but_not_smoothed() -> None:
    filters = FilterConfig(despike=True, lowpass_hz=0.3, window_s=1.0)
    pipeline = Pipeline([device((channel("a", scale=0), filters))])
    ramp = list(range(40))
    ramp[15] = 9000
    feed(pipeline, list(ramp))
    found = samples(drain(pipeline))
    for alias in (1, 2, 3, 4):
        assert sorted(found[alias]) == [START, START + 1000, START + 2000]
    second = np.array([np.median(ramp[number - 2 : number + 3]) for number in range(10, 20)])
    got = [found[alias][START + 1000] for alias in (1, 2, 3, 4)]
    assert [sample.value for sample in got] == pytest.approx([second.mean(), second.min(), second.max(), second.std()])
    assert [sample.quality for sample in got] == [GOOD] * 4


def test_a_window_says_when_it_saw_less_than_all_or_nothing() -> None:
    pipeline = Pipeline([device((channel("a", scale=0), FilterConfig(window_s=0.5)))])
    feed(pipeline, [1, 2, 3, 4, 5, 1, None, 3, 4, 5, *[None] * 5, 6])
    found = samples(drain(pipeline))[1]
    assert near(values(found), [3.0, 3.25, None])
    qualities = [found[time].quality for time in sorted(found)]
    assert qualities == [GOOD, Quality.UNCERTAIN_SUB_NORMAL, Quality.BAD]


def test_a_dead_band_is_in_the_channels_unit_exact_and_never_silent_for_longer_than_its_heartbeat() -> None:
    pipeline = Pipeline([device((channel("a", scale=-1), FilterConfig(deadband=0.5, heartbeat_s=1.0)))])
    feed(pipeline, [210, 215, 216, 211, 210, None, None, 210, *[212] * 12])
    found = samples(drain(pipeline))[0]
    told = [((time - START) // PERIOD, found[time].value) for time in sorted(found)]
    assert told == [(0, 210), (2, 216), (4, 210), (5, None), (7, 210), (17, 212)]
    assert all(isinstance(value, int) for _, value in told if value is not None)


def test_decimation_keeps_the_same_ticks_after_a_restart() -> None:
    kept = set()
    for skip in (0, 1, 2):
        pipeline = Pipeline([device((channel("a"), FilterConfig(decimate=5)))])
        feed(pipeline, list(range(30))[skip:], start=START + skip * PERIOD)
        found = samples(drain(pipeline))[0]
        kept.add(tuple(time for time in sorted(found) if time >= START + 5 * PERIOD))
        assert all(found[time].value == (time - START) // PERIOD for time in found)
    assert len(kept) == 1


def test_a_device_nobody_drains_keeps_its_newest_ticks_only() -> None:
    pipeline = Pipeline([device(channel("a"))])
    feed(pipeline, list(range(5000)))
    assert pipeline.counters.overflow == 5000 - MAX_TICKS
    assert values(samples(drain(pipeline))[0])[-1] == 4999


def test_much_is_cut_into_parts_that_a_message_can_hold() -> None:
    plan = device(*[channel(f"c{number}", I64LE) for number in range(400)])
    pipeline = Pipeline([plan, plan])
    for number in range(100):
        for index in (0, 1):
            pipeline.add(index, START + number * PERIOD, Readings.of([Reading(c, number, GOOD) for c in range(400)]))
    parts = drain(pipeline)
    found = samples(parts)
    assert len(parts) == pytest.approx(2 * 400 * 100 * 8 / PART_BYTES, abs=2)
    assert all(values(found[alias]) == list(range(100)) for alias in range(800))


def test_the_birth_describes_every_column_that_comes_out() -> None:
    filters = FilterConfig(despike=True, window_s=1.0, decimate=2)
    plans = [
        device(channel("raw", scale=-2), (channel("smooth", limits=("0", "9")), filters)),
        device((channel("windowed", F64LE), FilterConfig(window_s=2.0))),
    ]
    described = describe_channels(plans)
    devices = tuple(DeviceDescription(f"D{index}", "m", "n", "b") for index in range(2))
    assert decode_description(encode_description(Description(devices, described))).channels == described
    assert [one.name for one in described] == [
        "raw", "smooth", "windowed",
        "smooth.mean", "smooth.min", "smooth.max", "smooth.std",
        "windowed.mean", "windowed.min", "windowed.max", "windowed.std",
    ]  # fmt: skip
    assert [(one.tag, one.scale) for one in described[:4]] == [(I32LE, -2), (F32LE, 0), (F64LE, 0), (F32LE, 0)]
    assert [one.period_ms for one in described] == [100, 200, 100, *[1000] * 4, *[2000] * 4]
    pipeline = Pipeline(plans)
    for number in range(40):
        pipeline.add(0, START + number * PERIOD, Readings.of([Reading(0, number, GOOD), Reading(1, number, GOOD)]))
        pipeline.add(1, START + number * PERIOD, Readings.of([Reading(0, number, GOOD)]))
    tags = {
        column.alias: (column.tag, column.scale)
        for part in drain(pipeline)
        for group in part.groups
        for column in columns_of(group)
    }
    assert tags == {one.alias: (one.tag, one.scale) for one in described}


def test_many_small_groups_and_uneven_axes_still_fit_a_message() -> None:
    quiet = FilterConfig(deadband=0.0)
    plans = [device(*[(channel(f"c{number}"), quiet) for number in range(50)]) for _ in range(100)]
    pipeline = Pipeline(plans)
    ticks = [at for at in range(60) if at % 7 not in (1, 3, 4)]
    for number in ticks:
        for index in range(100):
            pipeline.add(index, START + number * PERIOD, Readings.of([Reading(c, number, GOOD) for c in range(50)]))
    found = samples(drain(pipeline))
    assert all(values(found[alias]) == ticks for alias in range(5000))


def test_no_message_has_more_groups_than_the_contract_allows() -> None:
    quiet = FilterConfig(deadband=0.0)
    pipeline = Pipeline([device(*[(channel(f"c{number}"), quiet) for number in range(50)]) for _ in range(100)])
    for index in range(100):
        pipeline.add(index, START, Readings.of([Reading(c, 7, GOOD) for c in range(50)]))
    parts = drain(pipeline)
    assert max(len(part.groups) for part in parts) == MAX_GROUPS
    assert all(values(found) == [7] for found in samples(parts).values())


def test_a_gateway_without_filters_loads_none_of_them() -> None:
    code = (
        "import sys; from agent.pipeline import Pipeline; Pipeline([])\n"
        "lazy = {f'agent.dsp.{one}' for one in 'bands fir hampel moments rollover tones watch'.split()};"
        "print([name for name in sys.modules if name.startswith(('scipy', 'numpy.fft')) or name in lazy])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def slow_and_fast(filters: FilterConfig = FilterConfig()) -> Pipeline:  # noqa: B008 - it is frozen
    """Channel 0 each tick, channel 1 each fifth."""
    plan = DevicePlan(PERIOD, (ChannelPlan(channel("fast")), ChannelPlan(channel("slow"), filters, 5 * PERIOD)))
    return Pipeline([plan])


@pytest.mark.parametrize("drained_each", [1, 3, 100])
def test_a_channel_that_is_read_less_often_is_told_at_its_own_ticks_and_is_no_gap_in_between(drained_each: int) -> None:
    pipeline, parts = slow_and_fast(), []
    for number in range(20):
        both = [Reading(0, number, GOOD), *([Reading(1, number, GOOD)] if number % 5 == 0 else [])]
        pipeline.add(0, START + number * PERIOD, Readings.of(both))
        if number % drained_each == 0:
            parts += drain(pipeline)
    found = samples(parts + drain(pipeline))
    assert values(found[0]) == list(range(20))
    assert {time: sample.value for time, sample in found[1].items()} == {
        START + number * PERIOD: number for number in (0, 5, 10, 15)
    }
    assert {sample.quality for sample in found[1].values()} == {GOOD}


def test_a_device_that_misses_its_ticks_misses_those_of_a_slower_channel_alone() -> None:
    pipeline = slow_and_fast()
    for number in range(10):
        pipeline.missed(0, START + number * PERIOD, Quality.BAD_TIMEOUT)
    found = samples(drain(pipeline))
    assert len(found[0]) == 10
    assert sorted(found[1]) == [START, START + 5 * PERIOD]


def test_a_slower_channel_that_is_read_late_is_told_when_it_was_read() -> None:
    pipeline = slow_and_fast()
    for number in (3, 4, 6, 7):  # the tick of both, 5, was lost
        late = [Reading(1, 9, GOOD)] if number == 6 else []
        pipeline.add(0, START + number * PERIOD, Readings.of([Reading(0, number, GOOD), *late]))
    assert list(samples(drain(pipeline))[1]) == [START + 6 * PERIOD]


def test_filters_of_a_slower_channel_run_on_its_own_ticks() -> None:
    pipeline = slow_and_fast(FilterConfig(despike="median"))
    for number in range(60):
        value = 100 if number == 30 else 7
        slow = [Reading(1, value, GOOD)] if number % 5 == 0 else []
        pipeline.add(0, START + number * PERIOD, Readings.of([Reading(0, number, GOOD), *slow]))
    found = samples(drain(pipeline))[1]
    assert near(values(found), [0.7] * 10)
    assert {sample.quality for sample in found.values()} == {GOOD}
    assert sorted(found) == [START + number * PERIOD for number in range(0, 50, 5)]


def test_the_birth_tells_a_slower_channel_s_own_period() -> None:
    plan = DevicePlan(PERIOD, (ChannelPlan(channel("fast")), ChannelPlan(channel("slow"), period_ms=5 * PERIOD)))
    assert [one.period_ms for one in describe_channels([plan])] == [PERIOD, 5 * PERIOD]
