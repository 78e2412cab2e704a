import pytest

from fleet_server.kernel.divisions import by_code, known_path, name_of
from fleet_server.kernel.errors import Forbidden, Invalid
from fleet_server.kernel.principal import Principal, division_path, system


def someone(*scope: str) -> Principal:
    return Principal("user:1", "someone", "user", frozenset({"ledger:read"}), scope)


@pytest.mark.parametrize(
    ("scope", "division", "covered"),
    [
        ("bj", "bj.110114", True),
        ("bj.110114", "bj.110114", True),
        ("bj.110114", "bj.110114.110114011", True),
        ("bj.110114", "bj.1101145", False),
        ("bj.110114.110114011", "bj.110114", False),
    ],
)
def test_a_scope_covers_what_lies_under_it(scope: str, division: str, covered: bool) -> None:
    assert someone(scope).covers(division) is covered


def test_an_empty_scope_covers_nothing() -> None:
    assert not someone().covers("bj")


@pytest.mark.parametrize("scope", ["", "bj.", "bj,gd", "bj}", 'bj"', "bj..x", "京"])
def test_a_scope_that_could_break_out_of_its_setting_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="not a division path"):
        someone(scope)


def test_a_missing_permission_is_named() -> None:
    with pytest.raises(Forbidden, match="commands:send"):
        someone("bj").require("commands:send")
    system("job").require("commands:send")


def test_a_division_code_becomes_its_path() -> None:
    assert [division_path(code) for code in ("11", "110114", "110114011")] == [
        "bj",
        "bj.110114",
        "bj.110114.110114011",
    ]
    for wrong in ("", "12", "1101", "440300", "1101140110", "११0114"):
        with pytest.raises(ValueError, match="division"):
            division_path(wrong)


def test_the_list_has_16_districts_and_349_parts_of_them() -> None:
    lengths = [len(code) for code in by_code()]
    assert (lengths.count(6), lengths.count(9)) == (16, 349)
    assert name_of("bj.110114.110114011") == "回龙观街道"


def test_a_division_is_known_by_code_and_by_path_and_no_other() -> None:
    assert known_path("110114011") == known_path("bj.110114.110114011") == "bj.110114.110114011"
    for wrong in ("110199", "bj.x", "bj.110114.110115001", "gd"):
        with pytest.raises(Invalid):
            known_path(wrong)
