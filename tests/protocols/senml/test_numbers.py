import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.senml.numbers import MAX_DIGITS, Number, add, from_float, is_number
from tests.protocols.senml.strategies import numbers


@given(numbers, numbers)
@example(Decimal("1.7976931348623157e308"), Decimal("5e-324"))
@example(Decimal("1" * MAX_DIGITS + "e360"), Decimal("-" + "9" * MAX_DIGITS + "e-439"))
def test_no_digit_of_a_sum_is_lost(a: Number, b: Number) -> None:
    assert Fraction(add(a, b)) == Fraction(a) + Fraction(b)


def test_two_integers_add_up_to_an_integer() -> None:
    assert type(add(2**63, 1)) is int


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives_being_a_decimal(value: float) -> None:
    assert float(from_float(value)) == value
    assert is_number(from_float(value))


def test_a_double_stands_for_its_shortest_decimal() -> None:
    assert from_float(120.1) == Decimal("120.1")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_number(value: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        from_float(value)


@pytest.mark.parametrize(
    "value",
    [True, "1", None, 1.5, Decimal("NaN"), Decimal("-Infinity"), 10**MAX_DIGITS, Decimal("1e401"), Decimal("1e-401")],
)
def test_out_of_bounds_is_no_number(value: object) -> None:
    assert not is_number(value)


@pytest.mark.parametrize(
    "value", [0, -1, 2**64, Decimal("0e-999"), Decimal("5e-324"), Decimal("1.7976931348623157e308")]
)
def test_whatever_a_double_can_hold_is_a_number(value: Number) -> None:
    assert is_number(value)
