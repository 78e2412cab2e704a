from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Moment, Options
from sim_devices.physics.weather import Weather
from sim_devices.world import World
from tests.sim_devices.slaves import slave

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def test_noon_is_brighter_than_midnight_in_the_registers() -> None:
    world = World(1, NOON)
    station = slave(world.add("w", "weather_station", Options()))
    world.begin()

    def lux() -> int:
        low, high = station.read(Table.INPUT, 2, 2)  # CDAB
        return high << 16 | low

    noon = lux()
    world.advance(NOON + 12 * 3_600_000)
    assert noon > 5_000
    assert lux() < 10


def test_the_particle_counter_says_nothing_while_it_cleans_itself_once_an_hour() -> None:
    world = World(1, NOON)
    station = slave(world.add("w", "weather_station", Options()))
    world.begin()
    silent = 0
    for second in range(1, 3601):
        world.advance(NOON + second * 1000)
        silent += station.read(Table.INPUT, 10, 2) == [0xFFFF, 0xFFFF]
    assert silent == 20


def test_the_rain_counter_only_rises() -> None:
    world = World(3, NOON)
    station = slave(world.add("w", "weather_station", Options()))
    world.begin()
    weather = Weather(3, 40.07, 116.33)
    first = before = int(station.values["rain"] or 0)
    for step in range(1, 21 * 144):  # three weeks of June by ten minutes: a centimetre at least
        seconds = NOON / 1000 + 600 * step
        station.step(Moment(seconds, 600.0, weather.at(seconds)))
        assert int(station.values["rain"] or 0) >= before
        before = int(station.values["rain"] or 0)
    assert before > first + 100
