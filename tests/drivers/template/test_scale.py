from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.template.scale import Scale


@pytest.mark.parametrize(
    ("factor", "scale"),
    [("1", (1, 0)), ("0.1", (1, -1)), ("0.005", (5, -3)), ("20", (2, 1)), ("1.250", (125, -2)), ("0.10", (1, -1))],
)
def test_a_scale_is_an_integer_and_a_power_of_ten(factor: str, scale: tuple[int, int]) -> None:
    assert Scale.of(Decimal(factor)) == scale


@pytest.mark.parametrize("factor", ["0", "-0.1", "NaN", "Infinity"])
def test_a_scale_is_positive_and_finite(factor: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        Scale.of(Decimal(factor))


@given(st.integers(-(2**63), 2**64), st.integers(1, 9999), st.integers(-9, 9))
def test_a_value_goes_back_to_the_number_it_came_from(raw: int, mantissa: int, exponent: int) -> None:
    scale = Scale(mantissa, exponent)
    value = Decimal(f"{raw * mantissa}E{exponent}")
    assert scale.to_raw(value) == raw
    if mantissa > 1:
        with pytest.raises(ValueError, match="is no multiple of"):
            scale.to_raw(Decimal(f"{raw * mantissa + 1}E{exponent}"))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+999999", "1E-999999"])
def test_a_value_that_no_register_holds_is_refused_without_effort(value: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|out of any range"):
        Scale(1, 0).to_raw(Decimal(value))
