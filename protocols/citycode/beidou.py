"""The BeiDou grid location code (GB/T 39409-2020), in two dimensions and three, and its GeoSOT equal.

Text is the code: `N50J47539B82` is level 6. Cells nest in the plane of whole 1/2048 seconds; from level 2 on they are
counted from the corner nearest to the equator and the prime meridian, so the south and the west mirror the north-east.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from protocols.citycode import geosot
from protocols.citycode.units import (
    LATITUDE,
    LONGITUDE,
    PER_DEGREE,
    PER_MINUTE,
    PER_SECOND,
    Cell,
    Number,
    height_bounds,
    keep,
    place_height,
    step_height,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

MAX_LEVEL = 10
_CAP = 88 * PER_DEGREE  # from here to the poles the standard has a grid of its own, which is not here

# GB/T 39409-2020, table 1: the size of a cell in units, latitude and longitude, for each level.
_SIZES = (
    (88 * PER_DEGREE, 360 * PER_DEGREE),  # a hemisphere
    (4 * PER_DEGREE, 6 * PER_DEGREE),
    (30 * PER_MINUTE, 30 * PER_MINUTE),
    (10 * PER_MINUTE, 15 * PER_MINUTE),
    (PER_MINUTE, PER_MINUTE),
    (4 * PER_SECOND, 4 * PER_SECOND),
    (2 * PER_SECOND, 2 * PER_SECOND),
    *((size, size) for size in (PER_SECOND // 4, PER_SECOND // 32, PER_SECOND // 256, 1)),
)
_LENGTHS = (1, 4, 6, 7, 9, 11, 12, 14, 16, 18, 20)
_ROWS = "ABCDEFGHIJKLMNOPQRSTUV"
_HEX = "0123456789ABCDEF"
_GEOSOT_LEVELS = {4: 15, 5: 19, 6: 20, 7: 23, 8: 26, 9: 29, 10: 32}
# How many of the height's 32 bits a level keeps: the sign, then 6, 3, 1, 4, 4, 1, 3, 3, 3, 3 more.
_HEIGHT_BITS = (1, 7, 10, 11, 15, 19, 20, 23, 26, 29, 32)
_SINGLE = (3, 6)  # levels of two columns, written as one digit: 2 * row + column
_ZONE = re.compile(r"([0-9]{2})([A-V])", re.ASCII)


class Solid(NamedTuple):
    """A cell in space: the code of its plane and the 32 bits of its height, those beyond the level zero."""

    plane: str
    z: int


def encode(lat: Number, lon: Number, level: int = MAX_LEVEL) -> str:
    """The cell that holds a point (degrees, CGCS2000). LocalProtocolError from 88 degrees of latitude on."""
    if not 0 <= level <= MAX_LEVEL:
        raise LocalProtocolError(f"level {level}: the BeiDou grid has levels 0 to {MAX_LEVEL}")
    height, width = _SIZES[level]
    south, up = LATITUDE.units(lat)
    if up >= _CAP:
        raise LocalProtocolError(f"latitude {lat}: the BeiDou grid ends before 88 degrees")
    west, across = LONGITUDE.units(lon)
    return _write(level, _signed(south, up // height), _signed(west, across // width))


def decode(code: str) -> Cell:
    """The bounds of a cell; RemoteProtocolError says at which character a text stops being a code."""
    level, row, column = _read(code)
    height, width = _SIZES[level]
    across = (column * width, (column + 1) * width) if level else (-LONGITUDE.limit, LONGITUDE.limit)
    return Cell.of_units((row * height, (row + 1) * height), across)


def level_of(code: str) -> int:
    try:
        return _LENGTHS.index(len(code))
    except ValueError:
        lengths = ", ".join(map(str, _LENGTHS))
        raise RemoteProtocolError(f"a BeiDou code has {lengths} characters; this has {len(code)}") from None


def parent(code: str, level: int) -> str:
    """The cell of `level` around a finer one."""
    if not 0 <= level <= level_of(code):
        raise LocalProtocolError(f"{code} is no finer than level {level}")
    return code[: _LENGTHS[level]]


def neighbour(code: str, north: int, east: int) -> str | None:
    """The cell of the same level so many steps away; None beyond 88 degrees. Longitude wraps round."""
    level, row, column = _read(code)
    if level == 0:
        raise LocalProtocolError("a hemisphere has no neighbours")
    height, width = _SIZES[level]
    rows, columns = _CAP // height, LONGITUDE.limit // width
    if not -rows <= row + north < rows:
        return None
    return _write(level, row + north, (column + east + columns) % (2 * columns) - columns)


def neighbours(code: str) -> tuple[str, ...]:
    """The eight cells around, fewer at 88 degrees, from the south-west eastwards and upwards."""
    steps = [(north, east) for north in (-1, 0, 1) for east in (-1, 0, 1) if (north, east) != (0, 0)]
    found = (neighbour(code, north, east) for north, east in steps)
    return tuple(cell for cell in found if cell is not None)


def offset(origin: str, target: str) -> str:
    """The steps from one cell to another of its level, east then north: 0 to 7 for east and north, A to G for -1 to -7.

    LocalProtocolError where they are further apart, or of different levels. GB/T 39409-2020, 8.
    """
    (level, row, column), (other, to_row, to_column) = _read(origin), _read(target)
    steps = to_column - column, to_row - row
    if level != other or level == 0 or max(map(abs, steps)) > 7:
        raise LocalProtocolError(f"{origin} and {target} are not cells of one level within 7 steps")
    return "-" + "".join(str(step) if step >= 0 else "ABCDEFG"[-step - 1] for step in steps)


def to_geosot(code: str) -> geosot.Place:
    """The equal GeoSOT cell. LocalProtocolError above level 4, where the two grids divide differently."""
    level = _GEOSOT_LEVELS.get(level_of(code))
    if level is None:
        raise LocalProtocolError(f"{code}: only levels 4 to 10 are GeoSOT cells")
    return geosot.Place(geosot.encode(*_inside(decode(code)), level), level)


def from_geosot(code: int, level: int) -> str:
    """The equal BeiDou cell, for GeoSOT levels 15, 19, 20, 23, 26, 29 and 32; LocalProtocolError for others."""
    for ours, theirs in _GEOSOT_LEVELS.items():
        if theirs == level:
            return encode(*_inside(geosot.decode(code, level)), ours)
    raise LocalProtocolError(f"GeoSOT level {level} is no level of the BeiDou grid")


def encode3(lat: Number, lon: Number, height: Number, level: int = MAX_LEVEL) -> str:
    """The code in space of a point; `height` in metres above the ellipsoid, downwards negative."""
    plane = encode(lat, lon, level)
    return text3(Solid(plane, place_height(height) & keep(_HEIGHT_BITS[level])))


def text3(solid: Solid) -> str:
    """The two codes woven: hemisphere, height's sign, then for each level the plane's characters and the height's."""
    level = level_of(solid.plane)
    z = format(solid.z, "032b")
    parts = [solid.plane[0], z[0]]
    for at in range(1, level + 1):
        layer = int(z[_HEIGHT_BITS[at - 1] : _HEIGHT_BITS[at]], 2)
        parts += [solid.plane[_LENGTHS[at - 1] : _LENGTHS[at]], f"{layer:02d}" if at == 1 else _HEX[layer]]
    return "".join(parts)


