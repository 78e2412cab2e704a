"""GeoSOT cells (GB/T 40087-2021): one unsigned 64-bit integer and a level, in two dimensions or three.

Each axis is 32 bits, sign|degrees 8|minutes 6|seconds 6|fraction 11; the bits of latitude and longitude alternate,
latitude first. Level m keeps the top m bits of each: level 9 is about a degree, 15 a minute, 21 a second, 23 eight
metres, 32 the finest, 1.5 cm.
"""

import re
from typing import NamedTuple

from protocols.citycode.units import (
    LATITUDE,
    LONGITUDE,
    Cell,
    Number,
    height_bounds,
    keep,
    place_height,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

MAX_LEVEL = 32
_TEXT = re.compile(r"G([0-3]{0,9})(?:-([0-3]{1,6})(?:-([0-3]{1,6})(?:\.([0-3]{1,11}))?)?)?")
_TEXT_3D = re.compile(r"GZ([0-7]{0,32})")


class Place(NamedTuple):
    """A cell in the plane: `code` with the bits beyond `level` zero."""

    code: int
    level: int


class Place3(NamedTuple):
    """A cell in space; `z` is the height's 32 bits, those beyond `level` zero."""

    code: int
    level: int
    z: int


def encode(lat: Number, lon: Number, level: int = MAX_LEVEL) -> int:
    """The cell that holds a point (degrees, CGCS2000 or WGS-84). LocalProtocolError for a point off the earth."""
    mask = keep(_level(level))
    return _interleave(LATITUDE.place(lat) & mask, LONGITUDE.place(lon) & mask)


def decode(code: int, level: int) -> Cell:
    """The bounds of a cell; RemoteProtocolError for a code that no point has, or with bits beyond its level."""
    lat, lon = _split(code, level)
    return Cell.of_units(LATITUDE.bounds(lat, level), LONGITUDE.bounds(lon, level))


def parent(code: int, level: int) -> int:
    """The cell of `level` around a finer one."""
    shift = 64 - 2 * _level(level)
    return code >> shift << shift


def neighbour(code: int, level: int, north: int, east: int) -> int | None:
    """The cell one step away (-1, 0 or 1 each way); None past a pole. Longitude wraps round."""
    lat, lon = _split(code, level)
    up, across = LATITUDE.step(lat, level, north), LONGITUDE.step(lon, level, east)
    return None if up is None or across is None else _interleave(up, across)


def neighbours(code: int, level: int) -> tuple[int, ...]:
    """The eight cells around, fewer at a pole, from the south-west eastwards and upwards."""
    steps = [(north, east) for north in (-1, 0, 1) for east in (-1, 0, 1) if (north, east) != (0, 0)]
    found = (neighbour(code, level, north, east) for north, east in steps)
    return tuple(dict.fromkeys(cell for cell in found if cell is not None and cell != code))


def text(code: int, level: int) -> str:
    """`G` and a quaternary digit a level, grouped by field: G001310322-230230-310312.33003300330."""
    _split(code, level)
    digits = _digits(code)[:level]
    groups = [digits[:9], *(digits[at : at + 6] for at in (9, 15) if len(digits) > at)]
    return "G" + "-".join(groups) + ("." + digits[21:] if level > 21 else "")


def parse(written: str) -> Place:
    """The cell of a text form. A shortened group ends the text: only the last may be short."""
    match = _TEXT.fullmatch(written)
    groups = [group for group in match.groups() if group is not None] if match else []
    if not groups or any(len(group) != full for group, full in zip(groups[:-1], (9, 6, 6), strict=False)):
        raise RemoteProtocolError(f"{written[:60]!r} is not G with quaternary digits grouped 9-6-6.11")
    digits = "".join(groups)
    place = Place(int(digits.ljust(MAX_LEVEL, "0"), 4), len(digits))
    decode(*place)
    return place


def encode3(lat: Number, lon: Number, height: Number, level: int = MAX_LEVEL) -> Place3:
    """The cell in space that holds a point; `height` in metres above the ellipsoid."""
    return Place3(encode(lat, lon, level), level, place_height(height) & keep(level))


def heights(place: Place3) -> tuple[int, int]:
    """The layers [low, high) of a cell in space; units.layer_floor gives their heights in metres."""
    return height_bounds(place.z, _level(place.level))


def text3(place: Place3) -> str:
    """`GZ` and an octal digit a level: latitude 4, longitude 2, height 1."""
    _split(place.code, place.level)
    plane, z = _digits(place.code), format(place.z, "032b")
    return "GZ" + "".join(str(int(pair) * 2 + int(bit)) for pair, bit in zip(plane, z, strict=True))[: place.level]


def parse3(written: str) -> Place3:
    match = _TEXT_3D.fullmatch(written)
    if match is None:
        raise RemoteProtocolError(f"{written[:60]!r} is not GZ with up to 32 octal digits")
    digits = [int(digit) for digit in match[1].ljust(MAX_LEVEL, "0")]
    code = int("".join(str(digit >> 1) for digit in digits), 4)
    place = Place3(code, len(match[1]), int("".join(str(digit & 1) for digit in digits), 2))
    decode(place.code, place.level)
    heights(place)
    return place


def _level(level: int) -> int:
    if not 0 <= level <= MAX_LEVEL:
        raise LocalProtocolError(f"level {level}: GeoSOT has levels 0 to {MAX_LEVEL}")
    return level


def _interleave(lat: int, lon: int) -> int:
    # A binary number read as quaternary has its bits on every second place.
    return int(format(lat, "b"), 4) * 2 + int(format(lon, "b"), 4)


def _split(code: int, level: int) -> tuple[int, int]:
    if not (0 <= level <= MAX_LEVEL and 0 <= code < 1 << 64):
        raise RemoteProtocolError(f"[{level}, {code}] is not a level of 0 to 32 and an unsigned 64-bit cell")
    if code & (1 << 64 - 2 * level) - 1:
        raise RemoteProtocolError(f"cell {code} has bits beyond level {level}")
    bits = format(code, "064b")
    return int(bits[0::2], 2), int(bits[1::2], 2)


def _digits(code: int) -> str:
    """All 32 quaternary digits."""
    bits = format(code, "064b")
    return "".join(str(int(bits[at : at + 2], 2)) for at in range(0, 64, 2))
