from functools import partial

import pytest

from fleet_server.web.i18n import Catalogue
from fleet_server.web.places import component_name, component_order
from protocols.citycode import mint

CATALOGUE = Catalogue.load()


def code(class_: str, serial: int, district: str = "110114") -> str:
    return mint("B", f"{district}{class_}{serial:06d}").text


@pytest.mark.parametrize(
    ("class_", "serial", "english", "chinese"),
    [
        ("0117", 3, "Lamp pole 3", "路灯杆 3"),
        ("0107", 10, "Telecom manhole 10", "通信井盖 10"),
        ("0116", 1, "Feeder box 1", "配电箱 1"),
        ("2101", 4, "Tunnel compartment 4", "管廊舱段 4"),
    ],
)
def test_a_component_is_called_by_its_class_and_number(class_: str, serial: int, english: str, chinese: str) -> None:
    for language, words in (("en", english), ("zh", chinese)):
        assert component_name(code(class_, serial), partial(CATALOGUE.text, language)) == words


@pytest.mark.parametrize(
    "text", [code("7777", 3), mint("D", "1101149001000003").text, "B1101140117000003?", "roof", ""]
)
def test_what_has_no_name_is_given_none(text: str) -> None:
    assert component_name(text, partial(CATALOGUE.text, "en")) == ""


def test_components_stand_by_class_and_number_whatever_their_district_and_other_words_behind_them() -> None:
    ordered = [
        code("0107", 7), code("0117", 2, "110115"), code("0117", 3), code("0117", 10), code("2101", 1), "meter_1p",
    ]  # fmt: skip
    assert sorted(sorted(ordered), key=component_order) == ordered
