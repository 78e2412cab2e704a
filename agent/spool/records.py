"""What the spool gives out."""

from dataclasses import dataclass
from typing import NamedTuple

from protocols.edge.messages import Dropped


class Row(NamedTuple):
    """`birth` is the hash of the description that a batch, or a birth itself, stands under."""

    seq: int
    leaf: str
    payload: bytes
    digest: bytes
    birth: bytes | None


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
    refused_ranges: int = 0


NONE = Counters()


@dataclass(frozen=True)
class Snapshot:
    """What the spool holds; replaced as a whole after each commit. `bytes` estimates what rows take in the file."""

    incarnation: int
    next_seq: int
    connection: int
    first_kept: int = 1
    rows: int = 0
    bytes: int = 0
    quota: int = 0
    dropped: tuple[Dropped, ...] = ()
    counters: Counters = NONE
