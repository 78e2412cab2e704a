from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.spool.ranges import MAX_DECLARED, runs, with_dropped
from protocols.edge.messages import DropCause, Dropped

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
