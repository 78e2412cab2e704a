"""Exact angles and heights for the grids: whole numbers of 1/2048 arc-second, never floats.

GeoSOT (GB/T 40087-2021) and the BeiDou grid (GB/T 39409-2020) cut degrees into minutes, seconds and 1/2048 seconds,
and both write an angle as fields of 8, 6, 6 and 11 bits: degrees|minutes|seconds|fraction, each field in binary, so a
step of the top bit of "minutes" is 32 minutes and the half above it holds 28. `pack` makes those 31 bits, `span` says
which units a prefix of them covers.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TypeAlias

from protocols.errors import LocalProtocolError, RemoteProtocolError

PER_SECOND = 2048
PER_MINUTE = 60 * PER_SECOND
PER_DEGREE = 60 * PER_MINUTE
BITS = 32  # sign, 8, 6, 6, 11
_SIGN = 1 << 31

Number: TypeAlias = int | float | str | Decimal | Fraction
"""A float stands for the shortest decimal that prints as it: what a person typed, not the binary next to it."""


def exact(number: Number, what: str) -> Fraction:
    try:
        return Fraction(float.__repr__(number) if isinstance(number, float) else number)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise LocalProtocolError(f"{what}: {number!r} is not a number") from None


def degrees(units: int) -> Fraction:
    return Fraction(units, PER_DEGREE)


def pack(units: int) -> int:
    rest, fraction = divmod(units, PER_SECOND)
    rest, seconds = divmod(rest, 60)
    whole, minutes = divmod(rest, 60)
    return whole << 23 | minutes << 17 | seconds << 11 | fraction


def span(packed: int, bits: int) -> tuple[int, int]:
    """The units [low, high) under a prefix of `bits` of the 31; RemoteProtocolError for a minute or second 60 to 63."""
    low = _unpack(packed)
    if pack(low) != packed:
        raise RemoteProtocolError("no such cell: minutes and seconds end at 59")
    last = packed + (1 << 31 - bits) - 1
    # A field cut short by the prefix ends in ones; where that passes 59 the cell is the shorter rest of its parent.
    minutes, seconds = min(last >> 17 & 63, 59), min(last >> 11 & 63, 59)
    return low, _unpack(last & ~(0xFFF << 11) | minutes << 17 | seconds << 11) + 1


def _unpack(packed: int) -> int:
    whole, minutes, seconds, fraction = packed >> 23, packed >> 17 & 63, packed >> 11 & 63, packed & 2047
    return whole * PER_DEGREE + minutes * PER_MINUTE + seconds * PER_SECOND + fraction


@dataclass(frozen=True)
class Axis:
    """Latitude or longitude as sign and magnitude: south and west mirror north and east, as both standards have it."""

    name: str
    limit: int  # units from the equator or the prime meridian to the end
    wraps: bool = False

    def units(self, value: Number) -> tuple[bool, int]:
        """Whether it is negative, and the magnitude in whole units; the very end belongs to the last cell."""
        angle = exact(value, self.name)
        magnitude = abs(angle) * PER_DEGREE
        if magnitude > self.limit:
            raise LocalProtocolError(f"{self.name} {value} is beyond {self.limit // PER_DEGREE} degrees")
        return angle < 0, min(int(magnitude), self.limit - 1)

    def place(self, value: Number) -> int:
        """The 32 bits sign|degrees|minutes|seconds|fraction."""
        negative, magnitude = self.units(value)
        return negative * _SIGN | pack(magnitude)

    def bounds(self, prefix: int, bits: int) -> tuple[int, int]:
        """The units, lowest and highest, of the cell under a prefix of `bits` of the 32; others must be zero."""
        if bits == 0:
            return -self.limit, self.limit
        low, high = span(prefix & ~_SIGN, bits - 1)
        if low >= self.limit:
            raise RemoteProtocolError(f"no such cell: {self.name} ends at {self.limit // PER_DEGREE} degrees")
        high = min(high, self.limit)
        return (-high, -low) if prefix & _SIGN else (low, high)

    def step(self, prefix: int, bits: int, by: int) -> int | None:
        """The prefix of the next cell up (`by` 1) or down (-1), `prefix` itself for 0; None past a pole."""
        low, high = self.bounds(prefix, bits)
        if by == 0:
            return prefix
        inside = high if by > 0 else low - 1  # the unit just beyond, [inside, inside + 1)
        if not -self.limit <= inside < self.limit:
            if not self.wraps or bits == 0:
                return None
            inside = -self.limit if by > 0 else self.limit - 1
        # Counted from zero outwards, the unit [-1, 0) is the first of the negative side.
        packed = pack(inside) if inside >= 0 else _SIGN | pack(-inside - 1)
        return packed & keep(bits)


LATITUDE = Axis("latitude", 90 * PER_DEGREE)
LONGITUDE = Axis("longitude", 180 * PER_DEGREE, wraps=True)


def keep(bits: int) -> int:
    """The mask of the top `bits` of 32."""
    return (1 << BITS) - (1 << BITS - bits)


@dataclass(frozen=True)
class Cell:
    """Bounds in degrees, exact; in the north-east a cell holds its low edges and not its high ones."""

    lat_low: Fraction
    lat_high: Fraction
    lon_low: Fraction
    lon_high: Fraction

    @classmethod
    def of_units(cls, lat: tuple[int, int], lon: tuple[int, int]) -> "Cell":
        return cls(degrees(lat[0]), degrees(lat[1]), degrees(lon[0]), degrees(lon[1]))

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude, rounded to the nearest floats."""
        return float((self.lat_low + self.lat_high) / 2), float((self.lon_low + self.lon_high) / 2)

    def contains(self, lat: Number, lon: Number) -> bool:
        """Edges included."""
        return (
            self.lat_low <= exact(lat, "latitude") <= self.lat_high
            and self.lon_low <= exact(lon, "longitude") <= self.lon_high
        )


