import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.registers import NUMBER_TYPES, ORDERS, Scale, byte_order, float_exactly, to_wire

# What each order makes of the number 0x11223344 and of a 64-bit one, written out.
WIRE = {
    "ABCD": ("11223344", "1122334455667788"),
    "CDAB": ("33441122", "7788556633441122"),
    "BADC": ("22114433", "2211443366558877"),
    "DCBA": ("44332211", "8877665544332211"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_put_the_bytes_where_the_table_says(order: str) -> None:
    assert to_wire(order, (0x11223344).to_bytes(4, "little")).hex() == WIRE[order][0]
    assert to_wire(order, (0x1122334455667788).to_bytes(8, "little")).hex() == WIRE[order][1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("registers", [1, 2, 4])
def test_an_order_names_every_byte_once(order: str, registers: int) -> None:
    assert sorted(byte_order(order, registers)) == list(range(2 * registers))


def test_types_are_what_their_names_say() -> None:
    for name, number in NUMBER_TYPES.items():
        assert struct.calcsize("<" + number.code) * 8 == int(name[1:]) == 16 * number.registers
        if not number.is_float:
            signed = name[0] == "i"
            bits = int(name[1:]) - signed
            assert (number.lowest, number.highest) == (-(2**bits) if signed else 0, 2**bits - 1)


@pytest.mark.parametrize(
    ("factor", "scale"),
    [("1", (1, 0)), ("0.1", (1, -1)), ("0.005", (5, -3)), ("20", (2, 1)), ("1.250", (125, -2)), ("0.10", (1, -1))],
)
def test_a_scale_is_an_integer_and_a_power_of_ten(factor: str, scale: tuple[int, int]) -> None:
    assert Scale.of(Decimal(factor)) == scale


@pytest.mark.parametrize("factor", ["0", "-0.1", "NaN", "Infinity"])
def test_a_scale_is_positive_and_finite(factor: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        Scale.of(Decimal(factor))


@given(st.integers(-(2**63), 2**64), st.integers(1, 9999), st.integers(-9, 9))
def test_a_value_goes_back_to_the_number_it_came_from(raw: int, mantissa: int, exponent: int) -> None:
    scale = Scale(mantissa, exponent)
    value = Decimal(f"{raw * mantissa}E{exponent}")
    assert scale.to_raw(value) == raw
    if mantissa > 1:
        with pytest.raises(ValueError, match="is no multiple of"):
            scale.to_raw(Decimal(f"{raw * mantissa + 1}E{exponent}"))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+999999", "1E-999999"])
def test_a_value_that_no_register_holds_is_refused_without_effort(value: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|out of any range"):
        Scale(1, 0).to_raw(Decimal(value))


@pytest.mark.parametrize(
    ("code", "value"), [("f", "0.1"), ("f", "-12.5"), ("f", "3.4028235e38"), ("d", "0.1"), ("f", "0")]
)
def test_a_float_is_written_if_it_is_read_back_as_the_same_text(code: str, value: str) -> None:
    assert struct.pack("<" + code, float_exactly(code, Decimal(value))) == struct.pack("<" + code, float(value))


@pytest.mark.parametrize(
    ("code", "value", "complaint"),
    [
        ("f", "0.123456789", "exact"),
        ("f", "16777217", "exact"),
        ("f", "1e39", "range"),
        ("d", "0.12345678901234567890", "exact"),
    ],
)
def test_a_float_that_would_be_rounded_is_refused(code: str, value: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        float_exactly(code, Decimal(value))
