from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Moment, Options
from sim_devices.models.soil_moisture import SATURATED, SoilMoisture
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def probe() -> tuple[World, SoilMoisture]:
    world = World(3, NOON)
    found = world.add("p", "soil_moisture", Options(wear=0.0))
    world.begin()
    assert isinstance(found, SoilMoisture)
    return world, found


def test_rain_soaks_the_pit_and_sun_dries_it_but_never_below_what_roots_can_draw() -> None:
    world, found = probe()
    sky = world._weather.at(NOON / 1000)
    begun = found.water
    for _ in range(60):
        found.step(Moment(NOON / 1000, 60.0, sky._replace(rain=20.0, illuminance=1000.0)))
    wet = found.water
    assert begun + 5.0 < wet <= SATURATED
    for _ in range(200):
        found.step(Moment(NOON / 1000, 3600.0, sky._replace(rain=0.0, illuminance=90_000.0)))
    assert 4.0 < found.water < 12.0
    assert int(found.values["status"] or 0) & 0b001


def test_frozen_ground_has_a_temperature_and_no_moisture() -> None:
    world, found = probe()
    found.warmth = -4.0
    world.advance(NOON + 1000)
    assert found.read(Table.HOLDING, 0, 1) + found.read(Table.HOLDING, 2, 1) == [0xFFFF, 0xFFFF]
    assert float(found.values["temperature"] or 0) < -3.0
    assert int(found.values["status"] or 0) & 0b100
