"""What to do with an authentic message, given what has been received of its incarnation."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from fleet_server.ingest.sequences import DIGEST, Digests, Ranges
from protocols.edge.messages import AckStatus, DropCause, State

MAX_HOLES = 4096  # ranges of received seqs: an honest spool is sent in order and has a handful
CAUSES = {
    DropCause.QUOTA: "quota",
    DropCause.DISK: "disk",
    DropCause.DAMAGED: "damaged",
    DropCause.THINNED: "thinned",
}


class Verdict(Enum):
    """`FRESH` is not yet received; what it says is looked at next."""

    FRESH = "fresh"
    REPEAT = "repeat"
    FORK = "fork"
    TOO_MANY_HOLES = "too-many-holes"


@dataclass(eq=False)
class Cursor:
    """A gateway_incarnation row that this transaction holds locked."""

    id: int
    gateway: str
    incarnation: int
    first_seen: datetime
    received: Ranges = field(default_factory=Ranges)
    dropped: dict[str, Ranges] = field(default_factory=dict)
    first_kept: int = 1
    next_seq: int = 1
    stored: int = 0
    repeats: int = 0
    forks: int = 0
    quarantined: int = 0
    digests: Digests = field(default_factory=Digests)

    def judge(self, seq: int, digest: bytes) -> Verdict:
        """Whether the message of `seq` is new, the same again, or another under the same identity.

        A received seq whose digest is no longer kept counts as a fork: the gateway then sends its rows again under a
        new incarnation, so that at worst readings stand twice, while the other mistake would lose them.
        """
        if seq in self.received:
            return Verdict.REPEAT if self.digests.get(seq) == digest[:DIGEST] else Verdict.FORK
        if len(self.received) >= MAX_HOLES and seq - 1 not in self.received and seq + 1 not in self.received:
            return Verdict.TOO_MANY_HOLES
        return Verdict.FRESH

    def receive(self, seq: int, digest: bytes, status: AckStatus) -> None:
        """`status` is STORED or QUARANTINED: either way the message is kept and will not be taken again."""
        self.received.add(seq, seq)
        self.digests.put(seq, digest)
        self.next_seq = max(self.next_seq, seq + 1)
        if status is AckStatus.STORED:
            self.stored += 1
        else:
            self.quarantined += 1

    def hear(self, state: State) -> None:
        """Merge what the gateway says of its spool. Only ever forward: States may come late."""
        self.first_kept = max(self.first_kept, state.first_kept)
        self.next_seq = max(self.next_seq, state.next_seq)
        for drop in state.dropped:
            ranges = self.dropped.setdefault(CAUSES[drop.cause], Ranges())
            if len(ranges) < MAX_HOLES:
                ranges.add(drop.first, drop.last)
