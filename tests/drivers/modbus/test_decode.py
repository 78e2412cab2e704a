import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Channel, Nonsense, Number, Reading, Span
from drivers.modbus.decode import Entry, compile_span
from drivers.modbus.registers import NUMBER_TYPES, Table
from drivers.template.scale import Scale
from protocols.edge.birth import Kind
from protocols.edge.columns import I32LE
from protocols.quality import Quality

CHANNEL = Channel("x", {}, "3300", "", Kind.GAUGE, I32LE)
NO_VALUE = Quality.BAD_SENSOR_FAILURE


def entry(type_: str, address: int = 0, order: str = "ABCD", **more: object) -> Entry:
    return Entry(CHANNEL, Table.INPUT, address, type_, order, **more)  # type: ignore[arg-type]


def decode(one: Entry, raw: str) -> Reading:
    data = bytes.fromhex(raw)
    (reading,) = compile_span([(3, one)], Span("input", 0, len(data) // 2))(data)
    assert reading.channel == 3
    return reading


@pytest.mark.parametrize(
    ("type_", "order", "raw", "value"),
    [
        ("u16", "ABCD", "FFFE", 65534),
        ("i16", "ABCD", "FFFE", -2),
        ("u16", "BADC", "FEFF", 65534),
        ("u32", "ABCD", "0001 0002", 65538),
        ("u32", "CDAB", "0002 0001", 65538),
        ("u32", "BADC", "0100 0200", 65538),
        ("u32", "DCBA", "0200 0100", 65538),
        ("i32", "ABCD", "FFFF FFFF", -1),
        ("u64", "ABCD", "0000 0000 0001 0000", 65536),
        ("i64", "CDAB", "FFFE FFFF FFFF FFFF", -2),
        ("f32", "ABCD", "4148 0000", 12.5),
        ("f32", "CDAB", "0000 4148", 12.5),
        ("f64", "ABCD", "4029 0000 0000 0000", 12.5),
        ("f64", "DCBA", "0000 0000 0000 2940", 12.5),
    ],
)
def test_numbers_in_their_types_and_orders(type_: str, order: str, raw: str, value: Number) -> None:
    assert decode(entry(type_, order=order), raw) == Reading(3, value, Quality.GOOD)


def test_a_scale_multiplies_exactly() -> None:
    assert decode(entry("u16", scale=Scale(5, -3)), "FFFF").value == 327675
    assert decode(entry("u64", scale=Scale(25, -2)), "0001 0000 0000 0001").value == 25 * (2**48 + 1)


def test_what_an_i64_cannot_hold_has_no_value_but_a_quality() -> None:
    assert decode(entry("u64"), "7FFF FFFF FFFF FFFF").value == 2**63 - 1
    assert decode(entry("u64"), "8000 0000 0000 0000") == Reading(3, None, Quality.BAD_OUT_OF_RANGE)
    assert decode(entry("i64", scale=Scale(5, 0)), "C000 0000 0000 0000") == Reading(3, None, Quality.BAD_OUT_OF_RANGE)


def test_sentinels_and_what_is_no_number_have_no_value() -> None:
    assert decode(entry("i16", sentinels=frozenset({-32768})), "8000") == Reading(3, None, NO_VALUE)
    assert decode(entry("i16", sentinels=frozenset({-32768})), "7FFF") == Reading(3, 32767, Quality.GOOD)
    assert decode(entry("u16", absent=frozenset({0xFFFF})), "FFFF") == Reading(3, None, Quality.BAD_NO_DATA)
    (largest,) = struct.unpack(">f", bytes.fromhex("7F7FFFFF"))
    assert decode(entry("f32", sentinels=frozenset({largest})), "7F7F FFFF") == Reading(3, None, NO_VALUE)
    for not_finite in ("7FC0 0000", "7F80 0000", "FF80 0000"):
        assert decode(entry("f32"), not_finite) == Reading(3, None, NO_VALUE)


def test_bit_fields_share_a_register() -> None:
    fields = [(index, entry("u16", bits=bits)) for index, bits in enumerate([(0, 1), (1, 1), (4, 3), (15, 1)])]
    readings = compile_span(fields, Span("input", 0, 1))(bytes.fromhex("80 51"))
    assert [reading.value for reading in readings] == [1, 0, 5, 1]


def test_bits_are_counted_from_the_spans_own_first() -> None:
    bits = [(index, Entry(CHANNEL, Table.DISCRETE, address)) for index, address in enumerate([10, 12, 19])]
    readings = compile_span(bits, Span("discrete", 10, 10))(bytes.fromhex("01 02"))
    assert [reading.value for reading in readings] == [1, 0, 1]


def test_only_channels_that_lie_whole_in_the_span_and_its_table_are_read() -> None:
    entries = [
        (0, entry("u32", address=0)),
        (1, entry("u16", address=2)),
        (2, entry("u32", address=4)),
        (3, Entry(CHANNEL, Table.HOLDING, 2, "u16")),
    ]
    readings = compile_span(entries, Span("input", 1, 4))(bytes(8))
    assert list(readings) == [Reading(1, 0, Quality.GOOD)]
    assert compile_span(entries, Span("coil", 0, 8))(b"\0").channels == ()


@pytest.mark.parametrize(("span", "size"), [(Span("input", 0, 2), 3), (Span("coil", 0, 9), 1)])
def test_another_length_than_the_spans_is_nonsense(span: Span, size: int) -> None:
    with pytest.raises(Nonsense, match="not"):
        compile_span([], span)(bytes(size))


@given(st.lists(st.sampled_from(sorted(NUMBER_TYPES)), min_size=1, max_size=12), st.data())
def test_a_whole_span_decodes_as_its_numbers_one_by_one(types: list[str], data: st.DataObject) -> None:
    """Against struct, number by number, with gaps between and in any order of channels."""
    address = 1000
    entries: list[tuple[int, Entry]] = []
    expected: list[Number | None] = []
    raw = bytearray()
    for name in types:
        number = NUMBER_TYPES[name]
        block = data.draw(st.binary(min_size=2 * number.registers, max_size=2 * number.registers))
        gap = data.draw(st.integers(0, 2))
        (value,) = struct.unpack(">" + number.code, block)
        entries.append((len(entries), Entry(CHANNEL, Table.INPUT, address, name)))
        expected.append(None if not math.isfinite(value) or (abs(value) > 2**63 - 1 and not number.is_float) else value)
        raw += block + bytes(2 * gap)
        address += number.registers + gap
    shuffled = data.draw(st.permutations(entries))
    readings = compile_span(shuffled, Span("input", 1000, len(raw) // 2))(bytes(raw))
    assert [reading.channel for reading in readings] == [index for index, _ in shuffled]
    assert {reading.channel: reading.value for reading in readings} == dict(enumerate(expected))
