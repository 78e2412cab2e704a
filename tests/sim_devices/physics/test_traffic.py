from datetime import datetime
from itertools import pairwise

from sim_devices.physics.traffic import CAPACITY_H, FREE_KM_H, Traffic

MIDNIGHT = datetime.fromisoformat("2026-06-22T00:00:00+08:00").timestamp()


def hourly(traffic: Traffic, hour: float) -> float:
    """The mean flow of an hour, over several days."""
    times = [MIDNIGHT + 86_400 * day + 3600 * hour + 60 * minute for day in range(5) for minute in range(60)]
    return sum(map(traffic.flow, times)) / len(times)


def test_one_lane_is_full_in_the_morning_the_other_in_the_evening_and_both_are_empty_by_night() -> None:
    inbound, outbound = Traffic(4, "in", inbound=True), Traffic(4, "out", inbound=False)
    assert hourly(inbound, 7.5) > 1.15 * hourly(inbound, 17.8)
    assert hourly(outbound, 17.8) > 1.15 * hourly(outbound, 7.5)
    assert max(hourly(lane, 3.0) for lane in (inbound, outbound)) < 0.1 * hourly(inbound, 7.5)


def test_the_denser_and_the_wetter_the_slower() -> None:
    speeds = [Traffic.speed(flow, 0.0) for flow in range(0, 1400, 100)]
    assert all(after < before for before, after in pairwise(speeds))
    assert speeds[0] == FREE_KM_H
    assert Traffic.speed(CAPACITY_H, 5.0) < Traffic.speed(CAPACITY_H, 0.0)


def test_the_share_of_taken_spaces_is_a_share_at_any_hour() -> None:
    shares = [Traffic.parked(MIDNIGHT + 600 * step) for step in range(144)]
    assert min(shares) > 0.2
    assert max(shares) <= 0.95
