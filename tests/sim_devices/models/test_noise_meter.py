from collections import deque
from datetime import datetime

import pytest

from sim_devices.modbus.registers import Table
from sim_devices.models.base import Options
from sim_devices.models.noise_meter import NoiseMeter, energy_mean
from sim_devices.world import World

NOON = int(datetime.fromisoformat("2026-06-21T12:00:00+08:00").timestamp() * 1000)


def meter() -> tuple[World, NoiseMeter]:
    world = World(3, NOON)
    found = world.add("n", "noise_meter", Options())
    world.begin()
    assert isinstance(found, NoiseMeter)
    found._calibrate_at = NOON / 1000 + 7200.0
    return world, found


def test_levels_are_averaged_by_their_energy() -> None:
    assert energy_mean(deque([60.0, 60.0])) == pytest.approx(60.0)
    assert energy_mean(deque([60.0, 80.0])) == pytest.approx(77.03, abs=0.01)


def test_the_statistics_of_the_minute_are_in_order() -> None:
    world, found = meter()
    for second in range(1, 300):
        world.advance(NOON + 1000 * second)
        lmin, l90, l10, lmax, leq = (float(found.values[name] or 0) for name in ("lmin", "l90", "l10", "lmax", "leq"))
        assert lmin <= l90 <= l10 <= lmax
        assert lmin <= leq <= lmax


def test_a_lower_limit_that_is_written_is_exceeded_and_its_time_counts() -> None:
    world, found = meter()
    before = found.over_ms
    found.write(Table.HOLDING, 0, [40])
    world.advance(NOON + 60_000)
    assert int(found.values["status"] or 0) & 1
    assert found.over_ms - before == 60_000


def test_while_it_checks_itself_it_has_no_level() -> None:
    world, found = meter()
    found._calibrate_at = NOON / 1000 + 10.0
    world.advance(NOON + 12_000)
    assert found.read(Table.INPUT, 0, 6) == [0xFFFF] * 6
    world.advance(NOON + 45_000)
    assert found.values["level"] is not None
