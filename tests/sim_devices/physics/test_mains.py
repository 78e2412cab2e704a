import math

import pytest

from sim_devices.physics.mains import Mains, current, reactive


def test_voltage_and_frequency_stay_within_what_the_grid_code_allows() -> None:
    mains = Mains(1, "street")
    for second in range(0, 7 * 86400, 601):
        for phase in range(3):
            assert 198.0 < mains.voltage(second, phase) < 235.4  # GB/T 12325: 220 V, +7 %, -10 %
        assert 49.8 < mains.frequency(second) < 50.2  # GB/T 15945


def test_the_evening_peak_pulls_the_voltage_down() -> None:
    mains = Mains(1, "street")
    midnight_utc = 86400 * 20_000

    def mean(hour_local: float) -> float:
        return sum(mains.voltage(midnight_utc + day * 86400 + (hour_local - 8) * 3600, 0) for day in range(30)) / 30

    assert mean(19.5) < mean(3.5) - 3.0


def test_current_and_reactive_power_belong_to_the_active_power() -> None:
    assert current(220.0, 220.0, 1.0) == 1.0
    assert current(100.0, 0.0, 1.0) == 0.0
    assert reactive(3.0, 0.6) == pytest.approx(4.0)
    assert math.hypot(3.0, reactive(3.0, 0.8)) == pytest.approx(3.0 / 0.8)
