import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_devices.modbus.device import RegisterDevice
from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.catalog import BUILTIN
from sim_devices.world import MAX_STEPS, World
from tests.sim_devices.slaves import slave

START = 1_782_041_400_000


def block(seed: int = 1) -> World:
    world = World(seed, START)
    for model in BUILTIN:
        world.add(model, model, Options(circuit="s/1", section="t/1"))
    world.begin()
    return world


def image(world: World) -> dict[str, list[int] | str]:
    """All registers of all devices, and the values of those that have none."""
    found: dict[str, list[int] | str] = {}
    for code, device in world.devices.items():
        if not isinstance(device, RegisterDevice):
            found[code] = repr(device.values)
            continue
        for table in Table:
            ends = [field.address + field.length for field in device.LAYOUT.fields if field.table is table]
            if ends:
                found[f"{code}/{table}"] = device.LAYOUT.read(table, 0, max(ends), device.values)
    return found


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=12))
def test_the_same_seed_gives_the_same_registers_however_time_is_cut(steps: list[int]) -> None:
    straight, cut = block(), block()
    now = START
    for step in steps:
        now += step
        cut.advance(now)
        slave(cut.devices["meter_1p"]).read(Table.INPUT, 0, 7)  # reading moves nothing
    straight.advance(now)
    assert image(cut) == image(straight)


def test_another_seed_gives_another_world() -> None:
    one, other = block(1), block(2)
    for world in (one, other):
        world.advance(START + 60_000)
    assert image(one) != image(other)


def test_time_never_goes_back() -> None:
    world = block()
    world.advance(START + 60_000)
    before = image(world)
    world.advance(START)
    assert image(world) == before


def test_a_snapshot_goes_on_where_it_was_taken_and_no_counter_falls() -> None:
    world = block()
    world.advance(START + 3_600_000)
    kept = json.loads(json.dumps(world.snapshot()))
    again = World(1, START)
    for model in BUILTIN:
        again.add(model, model, Options(circuit="s/1", section="t/1"))
    again.restore(kept)
    again.begin()
    assert again.now_ms == world.now_ms
    assert again.compartments["t/1"].water_mm == world.compartments["t/1"].water_mm
    for code, counter in (
        ("meter_1p", "energy"), ("meter_3p", "energy_import"), ("lamp_controller", "burning_hours"),
        ("sump_pump", "run_hours"), ("weather_station", "rain"), ("access_point", "open_count"),
    ):  # fmt: skip
        assert float(again.devices[code].values[counter] or 0) >= float(world.devices[code].values[counter] or 0)


def test_a_long_absence_is_walked_in_longer_steps() -> None:
    world = block()
    month = 30 * 86_400_000
    energy = int(world.devices["meter_1p"].values["energy"] or 0)
    world.advance(START + month)
    assert START + month - 1000 * (month // 1000 // MAX_STEPS) < world.now_ms <= START + month
    used_kwh = (int(world.devices["meter_1p"].values["energy"] or 0) - energy) / 100
    assert 1000 < used_kwh < 4000  # lamps, motors, a UPS and a charging post for a month


def test_a_code_stands_once() -> None:
    world = block()
    with pytest.raises(ValueError, match="there already"):
        world.add("fan", "fan", Options(section="t/1"))
