from fleet_server.domains.codes import divisions
from protocols.citycode import RETIRED_DIVISIONS


def test_the_table_has_beijings_districts_and_sub_districts() -> None:
    assert sum(divisions.is_district(code) for code in divisions._table()) == 16
    assert sum(len(code) == 9 for code in divisions._table()) == 349


def test_a_division_is_named_from_the_city_down() -> None:
    found = divisions.find("110114011001001")
    assert found is not None
    assert (found.code, found.name, found.retired) == ("110114011", "北京市昌平区回龙观街道", False)
    assert divisions.find("110114") == divisions.Division("110114", ("北京市", "昌平区"), False)


def test_an_unknown_sub_district_is_its_district() -> None:
    found = divisions.find("110114999")
    assert found is not None
    assert found.code == "110114"


def test_outside_beijing_nothing_is_known() -> None:
    assert divisions.find("320582") is None
    assert divisions.find("119999") is None


def test_a_retired_division_has_its_old_name_and_gets_no_codes() -> None:
    for code in RETIRED_DIVISIONS:
        found = divisions.find(code)
        assert found is not None
        assert found.retired
        assert not divisions.is_district(code)
