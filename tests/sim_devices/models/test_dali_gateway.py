from datetime import datetime

import pytest

from sim_devices.modbus.registers import NotTaken, Table
from sim_devices.models.base import Options
from sim_devices.models.dali_gateway import MASK, DaliGateway, fade_s, level_for, light
from sim_devices.world import World

EVENING = int(datetime.fromisoformat("2026-06-21T21:00:00+08:00").timestamp() * 1000)


def gateway(wear: float = 0.0) -> tuple[World, DaliGateway]:
    world = World(7, EVENING)
    found = world.add("d", "dali_gateway", Options(circuit="s/d", wear=wear))
    world.begin()
    world.advance(EVENING + 20_000)
    assert isinstance(found, DaliGateway)
    return world, found


def test_levels_lie_on_the_standards_curve() -> None:
    # IEC 62386-102: 254 is all, 229 half, 170 a tenth, 1 a thousandth of the light.
    assert [round(light(level), 1) for level in (254, 229, 170, 85, 1)] == [100.0, 50.5, 10.1, 1.0, 0.1]
    assert all(level_for(light(level)) == level for level in range(1, 255))
    assert level_for(0.0) == 0
    assert [round(fade_s(code), 1) for code in (0, 1, 2, 15)] == [0.0, 0.7, 1.0, 90.5]


def test_a_written_level_is_reached_in_the_fade_time_and_half_of_it_half_way() -> None:
    world, dali = gateway()
    assert dali.values["group_2_actual"] == 254
    power = dali.load_w
    dali.write(Table.HOLDING, 4, [9])  # 11.3 s
    dali.write(Table.HOLDING, 1, [54])
    world.advance(EVENING + 26_000)
    assert 130 < int(dali.values["group_2_actual"] or 0) < 170
    assert int(dali.values["status"] or 0) & 0b010
    world.advance(EVENING + 33_000)
    assert dali.values["group_2_actual"] == 54
    assert dali.values["group_1_actual"] == 254
    assert int(dali.values["status"] or 0) & 0b010 == 0
    assert dali.load_w < 0.8 * power


def test_mask_is_no_level_that_can_be_written() -> None:
    _, dali = gateway()
    with pytest.raises(NotTaken):
        dali.write(Table.HOLDING, 0, [MASK])
    with pytest.raises(NotTaken):
        dali.write(Table.HOLDING, 4, [16])


def test_without_bus_power_all_lamps_burn_and_nobody_answers() -> None:
    world, dali = gateway()
    dali.write(Table.HOLDING, 0, [0])
    world.advance(EVENING + 40_000)
    dark = dali.load_w
    dali._mute_s = 100.0
    world.advance(EVENING + 60_000)
    assert dali.read(Table.INPUT, 0, 4) == [MASK] * 4
    assert int(dali.values["status"] or 0) & 0b001
    assert dali.load_w > dark + 100.0


def test_a_lamp_that_fails_burns_no_more_and_has_its_bit() -> None:
    world, dali = gateway()
    before = dali.load_w
    dali.failures = 0b100_0000
    world.advance(EVENING + 30_000)
    assert dali.values["failures"] == 0b100_0000
    assert before - dali.load_w == pytest.approx(45.0, abs=1.0)
