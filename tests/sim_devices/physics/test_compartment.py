import pytest

from sim_devices.physics.compartment import SUMP_FULL_MM, SUMP_M2, Compartment


def compartment(seep: float = 2.0, inflow: float = 1.0) -> Compartment:
    return Compartment().bind(1, "t/1", seep, inflow)


def walk(air: Compartment, seconds: int, dt: float = 1.0) -> None:
    for step in range(int(seconds / dt)):
        air.step(step * dt, dt, 20.0, 50.0, 0.0)


def test_methane_gathers_without_air_and_a_fan_clears_it_in_minutes() -> None:
    air = compartment()
    air.ch4 = 15.0
    walk(air, 300)
    assert air.ch4 > 13.0
    air.airflow = 1.0
    walk(air, 1200)
    assert air.ch4 < 3.0


def test_oxygen_comes_back_with_fresh_air_but_never_beyond_it() -> None:
    air = compartment()
    air.o2, air.airflow = 18.0, 1.0
    walk(air, 3600)
    assert 20.7 < air.o2 <= 20.9


def test_water_rises_by_what_flows_in_and_falls_by_what_is_pumped() -> None:
    air = compartment(inflow=0.0)
    air.water_mm, air.pumping = 500.0, 2.0
    walk(air, 60)
    assert air.water_mm == pytest.approx(500.0 - 60 * 2.0 / SUMP_M2)
    air.pumping = 100.0
    walk(air, 60)
    assert air.water_mm == 0.0
    flooded = compartment(inflow=1000.0)
    walk(flooded, 600)
    assert flooded.water_mm == SUMP_FULL_MM


def test_long_steps_lead_to_the_same_air_as_short_ones() -> None:
    """The mixing is solved, not approximated: a step of a minute is as good as sixty of a second."""
    coarse, fine = compartment(), compartment()
    coarse.airflow = fine.airflow = 0.5
    walk(coarse, 3600, 60.0)
    walk(fine, 3600, 1.0)
    assert coarse.o2 == pytest.approx(fine.o2, abs=0.01)
    assert coarse.temperature == pytest.approx(fine.temperature, abs=0.3)
    assert coarse.ch4 == pytest.approx(fine.ch4, rel=0.1, abs=0.05)
