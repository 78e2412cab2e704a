from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.vehicle_detector import VehicleDetector
from sim_devices.world import World

MORNING = int(datetime.fromisoformat("2026-06-22T07:30:00+08:00").timestamp() * 1000)
NIGHT = int(datetime.fromisoformat("2026-06-22T03:00:00+08:00").timestamp() * 1000)


def detector(start_ms: int) -> tuple[World, VehicleDetector]:
    world = World(3, start_ms)
    found = world.add("v", "vehicle_detector", Options(wear=0.0))
    world.begin()
    assert isinstance(found, VehicleDetector)
    return world, found


def test_an_hour_of_the_morning_counts_more_than_one_of_the_night_and_inbound_most() -> None:
    passed = []
    for start in (MORNING, NIGHT):
        world, found = detector(start)
        before = [sum(pair) for pair in zip(found.cars, found.lorries, strict=True)]
        world.advance(start + 3_600_000)
        passed += [sum(pair) - was for *pair, was in zip(found.cars, found.lorries, before, strict=True)]
    inbound, outbound, night_in, night_out = passed
    assert inbound > 1.1 * outbound
    assert min(inbound, outbound) > 8 * max(night_in, night_out)


def test_a_broken_loop_counts_nothing_and_says_so() -> None:
    world, found = detector(MORNING)
    world.advance(MORNING + 60_000)
    found.broken_s[1] = 600.0
    cars = list(found.cars)
    world.advance(MORNING + 300_000)
    assert found.cars[0] > cars[0]
    assert found.cars[1] == cars[1]
    assert found.read(Table.INPUT, 13, 3) == [0xFFFF] * 3
    assert int(found.values["status"] or 0) & 0b11 == 0b10


def test_lorries_are_counted_in_sixteen_bits() -> None:
    world, found = detector(MORNING)
    found.lorries[0] = 65_536
    world.advance(MORNING + 1_000)
    assert found.values["lane_1_lorries"] == found.lorries[0] - 65_536
