# ruff: noqa: DTZ001 - a meter says no zone
from datetime import datetime

import pytest

from protocols.dlt645.times import decode_time
from protocols.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("data", "time"),
    [
        ("3022110515", datetime(2015, 5, 11, 22, 30)),
        ("593022110515", datetime(2015, 5, 11, 22, 30, 59)),
        ("FFFFFFFFFF", None),
        ("000000000000", None),
    ],
)
def test_a_time_stands_with_its_smallest_part_first(data: str, time: datetime | None) -> None:
    assert decode_time(bytes.fromhex(data)) == time


@pytest.mark.parametrize("data", ["30221105", "6022110515", "3022320515", "3022111315", "302211051A"])
def test_what_is_no_time_is_refused(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_time(bytes.fromhex(data))
