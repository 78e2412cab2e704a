from datetime import datetime

from sim_devices.models.base import Options
from sim_devices.registers import Table
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def test_noon_is_brighter_than_midnight_in_the_registers() -> None:
    world = World(1, NOON)
    station = world.add("w", "weather_station", Options())
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
    station = world.add("w", "weather_station", Options())
    world.begin()
    silent = 0
    for second in range(1, 3601):
        world.advance(NOON + second * 1000)
        silent += station.read(Table.INPUT, 10, 2) == [0xFFFF, 0xFFFF]
    assert silent == 20


def test_the_rain_counter_only_rises() -> None:
    world = World(3, NOON)
    station = world.add("w", "weather_station", Options())
    world.begin()
    first = before = int(station.values["rain"] or 0)
    for day in range(1, 22):
        world.advance(NOON + day * 86_400_000)
        assert int(station.values["rain"] or 0) >= before
        before = int(station.values["rain"] or 0)
    assert before > first + 10  # three weeks of June: a centimetre at least
