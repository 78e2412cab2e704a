from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim_devices.physics import sun

PLACE = (39.9042, 116.4074)  # Beijing, as almanacs have it


def seconds(text: str) -> float:
    return datetime.fromisoformat(text + "+08:00").timestamp()


@pytest.mark.parametrize(
    ("moment", "degrees"),
    [
        # Sunrise and sunset as published for Beijing: the upper limb at the horizon, refracted: -0.83 degrees.
        ("2024-06-21T04:46:00", -0.83),
        ("2024-06-21T19:46:00", -0.83),
        ("2024-12-21T07:33:00", -0.83),
        ("2024-12-21T16:53:00", -0.83),
        # Noon heights: 90 - latitude +- 23.44.
        ("2024-06-21T12:16:00", 73.5),
        ("2024-12-21T12:12:00", 26.7),
    ],
)
def test_the_sun_stands_where_almanacs_have_it(moment: str, degrees: float) -> None:
    assert sun.elevation(seconds(moment), *PLACE) == pytest.approx(degrees, abs=0.25)


@given(st.floats(-90, 89), st.floats(0, 1))
@example(-18.0, 1.0)
@example(-1.0, 0.5)
def test_it_is_never_darker_with_a_higher_sun(degrees: float, cloud: float) -> None:
    assert sun.illuminance(degrees + 1.0, cloud) >= sun.illuminance(degrees, cloud) * 0.999


def test_daylight_moonless_night_and_cloud_are_of_the_known_order() -> None:
    assert 95_000 < sun.illuminance(73.0, 0.0) < 140_000
    assert 8_000 < sun.illuminance(45.0, 1.0) < 20_000
    assert sun.illuminance(-30.0, 0.0) < 0.01
    assert 300 < sun.illuminance(-0.8, 0.0) < 700


@given(st.sampled_from([-18.0, -12.0, -6.0, -3.0, 0.0]), st.floats(0, 1))
def test_there_is_no_step_where_night_twilight_and_day_meet(degrees: float, cloud: float) -> None:
    assert sun.illuminance(degrees, cloud) == pytest.approx(sun.illuminance(degrees - 1e-6, cloud), rel=1e-3)
