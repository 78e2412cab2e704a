from protocols.at.dialects import DIALECTS


def test_every_family_is_found_by_its_own_name() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {n: n for n in ("bc95", "bc660k", "sim7020")}
