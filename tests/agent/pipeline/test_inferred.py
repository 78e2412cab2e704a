"""Windows for models: whole ones only, in the channels' units and order, wherever their stream is cut."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.pipeline import ChannelPlan, DevicePlan, FilterConfig, Inference, Pipeline, late_ms, outputs
from agent.pipeline.inferred import Verdict, Window
from drivers.base import Reading, Readings
from protocols.edge.columns import F32LE
from protocols.quality import Quality
from tests.agent.pipeline.test_pipeline import GOOD, PERIOD, START, Sample, channel, drain, feed, near, samples, values

ALIAS = 1  # of what the model says of the one channel


def plan(window: int, hop: int, filters: FilterConfig | None = None) -> DevicePlan:
    one = ChannelPlan(channel("a", F32LE), filters or FilterConfig())
    return DevicePlan(PERIOD, (one,), (Inference((0,), window, hop, ("score",)),))


def seen(pipeline: Pipeline) -> list[Window]:
    return [window for windows in pipeline.windows().values() for window in windows]


def run(pipeline: Pipeline, ticks: Sequence[float | None]) -> tuple[dict[int, Sample], dict[int, Window]]:
    """What was told of the model's channel by then, and the windows for it, by their starts."""
    feed(pipeline, ticks)
    told = samples(drain(pipeline)).get(ALIAS, {})
    return told, {window.start_ms: window for window in seen(pipeline)}


def test_a_window_begins_at_ticks_that_the_hop_divides_and_is_whole() -> None:
    told, windows = run(Pipeline([plan(4, 3)]), [float(n) for n in range(12)])
    first = -(-(START // PERIOD) // 3) * 3 * PERIOD  # the first multiple of three periods
    assert list(windows) == [first, first + 300, *([first + 600] if first + 900 <= START + 1100 else [])]
    for start, window in windows.items():
        begins = (start - START) // PERIOD
        assert window.values[:, 0].tolist() == [begins, begins + 1, begins + 2, begins + 3]
        assert window.quality == GOOD
    assert told == {}


@given(st.lists(st.one_of(st.none(), st.integers(0, 50).map(float)), min_size=1, max_size=40), st.data())
def test_windows_are_the_same_wherever_the_stream_is_cut(ticks: list[float | None], data: st.DataObject) -> None:
    window, hop = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 7))
    filters = data.draw(st.sampled_from([FilterConfig(), FilterConfig(despike=True), FilterConfig(highpass_hz=1.0)]))
    whole = run(Pipeline([plan(window, hop, filters)]), ticks)
    told: dict[int, Sample] = {}
    windows: dict[int, Window] = {}
    pipeline, at = Pipeline([plan(window, hop, filters)]), 0
    while at < len(ticks):
        size = data.draw(st.integers(1, len(ticks) - at))
        feed(pipeline, ticks[at : at + size], start=START + at * PERIOD)
        told |= samples(drain(pipeline)).get(ALIAS, {})
        windows |= {one.start_ms: one for one in seen(pipeline)}
        at += size
    assert told == whole[0]
    assert windows.keys() == whole[1].keys()
    for start, one in windows.items():
        assert one.quality == whole[1][start].quality
        np.testing.assert_allclose(one.values, whole[1][start].values, rtol=1e-5, atol=1e-5)
    assert not told.keys() & windows.keys()


def test_two_missing_ticks_are_held_and_the_third_makes_every_window_with_it_bad() -> None:
    start = START - START % (2 * PERIOD)
    held = Pipeline([plan(4, 2)])
    feed(held, [1.0, None, None, 4.0], start=start)
    assert samples(drain(held)).get(ALIAS, {}) == {}
    (window,) = seen(held)
    assert window.values[:, 0].tolist() == [1, 1, 1, 4]
    assert window.quality == Quality.UNCERTAIN_SUB_NORMAL
    ended = Pipeline([plan(4, 2)])
    feed(ended, [1.0, None, None, None, 5.0, 6.0, 7.0, 8.0], start=start)
    bad = samples(drain(ended))[ALIAS]
    assert bad == {start: Sample(None, Quality.BAD), start + 2 * PERIOD: Sample(None, Quality.BAD)}
    assert [one.values[:, 0].tolist() for one in seen(ended)] == [[5, 6, 7, 8]]


