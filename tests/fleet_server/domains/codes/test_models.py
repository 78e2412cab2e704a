import pytest

from fleet_server.domains.codes.models import LAST_SERIAL, check_minting, check_purpose, compose, division_of, read
from fleet_server.kernel.errors import Conflict, Forbidden, Invalid
from fleet_server.kernel.principal import PERMISSIONS, Principal
from protocols import citycode
from protocols.citycode import Kind


def person(*scope: str) -> Principal:
    return Principal("user:1", "Li", "user", frozenset(PERMISSIONS), scope)


@pytest.mark.parametrize("scope", ["bj", "bj.110114", "bj.110114.110114011"])
def test_whoever_works_in_a_part_of_a_district_mints_in_it(scope: str) -> None:
    assert check_minting(person(scope), "B", "110114", "0118") is Kind.COMPONENT


@pytest.mark.parametrize("scope", [(), ("bj.110105",), ("bj.110105.110105001",)])
def test_whoever_does_not_mints_nothing(scope: tuple[str, ...]) -> None:
    with pytest.raises(Forbidden):
        check_minting(person(*scope), "B", "110114", "0118")


@pytest.mark.parametrize(
    ("kind", "division", "class_", "field"),
    [
        ("A", "110114", "0118", "kind"),
        ("U", "110114", "0118", "kind"),
        ("X", "110114", "0118", "kind"),
        ("B", "110103", "0118", "division"),
        ("B", "320582", "0118", "division"),
        ("B", "110114011", "0118", "division"),
        ("B", "110114", "118", "class"),
        ("B", "110114", "01a8", "class"),
        ("B", "110114", "٠١١٨", "class"),
        ("D", "110114", "0118", "class"),
    ],
)
def test_what_cannot_be_minted_is_refused_by_the_field_that_is_wrong(
    kind: str, division: str, class_: str, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_minting(person("bj"), kind, division, class_)
    assert list(caught.value.fields) == [field]


def test_serials_end() -> None:
    assert compose(Kind.COMPONENT, "110114", "0118", 123).text == "B11011401180001239"
    assert compose(Kind.COMPONENT, "110114", "0118", LAST_SERIAL).body.endswith("999999")
    with pytest.raises(Conflict, match="used"):
        compose(Kind.COMPONENT, "110114", "0118", LAST_SERIAL + 1)


def test_a_wrong_code_is_invalid_with_the_reason() -> None:
    with pytest.raises(Invalid, match="asks for 9") as caught:
        read("B11011401180001238")
    assert "asks for 9" in caught.value.fields["code"]


def test_people_and_organisations_have_no_division() -> None:
    assert division_of(citycode.parse("R1SGVBA0NPU8H0E0LM")) is None
    assert division_of(citycode.parse("U91110000600037341L1")) is None
    area = division_of(citycode.parse("A110114011Z"))
    assert area is not None
    assert area.name == "北京市昌平区回龙观街道"


@pytest.mark.parametrize("purpose", ["", "  ", "x" * 201, "a\0b", "a\nb"])
def test_a_purpose_is_one_line(purpose: str) -> None:
    with pytest.raises(Invalid):
        check_purpose(purpose)
