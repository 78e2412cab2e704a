# ruff: noqa: DTZ001 - a meter says no zone
from datetime import datetime

from protocols.cjt188.records import HEAT, WATER, Value, Valve, decode_record
from sim_devices.cjt188.device import RecordDevice
from sim_devices.models.base import Options
from sim_devices.world import World

START_MS = 1_782_041_400_000  # 2026-06-21 19:30 in Beijing


def meter(model: str, counter: int | None = None) -> RecordDevice:
    world = World(1, START_MS)
    made = world.add("m", model, Options(counter=counter))
    world.begin()
    assert isinstance(made, RecordDevice)
    return made


def test_a_record_shows_the_values_the_clock_and_the_state() -> None:
    made = meter("water_meter", 99_999_999)
    record = decode_record(WATER, made.record())
    assert record.values == {"total": Value(99_999_999, 0x2C), "settlement": Value(99_999_849, 0x2C)}
    assert record.clock == datetime(2026, 6, 21, 19, 30)
    assert (record.status.valve, record.status.battery_low) == (Valve.OPEN, False)
    made.values |= {"valve": 1, "battery": 1}
    status = decode_record(WATER, made.record()).status
    assert (status.valve, status.battery_low) == (Valve.CLOSED, True)


def test_a_counter_begins_again_and_other_values_end_at_the_highest() -> None:
    made = meter("heat_meter")
    made.values |= {"heat": 100_000_001, "flow": 12_345.6, "return": -3.0, "hours": None}
    values = decode_record(HEAT, made.record()).values
    assert (values["heat"], values["flow"]) == (Value(1, 0x05), Value(99_999_999, 0x35))
    assert (values["return"].number, values["hours"].number) == (0, None)
