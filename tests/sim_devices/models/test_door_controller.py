from datetime import datetime

import pytest

from sim_devices.modbus.registers import NotTaken, Table
from sim_devices.models.base import Options
from sim_devices.models.door_controller import DoorController
from sim_devices.world import World

NIGHT = int(datetime.fromisoformat("2026-06-21T03:00:00+08:00").timestamp() * 1000)


def door(section: str = "") -> tuple[World, DoorController]:
    world = World(3, NIGHT)
    found = world.add("d", "door_controller", Options(section=section, wear=0.0))
    world.begin()
    assert isinstance(found, DoorController)
    world.advance(NIGHT + 1000)
    return world, found


def test_a_written_unlock_is_a_pulse_of_the_time_that_is_set() -> None:
    world, controller = door()
    controller.write(Table.HOLDING, 0, [8])
    controller.write(Table.COIL, 0, [1])
    assert controller.read(Table.COIL, 0, 1) == [1]
    world.advance(NIGHT + 6000)
    assert (controller.values["unlock"], controller.values["locked"]) == (True, False)
    world.advance(NIGHT + 10_000)
    assert controller.values["unlock"] is False
    world.advance(NIGHT + 60_000)
    assert controller.values["locked"] is True


def test_a_door_that_stands_open_is_told_after_a_minute_and_airs_its_compartment() -> None:
    world, controller = door("t/1")
    controller._open_s = 100.0
    world.advance(NIGHT + 30_000)
    assert int(controller.values["status"] or 0) & 0b10 == 0
    world.advance(NIGHT + 90_000)
    assert int(controller.values["status"] or 0) & 0b10
    controller._open_s = 0.5
    world.advance(NIGHT + 92_000)
    assert world.compartments["t/1"].open_doors == 0


def test_an_unlocking_time_out_of_range_is_refused() -> None:
    with pytest.raises(NotTaken):
        door()[1].write(Table.HOLDING, 0, [0])
