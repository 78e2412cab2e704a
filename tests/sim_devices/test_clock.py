import time

import pytest

from sim_devices.clock import Clock


def test_undistorted_time_is_the_wall_clocks() -> None:
    now = Clock().now()
    assert now.sim_ms == now.wall_ms
    assert abs(now.wall_ms - time.time() * 1000) < 1000


def test_accelerated_time_runs_from_its_start_by_its_factor() -> None:
    clock = Clock(1_000_000, 1000.0)
    first = clock.now()
    while clock.now().monotonic - first.monotonic < 0.02:
        continue
    later = clock.now()
    expected = 1000.0 * 1000.0 * (later.monotonic - first.monotonic)
    assert first.sim_ms >= 1_000_000
    assert later.sim_ms - first.sim_ms == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_never_stands_or_runs_back(speed: float) -> None:
    with pytest.raises(ValueError, match="time cannot run"):
        Clock(None, speed)
