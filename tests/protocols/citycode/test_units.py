import itertools
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.citycode import beidou, units
from protocols.citycode.units import Number
from protocols.errors import LocalProtocolError, RemoteProtocolError


@pytest.mark.parametrize(
    ("height", "digits"),
    [  # facts, 2.1: a0 to a11
        (0, "000000000000"),
        (10, "000000001234"),
        (50, "000000006414"),
        (100, "000000015030"),
        (150, "000000103444"),
        (-12, "100000001442"),
    ],
)
def test_the_published_heights_hold(height: int, digits: str) -> None:
    bits = format(units.place_height(height), "032b")
    cuts = (0, 1, 7, 10, 11, 15, 19, 20, 23, 26, 29, 32)
    parts = [int(bits[start:end], 2) for start, end in itertools.pairwise(cuts)]
    assert f"{parts[0]}{parts[1]:02d}" + "".join("0123456789ABCDEF"[part] for part in parts[2:]) == digits


@pytest.mark.parametrize(
    ("degrees", "metres"),
    [(-256, -6302106.722602182), (255, 519501834.1582395), (256, 528680171.1252437)],
)
def test_the_published_ends_of_the_height_scale_hold(degrees: int, metres: float) -> None:
    assert math.isclose(units.layer_floor(degrees * units.PER_DEGREE), metres, rel_tol=1e-12)


@given(st.decimals(-6_000_000, 500_000_000, places=3))
def test_a_layer_holds_its_height(height: Decimal) -> None:
    number = units.layer(height)
    assert units.layer_floor(number) <= height + Decimal("1e-9")
    assert height < units.layer_floor(number + 1)


@given(st.integers(0, 256 * units.PER_DEGREE - 1))
def test_packing_is_undone_by_its_span(number: int) -> None:
    assert units.span(units.pack(number), 31) == (number, number + 1)


@given(st.integers(0, 2**31 - 1), st.integers(0, 31))
def test_every_prefix_of_the_fields_is_a_span_or_refused(packed: int, bits: int) -> None:
    prefix = packed >> 31 - bits << 31 - bits
    try:
        low, high = units.span(prefix, bits)
    except RemoteProtocolError:
        assert prefix >> 17 & 63 > 59 or prefix >> 11 & 63 > 59
        return
    assert low < high
    for inside in (low, high - 1):
        assert units.pack(inside) >> 31 - bits == prefix >> 31 - bits
    if high < 256 * units.PER_DEGREE:
        assert units.pack(high) >> 31 - bits != prefix >> 31 - bits


@given(st.integers(-3_000_000, 3_000_000), st.integers(1, 32))
def test_layers_tile_the_heights_without_gap_or_overlap(height: int, bits: int) -> None:
    prefix = units.place_height(height) & units.keep(bits)
    low, high = units.height_bounds(prefix, bits)
    assert low <= units.layer(height) < high
    above, below = units.step_height(prefix, bits, 1), units.step_height(prefix, bits, -1)
    assert above is None or units.height_bounds(above, bits)[0] == high
    assert below is None or units.height_bounds(below, bits)[1] == low
    assert units.step_height(prefix, bits, 0) == prefix


def test_there_is_no_layer_minus_zero() -> None:
    with pytest.raises(RemoteProtocolError, match="count from 1"):
        units.height_bounds(1 << 31, 32)


@pytest.mark.parametrize("height", [-6378137, -7e6, "1e30", float("nan"), "high"])
def test_a_height_outside_the_scale_is_refused(height: Number) -> None:
    with pytest.raises(LocalProtocolError):
        beidou.encode3(40, 116, height)
