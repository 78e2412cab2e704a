from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Moment, Options
from sim_devices.models.liquid_level import DRY_MM, GULLY_MM, LiquidLevel
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def gauge(section: str) -> tuple[World, LiquidLevel]:
    world = World(3, NOON)
    found = world.add("l", "liquid_level", Options(section=section, wear=0.0))
    world.begin()
    assert isinstance(found, LiquidLevel)
    return world, found


def test_it_shows_the_sump_that_others_pump_and_the_distance_goes_the_other_way() -> None:
    world, found = gauge("t/1")
    world.compartments["t/1"].water_mm = 800.0
    shown = []
    for second in range(1, 120):
        world.advance(NOON + 1000 * second)
        level, distance = found.values["level"], found.values["distance"]
        if level is not None:
            assert abs(float(level) + float(distance or 0) - 1600.0) < 1e-6
            shown.append(float(level))
    assert abs(sorted(shown)[len(shown) // 2] - world.compartments["t/1"].water_mm) < 40.0
    assert int(found.values["status"] or 0) & 0b010


def test_without_an_echo_it_has_no_level_and_counts_the_loss() -> None:
    world, found = gauge("t/1")
    lost = found.lost
    found.fault_s = 5.0
    world.advance(NOON + 4000)
    assert found.read(Table.HOLDING, 0, 4) == [0x7FFF, 0x7FFF, 0, 0x8000]
    assert found.lost == lost + 4
    assert int(found.values["status"] or 0) & 0b1001 == 0b1001


def test_rain_fills_a_gully_to_its_rim_and_it_drains_afterwards() -> None:
    world, found = gauge("")
    sky = world._weather.at(NOON / 1000)
    for second in range(3600):
        found.step(Moment(NOON / 1000 + second, 1.0, sky._replace(rain=60.0)))
    assert found.gully_mm == GULLY_MM
    for second in range(3 * 3600):
        found.step(Moment(NOON / 1000 + second, 1.0, sky._replace(rain=0.0)))
    assert DRY_MM <= found.gully_mm < DRY_MM + 5.0
