import math
from datetime import datetime

from sim_devices.models.base import Options
from sim_devices.models.power_analyser import COUNT_DW_MS, ROLLOVER, TARIFFS, PowerAnalyser, tariff
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)
EVENING = int(datetime.fromisoformat("2026-06-21T19:00:00+08:00").timestamp() * 1000)
HOUR = 3_600_000


def feeder(
    start_ms: int, *, rated_w: float = 0.0, base_w: float = 0.0, counter: int | None = None
) -> tuple[World, PowerAnalyser]:
    world = World(5, start_ms)
    for number in range(1, 4):
        world.add(f"lamp-{number}", "lamp_controller", Options(circuit=f"s/{number}", phase=number - 1))
    analyser = world.add("a", "power_analyser", Options(circuit="s", rated_w=rated_w, base_w=base_w, counter=counter))
    world.begin()
    assert isinstance(analyser, PowerAnalyser)
    return world, analyser


def test_energy_goes_to_the_tariff_of_the_hour_and_is_the_sum_of_the_power_shown() -> None:
    world, analyser = feeder(EVENING)
    before = dict(analyser.imported)
    counted = 0
    for second in range(1, 600):
        counted += round(10_000 * float(analyser.values["power"] or 0)) * 1000
        world.advance(EVENING + 1000 * second)
    assert analyser.imported["sharp"] - before["sharp"] == counted
    assert [analyser.imported[name] for name in TARIFFS[1:]] == [before[name] for name in TARIFFS[1:]]
    assert tariff(19.0) == "sharp"
    assert {tariff(hour) for hour in range(24)} == set(TARIFFS)


def test_a_bright_noon_feeds_in_and_nothing_is_imported_meanwhile() -> None:
    world, analyser = feeder(NOON, rated_w=30_000.0)
    world.advance(NOON + 60_000)
    assert float(analyser.values["power"] or 0) < 0
    assert int(analyser.values["status"] or 0) & 0b1000
    imported = sum(analyser.imported.values())
    world.advance(NOON + 600_000)
    assert sum(analyser.imported.values()) == imported
    assert int(analyser.values["energy_export"] or 0) > 0


def test_the_register_rolls_over_after_eight_digits_and_loses_no_count() -> None:
    world, analyser = feeder(EVENING, counter=ROLLOVER - 3)
    assert analyser.values["energy_import"] == ROLLOVER - 3
    world.advance(EVENING + HOUR)
    total = sum(analyser.imported.values()) // COUNT_DW_MS
    assert total > ROLLOVER
    assert analyser.values["energy_import"] == total - ROLLOVER


def test_the_harmonics_make_up_the_distortion() -> None:
    world, analyser = feeder(EVENING)
    world.advance(EVENING + 60_000)
    values = {name: float(value or 0) for name, value in analyser.values.items()}
    for phase in "abc":
        whole = math.hypot(*(values[f"harmonic_{order}_{phase}"] for order in (3, 5, 7)))
        assert abs(whole - values[f"thd_current_{phase}"]) < 0.02 * whole


def test_without_current_there_is_no_power_factor_and_no_distortion() -> None:
    world, analyser = feeder(NOON, base_w=0.001)
    for number in range(1, 4):
        world.devices[f"lamp-{number}"].load_w = 0.0
    analyser.loads = ()
    world.advance(NOON + 1000)
    assert analyser.values["power_factor"] is None
    assert analyser.values["thd_current_a"] is None
