import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis import recorder
from agent.diagnosis.recorder import AFTER, BEFORE, FAULTS, OVERHEAD, RING_BYTES, Recorder
from protocols.trace import Fault, Gap, Piece

SAID = st.lists(st.one_of(st.binary(max_size=600), st.sampled_from(["timeout", "nonsense"])), max_size=300)


@given(SAID)
def test_memory_is_bounded_whatever_is_said_and_however_often_it_fails(said: list[bytes | str]) -> None:
    kept = Recorder()
    for one in said:
        if isinstance(one, str):
            kept.fault("D1", one, "it failed")
        else:
            kept.heard(one)
    assert sum(len(piece[2]) + OVERHEAD for piece in kept._ring) <= RING_BYTES
    assert len(kept._incidents) <= FAULTS
    numbers = [entry.t_us for entry in kept.entries()]
    assert numbers == sorted(numbers)


def test_what_was_said_around_a_fault_outlives_a_ring_that_has_long_gone_on() -> None:
    kept = Recorder()
    for number in range(40):
        kept.sent(b"before %d" % number)
    kept.fault("D1", "timeout", "no answer")
    for number in range(1000):
        kept.heard(b"after %d " % number + bytes(100))
    entries = list(kept.entries())
    fault = next(place for place, entry in enumerate(entries) if isinstance(entry, Fault))
    before, after = entries[:fault], entries[fault + 1 :]
    assert [entry.data for entry in before if isinstance(entry, Piece)] == [
        b"before %d" % number for number in range(40 - BEFORE, 40)
    ]
    frozen = [entry.data.split(b" ", 2)[1] for entry in after[:AFTER] if isinstance(entry, Piece)]
    assert frozen == [b"%d" % number for number in range(AFTER)]
    gap = after[AFTER]
    assert isinstance(gap, Gap)
    pieces = sum(isinstance(entry, Piece) for entry in after)
    assert pieces + gap.pieces == 1000


def test_who_follows_is_given_each_piece_once() -> None:
    kept = Recorder()
    got: list[bytes] = []
    since = 0
    for number in range(50):
        kept.heard(b"%d" % number)
        if number % 7 == 3:
            got += [entry.data for entry in kept.entries(since) if isinstance(entry, Piece)]
            since = kept.next
    got += [entry.data for entry in kept.entries(since) if isinstance(entry, Piece)]
    assert got == [b"%d" % number for number in range(50)]


def test_a_device_that_fails_all_the_time_does_not_push_out_the_faults_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder, "APART_NS", 0)
    kept = Recorder()
    kept.fault("D1", "nonsense", "once")
    for _ in range(100):
        kept.heard(b"x")
        kept.fault("D2", "timeout", "again")
    assert {entry.device for entry in kept.entries() if isinstance(entry, Fault)} == {"D1", "D2"}


def test_a_fault_that_repeats_within_a_second_is_kept_once() -> None:
    kept = Recorder()
    for _ in range(5):
        kept.fault("D1", "timeout", "no answer")
    assert sum(isinstance(entry, Fault) for entry in kept.entries()) == 1
