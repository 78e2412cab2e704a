import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.lines.pattern import Pattern, Value

STATION = Pattern("$TEMP,{temperature:decimal},{humidity:decimal?},{state:word}")


def test_fields_are_taken_by_name_and_exactly() -> None:
    assert STATION.parse(b"$TEMP,-23.50,40,OK") == {
        "temperature": Decimal("-23.50"),
        "humidity": Decimal(40),
        "state": "OK",
    }


def test_another_kind_of_line_is_not_an_error() -> None:
    assert STATION.parse(b"Booting v1.2 ...") is None


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"$TEMP,23.5", "no ',' behind temperature"),
        (b"$TEMP,,40,OK", "temperature is '', no decimal"),
        (b"$TEMP,23.5x,40,OK", "temperature is '23.5x', no decimal"),
        (b"$TEMP,nan,40,OK", "no decimal"),
        (b"$TEMP,1e999,40,OK", "no decimal"),
        (b"$TEMP," + b"9" * 21 + b",40,OK", "no decimal"),
        ("$TEMP,٣,40,OK".encode(), "no decimal"),
        (b"$TEMP,23.5,40,", "state is '', no word"),
        (b"$TEMP,23.5,40,O K", "state is 'O K', no word"),
        (b"$TEMP,23.5,40,O\x00K", "no word"),
    ],
)
def test_a_line_that_goes_wrong_behind_its_beginning_says_where(line: bytes, cause: str) -> None:
    with pytest.raises(RemoteProtocolError, match=cause):
        STATION.parse(line)


def test_an_empty_optional_field_has_no_value() -> None:
    assert STATION.parse(b"$TEMP,23.5,,OK") == {"temperature": Decimal("23.5"), "state": "OK"}


def test_padding_around_a_field_does_not_count() -> None:
    pattern = Pattern("{a:decimal} {b:integer} m/s")
    assert pattern.parse(b"   1.5 \t  -3  m/s  ") == {"a": Decimal("1.5"), "b": -3}


def test_units_in_any_script_may_stand_in_a_pattern() -> None:
    assert Pattern("温度={t:decimal}°C").parse("温度= 23.5°C".encode()) == {"t": Decimal("23.5")}


def test_braces_are_written_twice() -> None:
    assert Pattern('{{"t":{t:decimal}}}').parse(b'{"t":23.5}') == {"t": Decimal("23.5")}


def test_hexadecimal_and_skipped_fields() -> None:
    assert Pattern("R {:any};{raw:hex};{:any}").parse(b"R 12 34;0fA0;whatever;more") == {"raw": 0x0FA0}


def test_what_stands_behind_the_pattern_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="' C' behind the pattern's end"):
        Pattern("T={t:decimal};").parse(b"T=1; C")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "no named field"),
        ("hello", "no named field"),
        ("{:any}", "no named field"),
        ("{a:decimal}{b:decimal}", "nothing parts {b:decimal}"),
        ("{a:decimal},{a:decimal}", "two fields of one name"),
        ("{a:float}", "no type 'float'; there are decimal, integer"),
        ("{a}", "is no field"),
        ("{A:decimal}", "is no field"),
        ("{a:decimal", "lone '{' at 1"),
        ("a:decimal}", "lone '}' at 10"),
        ("{a:decimal}\n", "no line end"),
        ("{a:decimal?} {b:decimal}", "a may be empty"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(text: str, cause: str) -> None:
    with pytest.raises(LocalProtocolError, match=cause):
        Pattern(text)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.none() | st.integers(-(10**18), 10**18).map(Decimal),
    st.from_regex(r"[!-+.-~]{1,20}", fullmatch=True),
)
def test_a_line_that_is_written_is_read_again(temperature: Decimal, humidity: Decimal | None, state: str) -> None:
    values: dict[str, Value] = {"temperature": temperature, "state": state}
    if humidity is not None:
        values["humidity"] = humidity
    assert STATION.parse(STATION.format(values)) == values


@pytest.mark.parametrize(
    "values", [{"temperature": Decimal(1)}, {"temperature": Decimal("NaN"), "state": "OK"}, {"unknown": 1}]
)
def test_values_that_the_pattern_cannot_hold_are_not_written(values: dict[str, Value]) -> None:
    with pytest.raises(LocalProtocolError):
        STATION.format(values)


@given(st.binary(max_size=80) | st.text("$TEMP,.0-9 ", max_size=40).map(lambda text: b"$TEMP," + text.encode()))
def test_no_line_breaks_the_pattern(line: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        STATION.parse(line)
