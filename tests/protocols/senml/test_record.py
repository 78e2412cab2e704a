from decimal import Decimal

import pytest

from protocols.errors import RemoteProtocolError
from protocols.senml.record import MAX_TEXT, Record, record_of


def test_a_field_that_nobody_knows_is_left_out() -> None:
    assert record_of({"n": "a", "v": 1, "l": "old", "colour": [1]}) == Record(name="a", value=1)


def test_a_field_that_must_be_understood_is_an_error() -> None:
    with pytest.raises(RemoteProtocolError, match="'colour_' must be understood"):
        record_of({"n": "a", "v": 1, "colour_": "red"})


def test_a_record_with_two_values_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="not v and vs"):
        record_of({"n": "a", "v": 1, "vs": "one"})


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("v", "1"),
        ("v", True),
        ("v", None),
        ("vs", 1),
        ("vs", "a\0b"),
        ("vs", "half of a pair \ud83d"),
        ("vb", 1),
        ("vb", 0),
        ("vd", "text"),
        ("vd", bytes(MAX_TEXT + 1)),
        ("n", 5),
        ("n", "n" * (MAX_TEXT + 1)),
        ("bn", None),
        ("u", 5),
        ("t", "now"),
        ("bt", Decimal("NaN")),
        ("s", True),
        ("bver", 0),
        ("bver", -5),
        ("bver", True),
        ("bver", Decimal(10)),
    ],
)
def test_a_field_of_the_wrong_type_is_named(label: str, value: object) -> None:
    with pytest.raises(RemoteProtocolError, match=f"field '{label}' is not"):
        record_of({label: value})


def test_a_record_says_its_fields_in_the_order_of_the_rfc() -> None:
    record = Record("n", "Cel", Decimal("1.5"), 3, -5, 60, "b", 1, "V", 2, 4, 5)
    assert " ".join(label for label, _ in record.fields()) == "bn bt bu bv bs bver n u t v s ut"


@pytest.mark.parametrize(("value", "label"), [(1, "v"), (True, "vb"), ("x", "vs"), (b"x", "vd"), (Decimal(1), "v")])
def test_the_type_of_a_value_says_its_label(value: int, label: str) -> None:
    assert list(Record(value=value).fields()) == [(label, value)]
