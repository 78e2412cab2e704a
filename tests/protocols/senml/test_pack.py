from decimal import Decimal

import pytest

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.senml.pack import checked, records_of
from protocols.senml.record import MAX_RECORDS, Record


def labels(item: object) -> dict[str, object]:
    assert isinstance(item, dict)
    return item


def test_a_fault_says_which_record_it_is_in() -> None:
    with pytest.raises(RemoteProtocolError, match="record 2: field 'v'"):
        records_of([{"n": "a", "v": 1}, {"n": "b", "v": "x"}], labels)


def test_a_pack_has_a_bound() -> None:
    assert len(records_of([{"n": "a", "v": 1}] * MAX_RECORDS, labels)) == MAX_RECORDS
    with pytest.raises(RemoteProtocolError, match="array of 1 to"):
        records_of([{"n": "a", "v": 1}] * (MAX_RECORDS + 1), labels)


def test_an_empty_pack_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="array of 1 to"):
        checked([])


def test_a_name_built_of_two_bad_parts_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="record 1: name"):
        checked([Record(base_name="a ", name="b", value=Decimal(1))])