def test_ticks_that_nobody_told_of_are_in_no_window() -> None:
    pipeline = Pipeline([plan(2, 1)])
    feed(pipeline, [1.0, 2.0])
    feed(pipeline, [3.0, 4.0], start=START + 60 * PERIOD)
    told = samples(drain(pipeline))[ALIAS]
    assert {sample.value for sample in told.values()} == {None}
    assert [one.values[:, 0].tolist() for one in seen(pipeline) if one.quality == GOOD] == [[1, 2], [3, 4]]


def test_channels_of_other_filters_and_scales_stand_side_by_side_in_the_asked_order_and_their_units() -> None:
    channels = (
        ChannelPlan(channel("volts")),  # tenths
        ChannelPlan(channel("other", F32LE)),
        ChannelPlan(channel("shaking", F32LE), FilterConfig(despike=True, lowpass_hz=1.0, decimate=5, deadband=9.0)),
    )
    pipeline = Pipeline([DevicePlan(PERIOD, channels, (Inference((2, 0), 3, 1, ("a", "b")),))])
    for tick in range(8):
        readings = [Reading(0, 2300 + tick, GOOD), Reading(1, 7.0, GOOD), Reading(2, float(tick), GOOD)]
        pipeline.add(0, START + tick * PERIOD, Readings.of(readings[:1]))
        samples(drain(pipeline))  # between two requests of one tick
        pipeline.add(0, START + tick * PERIOD, Readings.of(readings[1:]))
        samples(drain(pipeline))
    windows = [window for windows in pipeline.windows().values() for window in windows]
    assert len(windows) == 4  # six ticks have left the median of five
    for number, window in enumerate(windows):
        assert window.start_ms == START + number * PERIOD
        # Despiked, not smoothed, and every tick of it.
        np.testing.assert_allclose(window.values[1:, 0], [number + 1, number + 2], atol=1e-6)
        np.testing.assert_allclose(window.values[:, 1], 230 + 0.1 * (number + np.arange(3)), rtol=1e-6)


def test_what_is_filtered_leaves_as_it_would_without_a_model() -> None:
    filters = FilterConfig(despike=True, lowpass_hz=1.0, window_s=0.5)
    ticks = [1.0, 2.0, None, 4.0, 50.0, 6.0, 7.0, None, None, None, 1.0, 2.0, 3.0, 2.0, 1.0, 3.0]
    without = Pipeline([DevicePlan(PERIOD, (ChannelPlan(channel("a", F32LE), filters),))])
    feed(without, ticks)
    expected = samples(drain(without))
    with_model = Pipeline([plan(4, 2, filters)])
    feed(with_model, ticks)
    got = samples(drain(with_model))
    for alias, series in expected.items():
        assert {at: one.quality for at, one in got[alias].items()} == {at: one.quality for at, one in series.items()}
        assert near(values(got[alias]), values(series))


def test_a_verdict_leaves_with_its_windows_time_and_one_that_is_no_number_is_bad() -> None:
    pipeline = Pipeline([plan(2, 2)])
    pipeline.judged(
        0,
        0,
        [
            Verdict(START, np.array([0.5], np.float32), GOOD),
            Verdict(START + 200, np.array([np.nan], np.float32), GOOD),
            Verdict(START + 400, np.array([np.inf], np.float32), GOOD),
            Verdict(START + 600, None, Quality.BAD),
            Verdict(START + 800, np.array([0.25], np.float32), Quality.UNCERTAIN_SUB_NORMAL),
        ],
    )
    assert list(samples(drain(pipeline))[ALIAS].values()) == [
        Sample(0.5, GOOD),
        *([Sample(None, Quality.BAD)] * 3),
        Sample(0.25, Quality.UNCERTAIN_SUB_NORMAL),
    ]


def test_a_verdict_on_a_device_that_is_gone_is_nobodys_and_one_on_another_goes_by_its_new_alias() -> None:
    pipeline = Pipeline([plan(2, 2), plan(2, 2)])
    pipeline.exchange([plan(2, 2)], [1])
    said = [Verdict(START, np.array([0.5], np.float32), GOOD)]
    pipeline.judged(0, 0, said)
    pipeline.judged(1, 0, said)
    assert list(samples(drain(pipeline))) == [ALIAS]


def test_rules_wait_for_the_window_the_despiker_and_the_model() -> None:
    one = plan(10, 5, FilterConfig(despike=True))
    assert late_ms(outputs([one])[ALIAS], one) == (9 + 2) * PERIOD + 2000