# Heights: GB/T 39409-2020, annex C. A layer at height H spans the same angle as a cell seen from the earth's centre, so
# layers thicken with height: floor(units per degree * ln((H + r0) / r0) / ln(1 + pi/180)).
_R0 = Decimal(6378137)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510")
_MAX_LAYER = 256 * PER_DEGREE
_PRECISION = 50  # the largest layer number has ten digits


def layer(height: Number) -> int:
    """The signed number of the layer of 1/2048 second that holds `height` metres above the ellipsoid."""
    fraction = exact(height, "height")
    with localcontext(prec=_PRECISION):
        ratio = (Decimal(fraction.numerator) / Decimal(fraction.denominator) + _R0) / _R0
        if ratio <= 0:
            raise LocalProtocolError(f"height {height} m is below the centre of the earth")
        number = ratio.ln() / (1 + _PI / 180).ln() * PER_DEGREE
        if not -_MAX_LAYER < number < _MAX_LAYER:
            raise LocalProtocolError(f"height {height} m is beyond the grid's 256 degrees")
        return int(number.to_integral_value("ROUND_FLOOR"))


def layer_floor(number: int) -> Decimal:
    """The height in metres at which layer `number` begins."""
    with localcontext(prec=_PRECISION):
        return _R0 * ((1 + _PI / 180) ** (Decimal(number) / PER_DEGREE) - 1)


def place_height(height: Number) -> int:
    """32 bits like `Axis.place`.

    The layer number is repacked into 64-way minutes and seconds, as the deployed codes have it: annex C cuts its bits
    as they stand, which differs above about 1,839 m. Below the ellipsoid: the sign, and the absolute of the floor.
    """
    number = layer(height)
    return (number < 0) * _SIGN | pack(abs(number))


def height_bounds(prefix: int, bits: int) -> tuple[int, int]:
    """The layers [low, high) under a prefix. Layer -1 is the first below ground: there is no layer minus zero."""
    if bits == 0:
        return -_MAX_LAYER + 1, _MAX_LAYER
    low, high = span(prefix & ~_SIGN, bits - 1)
    if not prefix & _SIGN:
        return low, high
    if high == 1:
        raise RemoteProtocolError("no such layer: below ground layers count from 1")
    return 1 - high, 1 - max(low, 1)


def step_height(prefix: int, bits: int, by: int) -> int | None:
    """The prefix of the layer above or below, None past the ends of the grid. Layers join across zero: -1, then 0."""
    low, high = height_bounds(prefix, bits)
    if by == 0:
        return prefix
    number = high if by > 0 else low - 1
    if not -_MAX_LAYER < number < _MAX_LAYER:
        return None
    return ((number < 0) * _SIGN | pack(abs(number))) & keep(bits)
