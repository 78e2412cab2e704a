"""Numbers of SenML: integers stay integers, all others are decimals; sums are exact."""

import math
from decimal import Context, Decimal, Inexact, Overflow
from typing import TypeAlias

Number: TypeAlias = int | Decimal

# A double must be understood (RFC 8428, 5): magnitudes from 5e-324 to 1.8e308. The mantissa "SHOULD be less than 19
# characters long"; a double's shortest decimal has 17 digits, an unsigned 64-bit counter 20.
MAX_DIGITS = 40
MAX_EXPONENT = 400
# Room for every sum of two numbers in those bounds: nothing is ever rounded.
_EXACT = Context(prec=2 * (MAX_DIGITS + MAX_EXPONENT) + 1, Emax=10**6, Emin=-(10**6), traps=[Inexact, Overflow])


def is_number(value: object) -> bool:
    """Whether `value` is an integer (true and false are none) or decimal within the bounds."""
    if isinstance(value, Decimal):
        return (
            value.is_finite()
            and len(value.as_tuple().digits) <= MAX_DIGITS
            and (value.is_zero() or abs(value.adjusted()) <= MAX_EXPONENT)
        )
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS


def add(a: Number, b: Number) -> Number:
    """The exact sum; an integer where both are."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return _EXACT.add(Decimal(a), Decimal(b))


def from_float(value: float) -> Decimal:
    """The shortest decimal that stands for this double. Raises ValueError for infinities and NaN."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of SenML")
    return Decimal(repr(value))
