import itertools
import statistics

from hypothesis import given
from hypothesis import strategies as st

from sim_devices.physics.noise import Curve


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_a_curve_says_the_same_in_whatever_order_it_is_asked(moments: list[float]) -> None:
    forth, back = Curve(7, "a", 60.0), Curve(7, "a", 60.0)
    there = {moment: forth.at(moment) for moment in moments}
    assert {moment: back.at(moment) for moment in reversed(moments)} == there


def test_curves_of_other_names_and_seeds_are_other_curves() -> None:
    values = {Curve(seed, name, 60.0).at(1000.0) for seed in (1, 2) for name in ("a", "b")}
    assert len(values) == 4


def test_a_curve_is_level_about_zero_and_never_jumps() -> None:
    curve = Curve(1, "level", 60.0)
    values = [curve.at(second) for second in range(0, 200_000, 5)]
    assert abs(statistics.fmean(values)) < 0.1
    assert 0.8 < statistics.stdev(values) < 1.2
    assert max(abs(a - b) for a, b in itertools.pairwise(values)) < 1.5  # of a twelfth of a period
    assert all(-6 < value < 6 for value in values)
