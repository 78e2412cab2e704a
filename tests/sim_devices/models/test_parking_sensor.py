import math
from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.parking_sensor import EARTH_UT, OCCUPIED, ParkingSensor
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def test_a_car_bends_the_field_is_counted_once_and_its_minutes_add_up() -> None:
    world = World(3, NOON)
    space = world.add("p", "parking_sensor", Options(wear=0.0))
    world.begin()
    assert isinstance(space, ParkingSensor)
    arrivals, minutes = space.arrivals, space.occupied_ms
    bent: list[float] = []
    straight: list[float] = []
    taken_s = came = 0
    before = False
    for second in range(1, 4 * 3600):
        world.advance(NOON + 1000 * second)
        taken_s += before
        came += space.car is not None and not before
        before = space.car is not None
        if second > 60 and not space.moving_s:
            off = math.dist([float(space.values[f"field_{axis}"] or 0) for axis in "xyz"], EARTH_UT)
            (bent if space.values["occupancy"] == OCCUPIED else straight).append(off)
    assert came > 2
    assert space.arrivals - arrivals == came
    assert abs((space.occupied_ms - minutes) / 1000 - taken_s) <= came
    assert sum(bent) / len(bent) > sum(straight) / len(straight) + 5.0


def test_it_has_no_field_until_it_knows_its_surroundings_and_counts_in_sixteen_bits() -> None:
    world = World(3, NOON)
    space = world.add("p", "parking_sensor", Options(wear=0.0))
    world.begin()
    assert isinstance(space, ParkingSensor)
    assert space.read(Table.INPUT, 1, 3) == [0x8000] * 3
    assert int(space.values["status"] or 0) & 0b100
    space.arrivals = 65_537
    world.advance(NOON + 30_000)
    assert space.values["arrivals"] == space.arrivals - 65_536
    assert space.values["field_x"] is not None
