from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Moment, Options
from sim_devices.models.manhole_monitor import ManholeMonitor
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def shaft() -> tuple[World, ManholeMonitor]:
    world = World(3, NOON)
    found = world.add("m", "manhole_monitor", Options())
    world.begin()
    assert isinstance(found, ManholeMonitor)
    return world, found


def test_an_open_cover_lies_aslant_airs_the_shaft_and_hides_the_water() -> None:
    world, found = shaft()
    found.gas_lel, found.open_s = 30.0, 900.0
    world.advance(NOON + 600_000)
    assert float(found.values["tilt"] or 0) > 40.0
    assert found.read(Table.INPUT, 1, 1) == [0xFFFF]
    assert int(found.values["status"] or 0) & 1
    assert found.gas_lel < 1.0


def test_a_cloudburst_floods_it_and_drowns_the_gas_sensor() -> None:
    world, found = shaft()
    sky = world._weather.at(NOON / 1000)._replace(rain=70.0)
    for second in range(3600):
        found.open_s = 0.0
        found.step(Moment(NOON / 1000 + second, 1.0, sky))
    assert int(found.values["status"] or 0) & 0b010
    assert found.values["ch4"] is None


def test_the_gas_is_measured_once_a_minute_while_it_warms_up_there_is_no_value() -> None:
    world, found = shaft()
    blind = 0
    for second in range(1, 601):
        world.advance(NOON + 1000 * second)
        blind += found.values["ch4"] is None
    assert blind == 30
