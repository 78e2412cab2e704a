"""Answers -> sealed acknowledgements, after the commit that makes them true."""

from collections.abc import Iterable, Mapping

from fleet_server.ingest.commit import Answer
from fleet_server.ingest.store import Key
from protocols.edge import envelope
from protocols.edge.messages import Acknowledgement, AckRange, AckStatus, acknowledgement_digest, encode

RETRY_AFTER_MS = 30_000  # for `slow`: long enough for an operator's or a job's clean-up to show


def acknowledgements(answers: Mapping[Key, Iterable[Answer]]) -> list[Acknowledgement]:
    return [
        Acknowledgement(gateway, incarnation, tuple(ranges), _retry(ranges))
        for (gateway, incarnation), given in answers.items()
        if (ranges := list(_ranges(given)))
    ]


def seal(acknowledgement: Acknowledgement, key: bytes) -> tuple[str, bytes]:
    """Topic and sealed bytes."""
    address = envelope.address_of(acknowledgement)
    return address.topic, envelope.seal(address, encode(acknowledgement), key)


def _ranges(given: Iterable[Answer]) -> Iterable[AckRange]:
    """Runs of consecutive seqs with one status. Of one message that came twice, one answer is enough."""
    run: list[Answer] = []
    for answer in sorted(dict.fromkeys(given), key=lambda answer: answer.seq):
        if run and (answer.seq != run[-1].seq + 1 or answer.status is not run[-1].status):
            yield _range(run)
            run = []
        run.append(answer)
    if run:
        yield _range(run)


def _range(run: list[Answer]) -> AckRange:
    digest = acknowledgement_digest([answer.digest for answer in run])
    return AckRange(run[0].seq, run[-1].seq, run[0].status, digest)


def _retry(ranges: list[AckRange]) -> int:
    return RETRY_AFTER_MS if any(acked.status is AckStatus.SLOW for acked in ranges) else 0
