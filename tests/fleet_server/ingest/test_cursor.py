from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.cursor import Cursor, Verdict
from protocols.edge.messages import AckStatus, digest


def cursor() -> Cursor:
    return Cursor(1, "D1", 5, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1)), max_size=40))
def test_each_seq_is_fresh_once_then_a_repeat_of_its_own_bytes_and_a_fork_of_all_others(
    messages: list[tuple[int, int]],
) -> None:
    kept = cursor()
    first: dict[int, bytes] = {}
    for seq, variant in messages:
        seen = digest(f"{seq}:{variant}".encode())
        verdict = kept.judge(seq, seen)
        if seq not in first:
            assert verdict is Verdict.FRESH
            kept.receive(seq, seen, AckStatus.STORED)
            first[seq] = seen
        else:
            assert verdict is (Verdict.REPEAT if first[seq] == seen else Verdict.FORK)
    assert kept.received.size == kept.stored == len(first)
    assert kept.next_seq == max(first, default=0) + 1
