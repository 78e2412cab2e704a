import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import trace
from protocols.errors import RemoteProtocolError
from protocols.trace import About, Fault, Gap, Piece, Recording

TIMES = st.integers(0, 1 << 53)
WORDS = st.text(max_size=20)
ENTRIES = st.one_of(
    st.builds(Piece, TIMES, st.booleans(), st.binary(max_size=40)),
    st.builds(Fault, TIMES, WORDS, WORDS, WORDS),
    st.builds(Gap, TIMES, st.integers(1, 1000)),
)
ABOUTS = st.builds(
    About, WORDS, WORDS, WORDS, st.integers(0, 115_200), st.sampled_from("NEO"), st.integers(1, 2), TIMES,
    st.dictionaries(WORDS, WORDS, max_size=3),
)  # fmt: skip
RECORDINGS = st.lists(st.builds(Recording, ABOUTS, st.lists(ENTRIES, max_size=8).map(tuple)), max_size=3)


@given(RECORDINGS)
def test_what_was_written_is_read(recordings: list[Recording]) -> None:
    assert trace.decode(list(trace.encode(recordings))) == recordings


@given(st.lists(st.one_of(st.text(max_size=30), st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=6)), lambda some: st.dictionaries(
        st.sampled_from(["trace", "t", "sent", "heard", "fault", "gap", "units", "bus"]), some, max_size=4),
).map(json.dumps)), max_size=4))  # fmt: skip
def test_whatever_else_is_read_it_is_refused_as_the_others_fault(lines: list[str]) -> None:
    with suppress(RemoteProtocolError):
        trace.decode(lines)


def test_a_trace_of_a_later_version_is_refused_by_its_number() -> None:
    (header,) = trace.encode([Recording(About("a", "b", "c"), ())])
    with pytest.raises(RemoteProtocolError, match="version 2"):
        trace.decode([header.replace('"trace": 1', '"trace": 2')])
