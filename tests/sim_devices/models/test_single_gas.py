from datetime import datetime

import pytest

from sim_devices.modbus.registers import NotTaken, Table
from sim_devices.models.base import Options
from sim_devices.models.single_gas import MEASURING, WARMING, SingleGas
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def head() -> tuple[World, SingleGas]:
    world = World(3, NOON)
    found = world.add("g", "single_gas", Options(section="t/1", wear=0.0))
    world.begin()
    assert isinstance(found, SingleGas)
    found._test_at = NOON / 1000 + 1800.0  # out of the way
    return world, found


def test_it_warms_up_without_a_value_and_then_shows_the_air_of_its_compartment() -> None:
    world, found = head()
    assert int(found.values["status"] or 0) >> 8 == WARMING
    assert found.read(Table.INPUT, 0, 2) == [0xFFFF, 0xFFFF]
    world.compartments["t/1"].ch4 = 10.0
    world.advance(NOON + 40_000)
    assert int(found.values["status"] or 0) >> 8 == MEASURING
    assert float(found.values["ch4"] or 0) == pytest.approx(500.0 * world.compartments["t/1"].ch4, abs=80.0)


def test_a_written_threshold_decides_the_alarm_and_each_alarm_counts_once() -> None:
    world, found = head()
    world.advance(NOON + 40_000)
    alarms = found.alarms
    world.compartments["t/1"].ch4 = 10.0
    world.advance(NOON + 45_000)
    assert (int(found.values["status"] or 0) & 1, found.alarms) == (0, alarms)
    found.write(Table.HOLDING, 0, [2000])
    world.advance(NOON + 60_000)
    assert (int(found.values["status"] or 0) & 1, found.alarms) == (1, alarms + 1)
    with pytest.raises(NotTaken):
        found.write(Table.HOLDING, 0, [10])


def test_a_blocked_path_means_no_value_and_no_alarm() -> None:
    world, found = head()
    world.advance(NOON + 40_000)
    world.compartments["t/1"].ch4 = 60.0
    found.blocked_s = 10.0
    world.advance(NOON + 42_000)
    assert found.values["ch4"] is None
    assert int(found.values["status"] or 0) & 0b111 == 0b100
    assert float(found.values["light"] or 0) < 10.0
