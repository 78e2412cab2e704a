import struct
from decimal import Decimal

import pytest

from drivers.modbus.registers import NUMBER_TYPES, ORDERS, byte_order, float_exactly, to_wire

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
