from agent.pipeline import ChannelPlan, DevicePlan, Part, Pipeline, describe_channels
from agent.rules.feed import Feed
from drivers.base import Channel, Reading, Readings
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, I32LE
from protocols.quality import Quality
from protocols.rules import Observation, Tick

VOLTS = Channel("volts", {}, "voltage", "V", Kind.GAUGE, I32LE, -1)
AMPS = Channel("amps", {}, "current", "A", Kind.GAUGE, F32LE, 0)
PLAN = DevicePlan(100, (ChannelPlan(VOLTS), ChannelPlan(AMPS)))


def part(*rows: tuple[int, int | None, int, float]) -> Part:
    pipeline = Pipeline([PLAN])
    for t, volts, quality, amps in rows:
        pipeline.add(0, t, Readings.of([Reading(0, volts, quality), Reading(1, amps, 0)]))
    drained = pipeline.drain()
    assert drained is not None
    return drained


def feed(*wanted: str) -> Feed:
    return Feed(describe_channels([PLAN]), ["D1"], [("D1", name) for name in wanted])


def test_values_come_in_the_channels_unit_and_at_their_tick() -> None:
    ticks = feed("volts", "amps").ticks(part((100, 2301, 0, 1.5), (200, 2302, 0, 2.5)), 1000)
    assert [tick.now for tick in ticks] == [100, 200]
    assert ticks[1].observations == (Observation("D1", "volts", 200, 230.2), Observation("D1", "amps", 200, 2.5))


def test_a_reading_that_failed_comes_without_a_value() -> None:
    (tick,) = feed("volts").ticks(part((100, None, Quality.BAD_TIMEOUT, 1.0)), 1000)
    assert tick == Tick(100, (Observation("D1", "volts", 100, None, Quality.BAD_TIMEOUT),))


def test_what_no_rule_looks_at_gives_no_tick() -> None:
    assert feed().ticks(part((100, 2301, 0, 1.5)), 1000) == []


def test_a_devices_own_clock_does_not_move_the_rules() -> None:
    (tick,) = feed("amps").ticks(part((100, 1, 0, 1.0), (5000, 1, 0, 2.0)), 100)
    assert tick.now == 100
    assert [one.value for one in tick.observations] == [1.0, 2.0]