def parse3(code: str) -> Solid:
    """The plane's code and the height's bits of a code in space."""
    plane, bits, rest = code[:1], code[1:2], code[2:]
    if bits not in ("0", "1"):
        raise RemoteProtocolError(f"{code[:60]!r}: the second character is 0 above ground, 1 below")
    for at in range(1, MAX_LEVEL + 1):
        if not rest:
            break
        wide, width = _LENGTHS[at] - _LENGTHS[at - 1], _HEIGHT_BITS[at] - _HEIGHT_BITS[at - 1]
        end = wide + (2 if at == 1 else 1)
        layer = rest[wide:end]
        number = int(layer) if layer.isascii() and layer.isdigit() else _HEX.find(layer) if len(layer) == 1 else -1
        if len(rest) < end or not 0 <= number < 1 << width:
            raise RemoteProtocolError(f"{code[:60]!r}: level {at} is no {wide} characters and a layer")
        plane, bits, rest = plane + rest[:wide], bits + format(number, f"0{width}b"), rest[end:]
    if rest:
        raise RemoteProtocolError(f"{code[:60]!r}: characters behind level {MAX_LEVEL}")
    solid = Solid(plane, int(bits.ljust(32, "0"), 2))
    _read(plane)
    height_bounds(solid.z, _HEIGHT_BITS[level_of(plane)])
    return solid


