"""What a count is worth: an exact decimal factor."""

from decimal import Decimal
from typing import NamedTuple


class Scale(NamedTuple):
    """A decimal factor, mantissa * 10**exponent, with the shortest mantissa: 0.05 is (5, -2), 20 is (2, 1)."""

    mantissa: int
    exponent: int

    @classmethod
    def of(cls, factor: Decimal) -> "Scale":
        """Raises ValueError unless `factor` is a finite positive number."""
        sign, digits, exponent = factor.normalize().as_tuple()
        if sign or not isinstance(exponent, int) or not factor:
            raise ValueError("a scale is a positive decimal number")
        return cls(int("".join(map(str, digits))), exponent)

    def to_raw(self, value: Decimal) -> int:
        """The register's number for `value`. Raises ValueError when there is none that means exactly this."""
        sign, digits, exponent = value.as_tuple()
        if isinstance(exponent, str):
            raise ValueError(f"{value} is no number")  # noqa: TRY004 - the type is fine, the value is NaN
        # In integers, for Decimal rounds to its context.
        numerator = int("".join(map(str, digits))) * (-1 if sign else 1)
        shift = exponent - self.exponent
        if abs(shift) > 40:  # beyond any 64-bit register, and a hostile exponent would cost memory
            raise ValueError(f"{value} is out of any range")
        raw, rest = divmod(numerator * int(10 ** max(0, shift)), self.mantissa * int(10 ** max(0, -shift)))
        if rest:
            raise ValueError(f"{value} is no multiple of {Decimal(self.mantissa).scaleb(self.exponent)}")
        return raw
