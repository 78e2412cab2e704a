from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.fire_panel import FirePanel
from sim_devices.world import World

START = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def panel() -> tuple[World, FirePanel]:
    world = World(3, START)
    for number in (2, 1, 3):
        world.add(f"c{number}", "tunnel_climate", Options(circuit=f"t/{number}", section=f"t/{number}"))
    found = world.add("f", "fire_panel", Options(circuit="t", wear=0.0))
    world.begin()
    assert isinstance(found, FirePanel)
    world.advance(START + 1000)
    return world, found


def test_smoke_in_a_compartment_raises_its_zone_which_stays_until_it_is_reset() -> None:
    world, fire = panel()
    assert fire.values["alarm_zones"] == 0
    alarms = fire.alarms
    fire._dusty_s[1] = 3.0  # the second section by name
    world.advance(START + 2000)
    assert (fire.values["alarm_zones"], fire.alarms) == (0b010, alarms + 1)
    world.advance(START + 60_000)
    assert fire.values["alarm_zones"] == 0b010
    fire.write(Table.COIL, 1, [1])
    world.advance(START + 61_000)
    assert fire.values["alarm_zones"] == 0
    assert fire.read(Table.COIL, 1, 1) == [0]
    assert fire.read(Table.INPUT, 2, 1) == [0xFFFF]  # its loops are restarted


def test_a_fire_that_burns_on_comes_back_after_a_reset_and_ends_the_silence() -> None:
    world, fire = panel()
    world.compartments["t/3"].temperature = 400.0
    world.advance(START + 2000)
    assert fire.values["alarm_zones"] == 0b100
    fire.write(Table.COIL, 0, [1])
    world.advance(START + 3000)
    assert int(fire.values["status"] or 0) & 0b100
    fire.write(Table.COIL, 1, [1])
    world.compartments["t/3"].temperature = 400.0
    world.advance(START + 15_000)
    assert fire.values["alarm_zones"] == 0b100
    assert int(fire.values["status"] or 0) & 0b100 == 0


def test_a_broken_loop_is_a_fault_and_sees_no_fire() -> None:
    world, fire = panel()
    fire.fault_s[0] = 100.0
    fire._dusty_s[0] = 50.0
    world.advance(START + 2000)
    assert (fire.values["fault_zones"], fire.values["alarm_zones"]) == (0b001, 0)
