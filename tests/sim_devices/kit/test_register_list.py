"""Vendors' lists as they come: encodings, headers, bases, types; and no row is lost."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.registers import NUMBER_TYPES, ORDERS
from drivers.modbus.template import parse_model
from drivers.template.quantities import QUANTITIES
from protocols.edge.birth import Kind
from sim_devices.kit import register_list, register_words
from sim_devices.kit.register_list import Unreadable, read, render

CHINESE = """\
某厂寄存器表,,,,,,,
序号,参数名称,变量名,寄存器地址,数据类型,倍率,单位,读写
1,A相电压,voltage_a,40001,UINT16,0.1,V,R
2,正向有功电能,energy,40003,UINT32 CDAB,/100,kWh,R
3,柜内温度,temperature,40005,有符号16位,0.1,℃,R/W
,,,,,,,
4,型号,model_name,40020,STRING10,,,R
"""


def rows(*cells: str, header: str = "name,address,type") -> bytes:
    return "\n".join((header, *cells)).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_chinese_list_becomes_a_template_in_either_encoding(encoding: str) -> None:
    imported = read(CHINESE.encode(encoding))
    model = parse_model(render("panel", imported), "panel.toml")
    assert [(c.name, c.title["zh"], c.unit, c.kind, c.scale) for c in model.channels] == [
        ("voltage_a", "A相电压", "V", Kind.GAUGE, -1),
        ("energy", "正向有功电能", "kWh", Kind.COUNTER, -2),
        ("temperature", "柜内温度", "Cel", Kind.GAUGE, -1),
    ]
    assert [tuple(point[:3]) for point in model.points] == [("holding", 0, 1), ("holding", 2, 2), ("holding", 4, 1)]
    assert model.entries[1].order == "CDAB"
    assert model.channels[2].writable
    assert [line for line, _ in imported.refused] == [7]
    assert "STRING10" in imported.refused[0][1]
    assert "序号" in " ".join(imported.notes)


@pytest.mark.parametrize(
    ("address", "base", "place"),
    [
        ("40001", "auto", ("holding", 0)),
        ("400101", "auto", ("holding", 100)),
        ("30010", "auto", ("input", 9)),
        ("10001", "auto", ("discrete", 0)),
        ("0", "auto", ("holding", 0)),
        ("0x0010", "auto", ("holding", 16)),
        ("10H", "auto", ("holding", 16)),
        ("40001", "0", ("holding", 40001)),
        ("1", "1", ("holding", 0)),
        ("100-101", "auto", ("holding", 100)),
    ],
)
def test_an_address_is_where_its_base_says(address: str, base: str, place: tuple[str, int]) -> None:
    imported = read(rows(f"x,{address},", header="name,address,type"), base, "holding")
    assert imported.refused == []
    assert (imported.channels[0]["table"], imported.channels[0]["address"]) == place


@pytest.mark.parametrize(
    ("given", "found", "order"),
    [
        ("UINT16", "u16", None),
        ("signed short", "i16", None),
        ("float32 CDAB", "f32", "CDAB"),
        ("Float (swapped)", "f32", "ABCD"),
        ("单精度", "f32", "ABCD"),
        ("u32 little endian", "u32", "DCBA"),
        ("INT64", "i64", "ABCD"),
    ],
)
def test_a_vendors_word_for_a_type_is_known(given: str, found: str, order: str | None) -> None:
    imported = read(rows(f"x,7,{given}"), table="input")
    assert imported.refused == []
    assert (imported.channels[0]["type"], imported.channels[0]["order"]) == (found, order)


@pytest.mark.parametrize(("given", "factor"), [("0.1", "0.1"), ("/10", "0.1"), ("1/1000", "0.001"), ("x0.5", "0.5"),
                                               ("10^-2", "0.01"), ("÷4", "0.25"), ("10", "10")])  # fmt: skip
def test_a_scale_is_exact_however_it_is_written(given: str, factor: str) -> None:
    imported = read(rows(f"x,7,u16,{given}", header="name,address,type,scale"), table="input")
    assert Decimal(imported.channels[0]["scale"]) == Decimal(factor)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("x,,u16,,,,", "no address"),
        ("x,abc!,u16,,,,", "no number"),
        (",1,u16,,,,", "no name"),
        ("x,1,uint17,,,,", "did you mean 'uint1"),
        ("x,1,f32,0.1,,,", "what a float says is its value"),
        ("x,1,u16,1/3,,,", "no exact decimal"),
        ("x,1,u16,/0,,,", "is no number"),
        ("x,70000,u16,,,,", "not between 0 and 65535"),
        ("x,65535,u32,,,,", "would end behind the table"),
        ("x,1,u16,,input,R/W,", "can be written: input cannot"),
        ("x,40001,u16,,input,,", "of table holding, the list says input"),
        ("x,1,u16,,nowhere,,", "is none of coil"),
        ("x,1,u16,,holding,,nothing", "not told as 0=off"),
        ("x,1.77,u16,,,,", "not between 0 and 15"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line_and_why(row: str, why: str) -> None:
    header = "name,address,type,scale,table,access,states"
    imported = read(rows("good,9,u16,,,,", row, header=header), table="holding")
    assert [channel["name"] for channel in imported.channels] == ["good"]
    assert [line for line, _ in imported.refused] == [3]
    assert why in imported.refused[0][1]


def test_the_second_of_two_rows_with_one_name_is_refused_with_the_line_of_the_first() -> None:
    imported = read(rows("x,1,u16", "x,2,u16"), table="input")
    assert imported.refused == [(3, "the name 'x' stands on line 2 already")]


def test_a_list_that_names_no_table_asks_for_one() -> None:
    assert "--table" in read(rows("x,1,u16")).refused[0][1]


def test_a_float_that_looks_like_a_counter_is_told_to_be_a_gauge() -> None:
    imported = read(rows("total energy,1,f32"), table="input")
    assert imported.channels[0]["kind"] == "gauge"
    assert any("line 2: looks like a counter" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("raw", "why"),
    [(b"", "no header"), (b"a,b\n1,2\n", "no header"), (b"PK\x03\x04\x00\x00", "save the list as CSV"),
     (b"\xff\xff\xff", "neither UTF-8 nor GB18030")],
)  # fmt: skip
def test_a_file_that_is_no_list_is_refused_whole(raw: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(raw)


def test_our_words_are_those_of_the_templates() -> None:
    assert set(register_words.BITS) == set(NUMBER_TYPES)
    assert set(register_words.ORDERS) == set(ORDERS)
    assert set(register_words.QUANTITY_OF_UNIT.values()) <= set(QUANTITIES)


HEADER = (
    "name", "名称", "address", "table", "type", "order", "scale", "unit", "access", "kind", "min", "max", "length",
    "sentinel", "states",
)  # fmt: skip
SENSIBLE = {
    "name": ["a", "b", "energy total", "T1"],
    "address": ["1", "40001", "30005", "10002", "0x20", "7.3", "65535", "1-2"],
    "table": ["", "3", "input", "coil", "保持寄存器"],
    "type": ["", "uint16", "int16", "float32 CDAB", "u64", "bool", "int", "DINT"],
    "order": ["", "CDAB", "小端"],
    "scale": ["", "1", "0.1", "/100", "10"],
    "unit": ["", "V", "kWh", "℃"],
    "access": ["", "R", "R/W"],
    "kind": ["", "gauge", "counter", "state"],
    "min": ["", "0", "-5.5"],
    "max": ["", "100"],
    "length": ["", "1", "2", "4"],
    "sentinel": ["", "0x8000", "-1"],
    "states": ["", "0=off;1=on", "0:停 1:开"],
}
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ROWS = st.lists(
    st.tuples(*(st.one_of(st.sampled_from(SENSIBLE.get(column, [""])), CELLS) for column in HEADER)), max_size=12
)


@settings(max_examples=80)
@given(ROWS, st.sampled_from(["auto", "0", "1"]), st.sampled_from([None, "holding", "coil"]))
def test_every_row_is_taken_or_refused_and_what_is_taken_is_a_model(
    given_rows: list[tuple[str, ...]], base: str, table: str | None
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(given_rows)
    imported = read(text.getvalue().encode("utf-8"), base, table)
    filled = [row for row in given_rows if any(cell.strip() for cell in row)]
    assert len(imported.channels) + len(imported.refused) == len(filled)
    if imported.channels:
        model = parse_model(register_list.render("any", imported), "any.toml")
        assert len(model.channels) == len(imported.channels)


@pytest.mark.parametrize(
    ("limits", "told"),
    [("1,", "of the limits one is missing"), ("x,", "one is missing"), ("x,2", "are no numbers"), ("2,1", "lowest")],
)
def test_limits_that_are_none_are_told(limits: str, told: str) -> None:
    imported = read(rows(f"x,1,u16,{limits}", header="name,address,type,low,high"), "0", "holding")
    assert [told in reason for _, reason in imported.refused] == [True]
