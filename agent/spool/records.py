"""What the spool gives out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protocols.edge.messages import Dropped


class Row(NamedTuple):
    """`birth` is the hash of the description that a batch, or a birth itself, stands under. `place` is the seq that an
    event had first: it may have moved to another, and stays where it was among the events."""

    seq: int
    leaf: str
    payload: bytes
    digest: bytes
    birth: bytes | None
    place: int | None = None


class Want(NamedTuple):
    """Rows kept as `keep` (agent.spool.store), behind seq `after` up to `until`, of up to `most_bytes` but at least
    one; of events their places are meant. `ahead` more seqs are noted as being about to be sent."""

    keep: int
    after: int
    until: int
    most_bytes: int
    ahead: int


class Freed(NamedTuple):
    """`refused` counts ranges that freed nothing: other bytes than ours, or not to be checked any more."""

    seqs: tuple[int, ...]
    refused: int


class CommandRecord(NamedTuple):
    """`intent` is the command's payload."""

    id: bytes
    intent: bytes
    received_ms: int


@dataclass(frozen=True)
class Counters:
    """Since the process started."""

    put: int = 0
    freed: int = 0
    dropped_quota: int = 0
    dropped_disk: int = 0
    dropped_damaged: int = 0
    thinned: int = 0  # batches that were said again in less detail
    refused_ranges: int = 0


NONE = Counters()


@dataclass(frozen=True)
class Snapshot:
    """What the spool holds; replaced as a whole after each commit. `bytes` estimates what rows take in the file.

    `claimed` has the ranges of seqs that may have been sent, by how their rows are kept (agent.spool.store).
    `captured` is what of `bytes` is taken by bursts."""

    incarnation: int
    next_seq: int
    connection: int
    first_kept: int = 1
    rows: int = 0
    bytes: int = 0
    quota: int = 0
    dropped: tuple[Dropped, ...] = ()
    claimed: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    captured: int = 0
    counters: Counters = NONE
