from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.battery_ups import OFF, ON_BATTERY, ON_LINE, BatteryUps
from sim_devices.world import World

START = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def supply() -> tuple[World, BatteryUps]:
    world = World(3, START)
    found = world.add("u", "battery_ups", Options(circuit="t/ups", wear=0.0))
    assert isinstance(found, BatteryUps)
    world.begin()
    found._test_at = START / 1000 + 7200.0  # out of the way
    world.advance(START + 1000)
    return world, found


def mode(ups: BatteryUps) -> int:
    return int(ups.values["status"] or 0) & 0b11


def test_a_failure_of_the_mains_moves_the_load_to_the_battery_and_back() -> None:
    world, ups = supply()
    assert (mode(ups), ups.read(Table.INPUT, 7, 1)) == (ON_LINE, [0xFFFF])
    transfers, drawn = ups.transfers, ups.load_w
    ups.out_s = 600.0
    world.advance(START + 300_000)
    assert (mode(ups), ups.load_w, ups.values["input_voltage"]) == (ON_BATTERY, 0.0, 0.0)
    assert float(ups.values["battery_current"] or 0) < -5.0
    assert float(ups.values["runtime"] or 0) > 30.0
    held = float(ups.values["charge"] or 0)
    assert held < 99.0
    world.advance(START + 1_200_000)
    assert (mode(ups), ups.transfers) == (ON_LINE, transfers + 1)
    assert ups.load_w > drawn  # it charges as well
    assert float(ups.values["charge"] or 0) > held - 6.0


def test_an_empty_battery_ends_it_and_the_output_with_it() -> None:
    world, ups = supply()
    ups.out_s, ups.charge_wh = 3600.0, 20.0
    world.advance(START + 1_800_000)
    assert (mode(ups), ups.values["output_power"], ups.values["output_voltage"]) == (OFF, 0.0, 0.0)
    assert int(ups.values["status"] or 0) & 0b100
