import math
from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.tunnel import Fan, GasHead, SumpPump
from sim_devices.physics.compartment import Compartment
from sim_devices.world import World

START = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def compartment(wear: float = 0.0) -> tuple[World, Compartment, GasHead, SumpPump, Fan]:
    world = World(9, START)
    options = Options(circuit="t/1", section="t/1", wear=wear)
    for model in ("gas_head", "tunnel_climate", "sump_pump", "fan"):
        world.add(model, model, options)
    world.begin()
    gas, pump, fan = (world.devices[name] for name in ("gas_head", "sump_pump", "fan"))
    assert isinstance(gas, GasHead)
    assert isinstance(pump, SumpPump)
    assert isinstance(fan, Fan)
    return world, world.compartments["t/1"], gas, pump, fan


def test_the_sump_fills_and_the_pump_empties_it_between_two_levels() -> None:
    world, air, _, pump, _ = compartment()
    levels, starts, running = [], 0, False
    for second in range(1, 4 * 3600):
        world.advance(START + second * 1000)
        levels.append(air.water_mm)
        starts += bool(pump.values["running"]) and not running
        running = bool(pump.values["running"])
    assert starts >= 2
    assert max(levels) < pump.START_MM + 5
    assert min(levels) > pump.STOP_MM - 10


def test_a_written_start_pumps_below_the_lower_level_but_never_dry() -> None:
    world, air, _, pump, _ = compartment()
    air.water_mm = 300.0
    pump.write(Table.COIL, 0, [1])
    world.advance(START + 5_000)
    assert pump.values["running"] is True
    assert float(pump.values["motor_current"] or 0) > 2.0
    hours = pump.run_ms
    world.advance(START + 400_000)
    assert not pump.start
    assert pump.run_ms > hours
    assert air.water_mm > pump.DRY_MM - 10


def test_gas_starts_the_fan_and_the_fan_clears_the_gas() -> None:
    world, air, gas, _, fan = compartment()
    air.ch4 = 30.0
    world.advance(START + 2_000)
    assert int(gas.values["status"] or 0) & 0b0001
    assert fan.values["start"] is True
    world.advance(START + 30_000)
    assert float(fan.values["speed"] or 0) > 900
    assert float(fan.values["vibration"] or 0) > 0.3
    world.advance(START + 2_400_000)
    assert air.ch4 < 5.0


def test_the_set_point_sets_the_speed() -> None:
    world, _, _, _, fan = compartment()
    fan.write(Table.COIL, 0, [1])
    fan.write(Table.HOLDING, 0, [50])
    world.advance(START + 60_000)
    assert abs(fan.rpm - 725.0) < 5.0
    fan.write(Table.COIL, 0, [0])
    world.advance(START + 180_000)
    assert fan.values["running"] is False


def test_a_calibrating_head_shows_the_largest_float_and_a_broken_sensor_nan() -> None:
    world, _, gas, _, _ = compartment(wear=30.0)
    calibrating = broken = 0
    for second in range(1, int(GasHead.CALIBRATE_EVERY_S), 10):
        world.advance(START + second * 1000)
        status = int(gas.values["status"] or 0)
        if status & 0b1000:
            calibrating += 1
            assert gas.read(Table.HOLDING, 0, 2) == [0xFFFF, 0x7F7F]
        if status & 0b0100:
            broken += 1
            h2s = gas.values["h2s"]
            assert isinstance(h2s, float)
            assert math.isnan(h2s)
    assert calibrating > 2
    assert broken > 0
