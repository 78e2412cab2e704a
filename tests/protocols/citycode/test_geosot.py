import contextlib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.citycode import geosot
from protocols.citycode.units import Number
from protocols.errors import LocalProtocolError, RemoteProtocolError

LATITUDES = st.decimals(-90, 90, places=9)
LONGITUDES = st.decimals(-180, 180, places=9)
LEVELS = st.integers(0, 32)


def dms(degrees: int, minutes: int, seconds: str) -> Fraction:
    return degrees + Fraction(minutes, 60) + Fraction(seconds) / 3600


@pytest.mark.parametrize(
    ("lat", "lon", "level", "code", "text"),
    [  # facts, 2.2
        (39.910278, 116.315222, 15, 526548078363148288, "G001310322-230230"),
        (dms(39, 54, "37.01"), dms(116, 18, "54.82"), 9, None, "G001310322"),
        (dms(39, 54, "37.01"), dms(116, 18, "54.82"), 21, None, "G001310322-230230-310312"),
        ("27.688", "76.233", 32, 339638376531246140, "G001023122-203103-131010.33003300330"),
        ("40.1", "113.22", 12, 531496224285523968, "G001312001-001"),
    ],
)
def test_the_published_cells_hold(lat: Number, lon: Number, level: int, code: int | None, text: str) -> None:
    cell = geosot.encode(lat, lon, level)
    assert code in (None, cell)
    assert geosot.text(cell, level) == text
    assert geosot.parse(text) == (cell, level)


def test_the_published_cell_in_space_holds() -> None:
    place = geosot.encode3("39.910278", "116.315222", 100)
    assert geosot.text3(place) == "GZ00262064446046062063523002211204"
    assert geosot.parse3(geosot.text3(place)) == place
    assert geosot.encode3("39.910278", "116.315222", 10000, 20).z == 704512


@given(LATITUDES, LONGITUDES, LEVELS)
def test_a_cell_contains_its_point_and_encodes_back_from_its_centre(lat: Decimal, lon: Decimal, level: int) -> None:
    code = geosot.encode(lat, lon, level)
    cell = geosot.decode(code, level)
    assert cell.contains(lat, lon)
    inner = (cell.lat_low + cell.lat_high) / 2, (cell.lon_low + cell.lon_high) / 2
    assert geosot.encode(*inner, level) == code
    assert cell.centre == (float(inner[0]), float(inner[1]))


@given(LATITUDES, LONGITUDES, LEVELS)
def test_the_text_of_a_cell_reads_back(lat: Decimal, lon: Decimal, level: int) -> None:
    code = geosot.encode(lat, lon, level)
    assert geosot.parse(geosot.text(code, level)) == (code, level)


@given(LATITUDES, LONGITUDES, st.integers(-6_000_000, 500_000_000), LEVELS)
def test_a_cell_in_space_reads_back(lat: Decimal, lon: Decimal, height: int, level: int) -> None:
    place = geosot.encode3(lat, lon, height, level)
    assert geosot.parse3(geosot.text3(place)) == place


@given(LATITUDES, LONGITUDES, LEVELS, LEVELS)
def test_a_parent_is_the_coarser_cell_of_the_same_point(lat: Decimal, lon: Decimal, fine: int, coarse: int) -> None:
    fine, coarse = max(fine, coarse), min(fine, coarse)
    assert geosot.parent(geosot.encode(lat, lon, fine), coarse) == geosot.encode(lat, lon, coarse)


@given(LATITUDES, LONGITUDES, st.integers(9, 32))
def test_neighbours_touch_and_are_mutual(lat: Decimal, lon: Decimal, level: int) -> None:
    code = geosot.encode(lat, lon, level)
    cell = geosot.decode(code, level)
    for north, east in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)]:
        other = geosot.neighbour(code, level, north, east)
        if other is None:
            assert cell.lat_high == 90 if north > 0 else cell.lat_low == -90
            continue
        assert geosot.neighbour(other, level, -north, -east) == code
        there = geosot.decode(other, level)
        if north:
            assert (there.lat_low == cell.lat_high) if north > 0 else (there.lat_high == cell.lat_low)
        if east:
            edge, met = (cell.lon_high, there.lon_low) if east > 0 else (cell.lon_low, there.lon_high)
            assert (met - edge) % 360 == 0


def test_cells_join_across_the_equator_and_the_prime_meridian() -> None:
    code = geosot.encode(0, 0, 15)
    south_west = geosot.neighbour(code, 15, -1, -1)
    assert south_west == geosot.encode("-0.001", "-0.001", 15)
    assert len(geosot.neighbours(code, 15)) == 8
    assert len(geosot.neighbours(geosot.encode(90, 0, 15), 15)) == 5


def test_a_cell_that_the_sixty_minutes_cut_short_is_the_rest_of_its_parent() -> None:
    # Level 10 halves a degree at 32 minutes: the upper half holds 28.
    cell = geosot.decode(geosot.encode("39.9", "116.9", 10), 10)
    assert cell.lat_low == 39 + Fraction(32, 60)
    assert cell.lat_high == 40


def test_a_float_stands_for_the_number_typed_and_not_for_the_binary_next_to_it() -> None:
    assert geosot.encode(40.1, 116.1) == geosot.encode("40.1", "116.1")  # both are edges of a minute
    assert geosot.decode(geosot.encode(40.1, 116.1), 32).lat_low == Fraction("40.1")


def test_a_code_with_a_sixtieth_minute_is_no_cell() -> None:
    minute = geosot.encode(0, 0, 15) | int(format(60, "06b"), 4) << 34
    with pytest.raises(RemoteProtocolError, match="end at 59"):
        geosot.decode(minute, 15)


@pytest.mark.parametrize(("lat", "lon"), [(90.1, 0), (0, -180.5), ("north", 0), (float("nan"), 0), (float("inf"), 0)])
def test_a_point_off_the_earth_has_no_cell(lat: Number, lon: Number) -> None:
    with pytest.raises(LocalProtocolError):
        geosot.encode(lat, lon)


@pytest.mark.parametrize(
    "text", ["", "H0", "G4", "G00131032-2", "G001310322-", "G001310322-230230-310312.330033003301", "G3", "G0013103222"]
)
def test_a_text_that_is_no_cell_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        geosot.parse(text + ("33333333-1" if text == "G3" else ""))


@given(st.integers(0, 2**64 - 1), LEVELS)
def test_any_number_is_a_cell_or_refused(code: int, level: int) -> None:
    try:
        cell = geosot.decode(code, level)
    except RemoteProtocolError:
        return
    assert geosot.encode((cell.lat_low + cell.lat_high) / 2, (cell.lon_low + cell.lon_high) / 2, level) == code


@given(st.text("GZ01234567-. ", max_size=45))
def test_any_text_is_a_cell_or_refused(text: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert geosot.text(*geosot.parse(text)) == text
    with contextlib.suppress(RemoteProtocolError):
        assert geosot.text3(geosot.parse3(text)) == text


def test_a_level_that_is_not_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        geosot.encode(0, 0, 33)
    with pytest.raises(RemoteProtocolError):
        geosot.decode(0, -1)
    with pytest.raises(RemoteProtocolError, match="beyond level 9"):
        geosot.decode(1, 9)
