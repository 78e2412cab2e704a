import statistics
from datetime import datetime

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.pole import LampController, SinglePhaseMeter, ThreePhaseMeter
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)
EVENING = int(datetime.fromisoformat("2026-06-21T21:00:00+08:00").timestamp() * 1000)
HOUR = 3_600_000


def street(start_ms: int, wear: float = 0.0) -> tuple[World, LampController, SinglePhaseMeter, ThreePhaseMeter]:
    world = World(5, start_ms)
    lamp = world.add("lamp", "lamp_controller", Options(circuit="s/1", wear=wear))
    meter = world.add("meter", "meter_1p", Options(circuit="s/1", base_w=10.0))
    feeder = world.add("feeder", "meter_3p", Options(circuit="s"))
    world.begin()
    assert isinstance(lamp, LampController)
    assert isinstance(meter, SinglePhaseMeter)
    assert isinstance(feeder, ThreePhaseMeter)
    return world, lamp, meter, feeder


def test_lamps_burn_at_night_and_not_at_noon() -> None:
    world, lamp, _, _ = street(NOON)
    assert (lamp.values["relay"], lamp.values["dim_level"]) == (False, 0)
    world.advance(NOON + 9 * HOUR)
    assert (lamp.values["relay"], lamp.values["dim_level"]) == (True, 100)
    world.advance(NOON + 12 * HOUR)  # midnight: the plan saves
    assert lamp.values["dim_level"] == 60
    world.advance(NOON + 23 * HOUR)
    assert lamp.values["relay"] is False


def test_a_written_set_point_dims_by_a_ramp_and_takes_the_power_down() -> None:
    world, lamp, meter, _ = street(EVENING)
    world.advance(EVENING + 60_000)
    before = lamp.load_w
    lamp.write(Table.HOLDING, 0, [30])
    world.advance(EVENING + 62_000)
    assert 30 < lamp.level < 100
    world.advance(EVENING + 90_000)
    assert lamp.values["dim_level"] == 30
    assert lamp.load_w < 0.5 * before
    assert float(meter.values["power"] or 0) < 0.6 * before + 20
    # It holds until the plan next changes, at 23:00.
    world.advance(EVENING + HOUR)
    assert lamp.values["dim_setpoint"] == 30
    world.advance(EVENING + 3 * HOUR)
    assert lamp.values["dim_setpoint"] == 60


def test_the_relay_switches_at_once() -> None:
    world, lamp, _, _ = street(EVENING)
    world.advance(EVENING + 60_000)
    lamp.write(Table.COIL, 0, [0])
    world.advance(EVENING + 61_000)
    assert lamp.values["dim_level"] == 0
    assert lamp.load_w < 2.0


def test_energy_is_the_integral_of_the_power_shown_and_never_falls() -> None:
    for start in (NOON, EVENING):
        world, lamp, meter, _ = street(start)
        before, summed_dw_ms = meter.energy_dw_ms, 0
        shown = int(meter.values["energy"] or 0)
        for second in range(1, 1200):
            held = meter.read(Table.INPUT, 3, 2)
            summed_dw_ms += (held[0] << 16 | held[1]) * 1000
            if second == 600:
                lamp.write(Table.HOLDING, 0, [50])
            world.advance(start + second * 1000)
            assert int(meter.values["energy"] or 0) >= shown
            shown = int(meter.values["energy"] or 0)
        assert meter.energy_dw_ms - before == summed_dw_ms
        assert shown == meter.energy_dw_ms // meter.COUNT_DW_MS


def test_the_feeder_carries_every_pole_and_the_street() -> None:
    world, lamp, meter, feeder = street(EVENING)
    world.advance(EVENING + 60_000)
    assert float(feeder.values["power"] or 0) * 1000 > lamp.load_w + meter.load_w
    lit = float(feeder.values["power"] or 0)
    lamp.write(Table.COIL, 0, [0])
    world.advance(EVENING + 70_000)
    assert lit - float(feeder.values["power"] or 0) > 0.04


def test_every_request_that_touches_it_raises_the_poll_count_by_one_and_no_other_does() -> None:
    _, _, meter, _ = street(NOON)

    def count() -> int:
        words = meter.read(Table.INPUT, 14, 2)
        return words[0] << 16 | words[1]

    assert [count(), count()] == [1, 2]
    meter.read(Table.INPUT, 0, 14)
    meter.read(Table.INPUT, 0, 16)
    assert count() == 4


def test_after_a_restart_no_poll_count_is_given_twice_and_energy_has_not_fallen() -> None:
    world, _, meter, _ = street(EVENING)
    world.advance(EVENING + 60_000)
    kept = world.snapshot()
    for _ in range(5):
        meter.read(Table.INPUT, 14, 2)
    world.advance(EVENING + 62_000)
    again = World(5, EVENING)
    for code, model, circuit in (("lamp", "lamp_controller", "s/1"), ("meter", "meter_1p", "s/1")):
        again.add(code, model, Options(circuit=circuit))
    again.restore(kept)
    again.begin()
    other = again.devices["meter"]
    assert isinstance(other, SinglePhaseMeter)
    assert other.poll_count > meter.poll_count
    again.advance(EVENING + 63_000)
    assert other.energy_dw_ms // meter.COUNT_DW_MS >= meter.energy_dw_ms // meter.COUNT_DW_MS


def test_there_are_spikes_for_filters_to_remove_and_they_are_rare() -> None:
    world, _, meter, _ = street(NOON)
    volts = []
    for second in range(1, 3000):
        world.advance(NOON + second * 1000)
        volts.append(float(meter.values["voltage"] or 0))
    middle = statistics.median(volts)
    spikes = [value for value in volts if abs(value - middle) > 20]
    assert 2 < len(spikes) < 40


def test_a_worn_lamp_fails_now_and_then_and_says_so() -> None:
    world, lamp, _, _ = street(EVENING, wear=100.0)
    dark = False
    for minute in range(1, 90):
        world.advance(EVENING + minute * 60_000)
        if int(lamp.values["status"] or 0) & 2:
            dark = True
            assert lamp.values["dim_level"] == 0
    assert dark
