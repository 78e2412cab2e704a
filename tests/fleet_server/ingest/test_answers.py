import hashlib

from hypothesis import given
from hypothesis import strategies as st

from fleet_server.ingest.answers import RETRY_AFTER_MS, acknowledgements, seal
from fleet_server.ingest.commit import Answer
from protocols.edge import envelope
from protocols.edge.cose import key_id
from protocols.edge.messages import AckStatus, acknowledgement_digest

KEY = b"k" * 32


def digest(seq: int) -> bytes:
    return hashlib.sha256(str(seq).encode()).digest()


@given(st.dictionaries(st.integers(1, 60), st.sampled_from(AckStatus), min_size=1))
def test_every_seq_is_answered_once_in_a_range_whose_digest_covers_it(statuses: dict[int, AckStatus]) -> None:
    answers = [Answer(seq, status, digest(seq)) for seq, status in statuses.items()]
    (acknowledgement,) = acknowledgements({("D1", 5): [*answers, *answers]})
    told: dict[int, AckStatus] = {}
    for acked in acknowledgement.ranges:
        run = range(acked.first, acked.last + 1)
        assert acked.digest == acknowledgement_digest([digest(seq) for seq in run])
        assert not told.keys() & set(run)
        told.update(dict.fromkeys(run, acked.status))
    assert told == statuses
    assert acknowledgement.retry_after_ms == (RETRY_AFTER_MS if AckStatus.SLOW in statuses.values() else 0)


def test_the_original_and_its_fork_in_one_group_are_both_answered() -> None:
    original, fork = Answer(5, AckStatus.STORED, digest(5)), Answer(5, AckStatus.FORK, digest(99))
    (acknowledgement,) = acknowledgements({("D1", 5): [original, fork, Answer(6, AckStatus.STORED, digest(6))]})
    assert {(r.first, r.last, r.status) for r in acknowledgement.ranges} == {
        (5, 5, AckStatus.STORED),
        (5, 5, AckStatus.FORK),
        (6, 6, AckStatus.STORED),
    }


def test_an_acknowledgement_opens_under_the_gateways_key_on_its_own_topic() -> None:
    (acknowledgement,) = acknowledgements({("D1", 5): [Answer(1, AckStatus.STORED, digest(1))]})
    topic, sealed = seal(acknowledgement, KEY)
    assert topic == "hutong/1/D1/ack"
    assert envelope.open_sealed(envelope.parse_topic(topic), sealed, {key_id(KEY): KEY}).message == acknowledgement


def test_no_answers_make_no_acknowledgement() -> None:
    assert acknowledgements({}) == acknowledgements({("D1", 5): []}) == []
