from datetime import datetime

from sim_devices.models.base import Moment, Options
from sim_devices.physics.weather import Weather
from sim_devices.world import World

MIDNIGHT = int(datetime.fromisoformat("2026-06-22T00:00:00+08:00").timestamp() * 1000)


def test_doors_are_opened_by_day_counted_and_closed_again_and_at_night_it_is_tampering() -> None:
    world = World(2, MIDNIGHT)
    door = world.add("door", "access_point", Options(section="t/1"))
    world.begin()
    weather, air = Weather(2, 40.07, 116.33), world.compartments["t/1"]
    first = int(door.values["open_count"] or 0)
    by_day = at_night = 0
    for step in range(1, 5 * 24 * 120):  # five days by half minutes
        hour = step / 120 % 24
        seconds = MIDNIGHT / 1000 + 30 * step
        door.step(Moment(seconds, 30.0, weather.at(seconds)))
        is_open = bool(door.values["door_open"])
        assert air.open_doors == int(is_open)
        assert (float(door.values["tilt"] or 0) > 45) == is_open
        if is_open and 8 <= hour < 20:
            by_day += 1
            assert door.values["tamper"] is False
        elif is_open and (hour >= 23 or hour < 5):
            at_night += 1
            assert door.values["tamper"] is True
    assert by_day > 10 * max(1, at_night)
    assert int(door.values["open_count"] or 0) > first + 5


def test_a_compartment_full_of_water_floods_its_door() -> None:
    world = World(2, MIDNIGHT)
    door = world.add("door", "access_point", Options(section="t/1"))
    world.begin()
    world.compartments["t/1"].water_mm = 940.0
    world.advance(MIDNIGHT + 1000)
    assert door.values["flooded"] is True
