import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_devices.modbus.registers import FORMATS, Field, Layout, NoSuchAddress, NotTaken, Table


def packed(field: Field, value: float | None) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in field.encode(value))


# One and the same number in all four orders, written out by hand: 0x01020304.
@pytest.mark.parametrize(
    ("order", "on_the_wire"),
    [("ABCD", "01020304"), ("CDAB", "03040102"), ("BADC", "02010403"), ("DCBA", "04030201")],
)
def test_bytes_stand_in_the_order_that_its_name_spells(order: str, on_the_wire: str) -> None:
    assert packed(Field("x", Table.INPUT, 0, "u32", order=order), 0x01020304).hex() == on_the_wire


def test_eight_byte_values_swap_words_all_the_way() -> None:
    field = Field("x", Table.INPUT, 0, "u64", order="CDAB")
    assert packed(field, 0x0102030405060708).hex() == "0708050603040102"


@given(st.sampled_from(["u16", "i16", "u32", "i32", "u64", "i64"]), st.integers(-(2**70), 2**70))
def test_integers_are_exact_and_out_of_range_the_nearest_that_fits(kind: str, value: int) -> None:
    field = Field("x", Table.INPUT, 0, kind)
    shown = struct.unpack(">" + FORMATS[kind], packed(field, value))[0]
    bits = 16 * field.length
    low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert shown == max(low, min(high, value))


@given(st.floats(width=32, allow_nan=False))
def test_floats_go_as_they_are(value: float) -> None:
    assert struct.unpack(">f", packed(Field("x", Table.INPUT, 0, "f32"), value))[0] == value


def test_a_step_is_what_a_count_is_worth() -> None:
    assert Field("volts", Table.INPUT, 0, "u16", 0.1).encode(230.44) == [2304]
    assert Field("cold", Table.INPUT, 0, "i16", 0.1).encode(-12.3) == [0x10000 - 123]


def test_no_value_is_the_sentinel_of_the_manual_and_needs_one() -> None:
    assert Field("t", Table.INPUT, 0, "i16", 0.1, sentinel=0x8000).encode(None) == [0x8000]
    assert packed(Field("g", Table.HOLDING, 0, "f32", order="CDAB", sentinel=0x7F7FFFFF), None).hex() == "ffff7f7f"
    assert math.isnan(struct.unpack(">f", packed(Field("g", Table.HOLDING, 0, "f32"), math.nan))[0])
    with pytest.raises(ValueError, match="no sentinel"):
        Field("t", Table.INPUT, 0, "i16").encode(None)


LAYOUT = Layout(
    [
        Field("a", Table.INPUT, 0, "u16"),
        Field("b", Table.INPUT, 4, "u32"),
        Field("level", Table.HOLDING, 0, "u16", limits=(0, 100)),
        Field("fixed", Table.HOLDING, 1, "u16"),
        Field("on", Table.COIL, 0),
    ],
    writable=("level", "on"),
)
VALUES = {"a": 7, "b": 0x00010002, "level": 5, "fixed": 6, "on": True}


@given(st.integers(0, 5), st.integers(1, 6))
def test_any_span_within_a_table_reads_as_a_part_of_the_whole(address: int, count: int) -> None:
    whole = [7, 0, 0, 0, 1, 2]
    if address + count <= 6:
        assert LAYOUT.read(Table.INPUT, address, count, VALUES) == whole[address : address + count]
    else:
        with pytest.raises(NoSuchAddress):
            LAYOUT.read(Table.INPUT, address, count, VALUES)


def test_only_what_is_writable_is_written_and_only_within_its_limits() -> None:
    assert LAYOUT.written(Table.HOLDING, 0, [100]) == [("level", 100)]
    assert LAYOUT.written(Table.COIL, 0, [1]) == [("on", True)]
    with pytest.raises(NotTaken):
        LAYOUT.written(Table.HOLDING, 0, [101])
    for address, raws in ((1, [5]), (0, [5, 5]), (7, [1])):
        with pytest.raises(NoSuchAddress):
            LAYOUT.written(Table.HOLDING, address, raws)


def test_two_fields_never_share_an_address() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        Layout([Field("a", Table.INPUT, 0, "u32"), Field("b", Table.INPUT, 1, "u16")])
