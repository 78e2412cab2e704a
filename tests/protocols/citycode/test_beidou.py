import contextlib
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.citycode import beidou, geosot
from protocols.citycode.units import Number
from protocols.errors import LocalProtocolError, RemoteProtocolError

LATITUDES = st.decimals("-87.999999999", "87.999999999", places=9)
LONGITUDES = st.decimals(-180, 180, places=9)
LEVELS = st.integers(0, 10)


def dms(degrees: int, minutes: int, seconds: str) -> Fraction:
    return degrees + Fraction(minutes, 60) + Fraction(seconds) / 3600


B2 = dms(39, 59, "35.38"), dms(116, 18, "45.37")


@pytest.mark.parametrize(
    ("lat", "lon", "level", "code"),
    [  # facts, 2.1: GB/T 39409-2020, annex B.2 and clause 8.1
        (*B2, 0, "N"),
        (*B2, 1, "N50J"),
        (*B2, 2, "N50J47"),
        (*B2, 3, "N50J475"),
        (*B2, 4, "N50J47539"),
        (*B2, 5, "N50J47539B8"),
        (*B2, 6, "N50J47539B82"),
        (*B2, 7, "N50J47539B8255"),
        (*B2, 8, "N50J47539B825534"),
        (*B2, 10, "N50J47539B8255346152"),
        (dms(39, 59, "56.1444"), dms(116, 19, "14.3184"), 5, "N50J475493E"),
        (dms(39, 59, "59.7012"), dms(116, 19, "5.9808"), 5, "N50J475491E"),
        (dms(39, 59, "56.5260"), dms(116, 19, "9.3540"), 5, "N50J475492E"),
        (40.0707, 116.3364, 8, "N50K401542334210"),
        (39.9054, 116.3976, 8, "N50J47584C435536"),
    ],
)
def test_the_published_cells_hold(lat: Number, lon: Number, level: int, code: str) -> None:
    assert beidou.encode(lat, lon, level) == code
    assert beidou.decode(code).contains(lat, lon)


@pytest.mark.parametrize(
    ("origin", "target", "steps"),
    [
        ("N50J475492E", "N50J475493E", "-10"),
        ("N50J475491E", "N50J475493E", "-20"),
        ("N50J475493E", "N50J475491E", "-B0"),
    ],
)
def test_the_published_offsets_hold(origin: str, target: str, steps: str) -> None:
    assert beidou.offset(origin, target) == steps


def test_the_published_cells_in_space_hold() -> None:
    assert beidou.encode3("39.910277778", "116.315222168", 45333, 6) == "N050J0047051348D9810"
    assert beidou.encode3("40.0750", "116.4130", -12, 8) == "N150K0040010940B7030301104"
    solid = beidou.parse3("N036J0093000780B3010010520430140")  # table 1
    assert solid == ("N36J93078B3101524314", 0)
    assert beidou.text3(solid) == "N036J0093000780B3010010520430140"


@pytest.mark.parametrize(
    ("lat", "lon", "code", "level", "number"),
    [(39.910278, 116.315222, "N50J47534", 15, 526548078363148288), (None, None, "N50I06033", 15, 523402976891502592)],
)
def test_the_published_geosot_equals_hold(
    lat: Number | None, lon: Number | None, code: str, level: int, number: int
) -> None:
    assert beidou.to_geosot(code) == (number, level)
    assert beidou.from_geosot(number, level) == code
    if lat is not None and lon is not None:
        assert beidou.encode(lat, lon, 4) == code


@given(LATITUDES, LONGITUDES, LEVELS)
def test_a_cell_contains_its_point_and_encodes_back_from_its_centre(lat: Decimal, lon: Decimal, level: int) -> None:
    code = beidou.encode(lat, lon, level)
    cell = beidou.decode(code)
    assert cell.contains(lat, lon)
    assert beidou.encode((cell.lat_low + cell.lat_high) / 2, (cell.lon_low + cell.lon_high) / 2, level)[0] == code[0]
    if level:
        assert beidou.encode((cell.lat_low + cell.lat_high) / 2, (cell.lon_low + cell.lon_high) / 2, level) == code


@given(LATITUDES, LONGITUDES, st.sampled_from([(4, 15), (5, 19), (6, 20), (7, 23), (8, 26), (9, 29), (10, 32)]))
def test_from_level_four_on_a_cell_is_a_geosot_cell_with_the_same_bounds(
    lat: Decimal, lon: Decimal, levels: tuple[int, int]
) -> None:
    ours, theirs = levels
    code, number = beidou.encode(lat, lon, ours), geosot.encode(lat, lon, theirs)
    assert beidou.decode(code) == geosot.decode(number, theirs)
    assert beidou.to_geosot(code) == (number, theirs)
    assert beidou.from_geosot(number, theirs) == code


