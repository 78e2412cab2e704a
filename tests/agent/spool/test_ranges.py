from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.spool.ranges import LAST_RESORT, MAX_CLAIMED, MAX_DECLARED, holds, runs, with_claimed, with_dropped
from protocols.edge.messages import MAX_RANGES, DropCause, Dropped

SEQS = st.sets(st.integers(1, 200))
CAUSES = st.sampled_from(DropCause)


def nothing_kept(_first: int, _last: int) -> bool:
    return False


@given(SEQS)
def test_runs_hold_each_seq_once_and_do_not_touch(seqs: set[int]) -> None:
    found = runs(sorted(seqs))
    assert [seq for first, last in found for seq in range(first, last + 1)] == sorted(seqs)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))


@given(st.lists(st.tuples(SEQS, CAUSES), max_size=6))
def test_every_dropped_seq_is_declared_with_its_cause(drops: list[tuple[set[int], DropCause]]) -> None:
    known: tuple[Dropped, ...] = ()
    expected: dict[int, DropCause] = {}
    for seqs, cause in drops:
        fresh = sorted(seqs - expected.keys())
        expected |= dict.fromkeys(fresh, cause)
        known = with_dropped(known, fresh, cause, nothing_kept)
    declared = {seq: one.cause for one in known for seq in range(one.first, one.last + 1)}
    assert declared == expected
    assert [one.first for one in known] == sorted(one.first for one in known)


def test_too_many_ranges_are_joined_over_what_was_acknowledged_but_never_over_what_is_kept() -> None:
    seqs = range(1, 4 * MAX_DECLARED, 2)
    kept = {2002}
    ranges = with_dropped((), seqs, DropCause.QUOTA, lambda first, last: any(first <= seq <= last for seq in kept))
    assert ranges == (Dropped(1, 2001, DropCause.QUOTA), Dropped(2003, seqs[-1], DropCause.QUOTA))


def test_a_state_can_be_declared_however_long_alarms_stand_between_what_was_dropped() -> None:
    """Months of them: each is kept, none can be joined over, and a State with more ranges is refused by the server."""
    ranges: tuple[Dropped, ...] = ()
    for first in range(1, 20_000, 1000):
        ranges = with_dropped(ranges, range(first, first + 1000, 2), DropCause.QUOTA, lambda *_: True)
    assert len(ranges) <= LAST_RESORT < MAX_RANGES
    assert (ranges[0].first, ranges[-1].last) == (1, 19_999)
    assert [one.first for one in ranges] == sorted(one.first for one in ranges)


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 9)), max_size=40), st.integers(1, 3000))
def test_whatever_may_have_been_sent_is_claimed(claims: list[tuple[int, int]], other: int) -> None:
    ranges: tuple[tuple[int, int], ...] = ()
    for first, more in claims:
        ranges = with_claimed(ranges, first, first + more)
    claimed = {seq for first, more in claims for seq in range(first, first + more + 1)}
    assert all(holds(ranges, seq) for seq in claimed)
    assert holds(ranges, other) == (other in claimed)


def test_too_many_claims_are_joined_and_none_is_forgotten() -> None:
    ranges: tuple[tuple[int, int], ...] = ()
    seqs = [number * number for number in range(1, 3 * MAX_CLAIMED)]
    for seq in seqs:
        ranges = with_claimed(ranges, seq, seq)
    assert len(ranges) <= MAX_CLAIMED
    assert all(holds(ranges, seq) for seq in seqs)
