import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.at.text import Line, from_hex, integer, parse_line, quote, split_fields, unquote
from protocols.errors import LocalProtocolError, RemoteProtocolError

words = st.text(st.characters(codec="ascii", exclude_characters='"', categories=("L", "N", "P", "Zs")), max_size=12)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CSQ:13,99", Line("+CSQ", ("13", "99"))),
        ("+CSQ: 13,99", Line("+CSQ", ("13", "99"))),
        ("+CSQ : 13, 99", Line("+CSQ", ("13", "99"))),
        ("Signal power:-758", Line("Signal power", ("-758",))),
        ('+QIURC: "recv",0,2,"4f4b"', Line("+QIURC", ('"recv"', "0", "2", '"4f4b"'))),
        ("0,119.23.26.195,9100,3,616263,0", Line("", ("0", "119.23.26.195", "9100", "3", "616263", "0"))),
        ('+COPS: 0,2,"a,b: c",9', Line("+COPS", ("0", "2", '"a,b: c"', "9"))),
        ("+QENG: 0,2506,,176", Line("+QENG", ("0", "2506", "", "176"))),
    ],
)
def test_a_line_is_its_name_and_its_fields(line: str, expected: Line) -> None:
    assert parse_line(line) == expected


@given(st.lists(words, min_size=1, max_size=6))
def test_commas_inside_quotes_part_no_fields(values: list[str]) -> None:
    assert [unquote(field) for field in split_fields(",".join(map(quote, values)))] == values


@pytest.mark.parametrize("line", ['+QIURC: "recv,0', '+X: "a"b,1', 'a"b'])
def test_quotes_that_do_not_pair_are_refused(line: str) -> None:
    with pytest.raises(RemoteProtocolError, match="do not pair"):
        parse_line(line)


@pytest.mark.parametrize("field", ["", "1.5", "0x10", "--1", "9" * 19, "１"])
def test_what_is_no_integer_is_refused(field: str) -> None:
    with pytest.raises(RemoteProtocolError, match="no integer"):
        integer(field)


def test_a_field_that_is_not_there_is_the_other_sides_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="2 are needed"):
        parse_line("+CEREG: 0").integer(1)


@pytest.mark.parametrize("text", ['a"b', "a\r\nAT", "街"])
def test_what_quotes_cannot_hold_is_not_sent(text: str) -> None:
    with pytest.raises(LocalProtocolError):
        quote(text)


@given(st.binary(max_size=40))
def test_hexadecimal_of_either_case_gives_the_bytes(data: bytes) -> None:
    assert from_hex(data.hex(), len(data)) == data == from_hex(data.hex().upper(), len(data))


@pytest.mark.parametrize(("digits", "length"), [("48656C6C6F", 4), ("48656C6C6F", 10), ("4865", 3), ("486", 1)])
def test_a_payload_of_another_length_than_announced_is_refused(digits: str, length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        from_hex(digits, length)
    with pytest.raises(RemoteProtocolError, match="not hexadecimal"):
        from_hex("4G", 1)