@given(LATITUDES, LONGITUDES, st.integers(-6_000_000, 500_000_000), LEVELS)
def test_a_cell_in_space_reads_back(lat: Decimal, lon: Decimal, height: int, level: int) -> None:
    text = beidou.encode3(lat, lon, height, level)
    solid = beidou.parse3(text)
    assert beidou.text3(solid) == text
    assert solid.plane == beidou.encode(lat, lon, level)


@given(LATITUDES, LONGITUDES, st.integers(1, 10), st.integers(-1, 1), st.integers(-1, 1))
def test_a_step_there_and_back_returns(lat: Decimal, lon: Decimal, level: int, north: int, east: int) -> None:
    code = beidou.encode(lat, lon, level)
    other = beidou.neighbour(code, north, east)
    if other is None:
        assert abs(lat) > 80
        return
    assert beidou.neighbour(other, -north, -east) == code
    here, there = beidou.decode(code), beidou.decode(other)
    if north > 0:
        assert here.lat_high == there.lat_low
    if east > 0:
        assert (there.lon_low - here.lon_high) % 360 == 0


def test_cells_join_across_the_equator_the_prime_meridian_and_the_date_line() -> None:
    assert beidou.neighbour(beidou.encode(0, 0, 10), -1, -1) == beidou.encode("-0.0000001", "-0.0000001", 10)
    assert beidou.neighbour(beidou.encode(0, 180, 1), 0, 1) == beidou.encode(0, -180, 1) == "N01A"
    assert len(beidou.neighbours("N50J475492E")) == 8
    assert len(beidou.neighbours(beidou.encode("87.9", 0, 1))) == 5


def test_layers_of_height_join_across_the_ground() -> None:
    ground = beidou.parse3(beidou.encode3(40, 116, 0))
    cellar = beidou.above(ground, -1)
    assert cellar is not None
    assert beidou.heights(cellar) == (-1, 0)
    assert beidou.above(cellar, 1) == ground


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "has 1, 4, 6"),
        ("N5", "has 1, 4, 6"),
        ("X50J", "character 1"),
        ("N00J", "zone 01 to 60"),
        ("N61J", "zone 01 to 60"),
        ("N50W", "row A to V"),
        ("N50JC7", "'C7' after 4 characters is no cell of level 2"),
        ("N50J48", "no cell of level 2"),
        ("N50J476", "no cell of level 3"),
        ("N50J4753A", "no cell of level 4"),
        ("N50J47539BF", "no cell of level 5"),
        ("N50J47539b8", "no cell of level 5"),
        ("N50J47539B84", "no cell of level 6"),
        ("N50J47539B8285", "no cell of level 7"),
    ],
)
def test_a_text_that_is_no_cell_is_refused_where_it_goes_wrong(code: str, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        beidou.decode(code)


@given(st.text("NS0123456789ABCDEFGHJ", max_size=33))
def test_any_text_is_a_cell_or_refused(text: str) -> None:
    for read in (beidou.decode, beidou.parse3):
        with contextlib.suppress(RemoteProtocolError):
            read(text)


@given(st.text("0123456789ABCDEF", max_size=30))
def test_any_text_in_space_is_a_cell_that_writes_back_or_refused(rest: str) -> None:
    try:
        solid = beidou.parse3("N050J00" + rest)
    except RemoteProtocolError:
        return
    assert beidou.text3(solid) == "N050J00" + rest


@pytest.mark.parametrize(
    "call",
    [
        lambda: beidou.encode(88, 0),
        lambda: beidou.encode(0, 0, 11),
        lambda: beidou.to_geosot("N50J475"),
        lambda: beidou.from_geosot(geosot.encode(40, 116, 16), 16),
        lambda: beidou.offset("N50J47539", "N50J47539B8"),
        lambda: beidou.offset("N50J475392", "N50J475392"),
        lambda: beidou.parent("N50J", 2),
        lambda: beidou.neighbour("N", 1, 0),
    ],
)
def test_what_the_grid_does_not_have_is_not_made_up(call: Callable[[], object]) -> None:
    with pytest.raises((LocalProtocolError, RemoteProtocolError)):
        call()


def test_a_parent_is_a_prefix() -> None:
    assert beidou.parent("N50J47539B8255346152", 4) == "N50J47539"
