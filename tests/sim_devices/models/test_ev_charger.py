from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.ev_charger import AVAILABLE, CHARGING, CONNECTED, COUNT_DW_MS, PAUSED, EvCharger
from sim_devices.world import World

EVENING = int(datetime.fromisoformat("2026-06-21T19:00:00+08:00").timestamp() * 1000)


def post(wants_wh: float = 20_000.0) -> tuple[World, EvCharger]:
    world = World(3, EVENING)
    found = world.add("e", "ev_charger", Options(circuit="s/e", wear=0.0))
    assert isinstance(found, EvCharger)
    found.plugged, found.wants_wh, found.stays_s = True, wants_wh, 36_000.0
    world.begin()
    world.advance(EVENING + 5_000)
    return world, found


def test_a_lower_limit_takes_the_power_down_and_below_six_amperes_it_pauses() -> None:
    world, charger = post()
    assert charger.values["state"] == CHARGING
    full = charger.load_w
    charger.write(Table.HOLDING, 16, [16])
    world.advance(EVENING + 7_000)
    assert 0.45 < charger.load_w / full < 0.55
    charger.write(Table.HOLDING, 16, [5])
    world.advance(EVENING + 9_000)
    assert (charger.values["state"], charger.values["power"]) == (PAUSED, 0)


def test_the_meter_counts_exactly_the_power_it_showed() -> None:
    world, charger = post()
    before, counted = charger.energy_dw_ms, 0
    for second in range(6, 300):
        counted += 10 * int(charger.values["power"] or 0) * 1000
        world.advance(EVENING + 1000 * second)
    assert charger.energy_dw_ms - before == counted
    assert charger.values["energy"] == charger.energy_dw_ms // COUNT_DW_MS


def test_a_full_car_stays_plugged_draws_nothing_and_its_session_ends_when_it_leaves() -> None:
    world, charger = post(wants_wh=50.0)
    world.advance(EVENING + 300_000)
    assert charger.values["state"] == CONNECTED
    assert 45 < 1000 * float(charger.values["session_energy"] or 0) < 65
    charger.stays_s = 0.0
    world.advance(EVENING + 302_000)
    assert charger.values["state"] == AVAILABLE
    assert charger.read(Table.HOLDING, 4, 2) == [0xFFFF, 0xFFFF]


def test_the_last_of_it_goes_in_ever_more_slowly() -> None:
    _, eager = post()
    _, nearly_full = post(wants_wh=600.0)
    assert nearly_full.load_w < 0.4 * eager.load_w
