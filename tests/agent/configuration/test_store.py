import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.configuration.store import INTERRUPTED, NAME, Record, Refused, Store
from agent.configuration.versions import Version

hashes = st.sampled_from("abc")


def test_a_record_is_read_as_it_was_kept(tmp_path: Path) -> None:
    record = Record(Version(3, "c"), "text = 1\n", Version(4, "d"), Refused(None, "line 3: é", 17), 4)
    Store(tmp_path).keep(record)
    assert Store(tmp_path).record == record
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    for text in ("", "{}", "[1]", json.dumps({"good": [1], "text": "", "trial": None, "refused": None, "last": 1})):
        (tmp_path / NAME).write_text(text)
        assert Store(tmp_path).record == Record()


def test_what_was_on_trial_when_the_power_went_is_refused_and_not_started_with() -> None:
    record = Record(Version(1, "a"), "good", Version(2, "b"), None, 2)
    assert record.distrusts("b")
    assert not record.distrusts("a")
    assert not record.distrusts("c")  # edited while the gateway was off: its owner has decided
    started = record.started("a", "good", 99)
    assert started == Record(Version(1, "a"), "good", None, Refused(Version(2, "b"), INTERRUPTED, 99), 2)
    assert started.distrusts("b")


@given(st.lists(hashes))
def test_equal_content_keeps_its_number_and_no_number_comes_twice(starts: list[str]) -> None:
    record, seen = Record(), dict[int, str]()
    for hash_ in starts:
        again = record.good is not None and record.good.hash == hash_
        before = record.good
        record = record.started(hash_, "", 0)
        assert record.good is not None
        assert record.good.hash == hash_
        assert (record.good == before) == again
        assert again or record.good.number not in seen
        seen[record.good.number] = hash_