def heights(solid: Solid) -> tuple[int, int]:
    """The layers [low, high) of a cell in space; units.layer_floor gives their heights in metres."""
    return height_bounds(solid.z, _HEIGHT_BITS[level_of(solid.plane)])


def above(solid: Solid, by: int) -> Solid | None:
    """The cell over (`by` 1) or under (-1) another; None past the ends of the grid.

    Our own rule across the ground: annex C.5 contradicts itself there.
    """
    z = step_height(solid.z, _HEIGHT_BITS[level_of(solid.plane)], by)
    return None if z is None else Solid(solid.plane, z)


def _signed(negative: bool, index: int) -> int:
    """Cells counted from zero outwards, on one line: ..., -2, -1, 0, 1, ..."""
    return -1 - index if negative else index


def _write(level: int, row: int, column: int) -> str:
    """The code of a cell by its signed row and column among the cells of its level."""
    parts = ["N" if row >= 0 else "S"]
    if level == 0:
        return parts[0]
    height, width = _SIZES[level]
    up, across = max(row, -1 - row) * height, max(column, -1 - column) * width
    row, up = divmod(up, _SIZES[1][0])
    zone, across = divmod(across, _SIZES[1][1])
    parts.append(f"{31 + _signed(column < 0, zone):02d}{_ROWS[row]}")
    for height, width in _SIZES[2 : level + 1]:
        row, up = divmod(up, height)
        zone, across = divmod(across, width)
        parts.append(str(2 * row + zone) if len(parts) in _SINGLE else _HEX[zone] + _HEX[row])
    return "".join(parts)


def _read(code: str) -> tuple[int, int, int]:
    """Level, signed row and signed column."""
    level = level_of(code)
    south, west = code[0] == "S", False
    if code[0] not in "NS":
        raise RemoteProtocolError(f"{code!r}: character 1 is neither N nor S")
    if level == 0:
        return 0, _signed(south, 0), 0
    match = _ZONE.fullmatch(code[1:4])
    if match is None or not 1 <= int(match[1]) <= 60:
        raise RemoteProtocolError(f"{code!r}: characters 2 to 4 are no zone 01 to 60 and row A to V")
    zone = int(match[1]) - 31
    west = zone < 0
    row, column = _ROWS.index(match[2]), max(zone, -1 - zone)
    for at in range(2, level + 1):
        rows, columns = (_SIZES[at - 1][axis] // _SIZES[at][axis] for axis in (0, 1))
        start, end = _LENGTHS[at - 1], _LENGTHS[at]
        if at in _SINGLE:
            up, across = divmod(_HEX.find(code[start]), columns)
        else:
            across, up = _HEX.find(code[start]), _HEX.find(code[start + 1])
        if not (0 <= up < rows and 0 <= across < columns):
            raise RemoteProtocolError(
                f"{code!r}: {code[start:end]!r} after {start} characters is no cell of level {at}"
            )
        row, column = row * rows + up, column * columns + across
    return level, _signed(south, row), _signed(west, column)


def _inside(cell: Cell) -> tuple[Fraction, Fraction]:
    return (cell.lat_low + cell.lat_high) / 2, (cell.lon_low + cell.lon_high) / 2
