"""Ranges of seqs that are no more, as a State declares them. Pure."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from protocols.edge.messages import DropCause, Dropped

MAX_DECLARED = 512  # a State may hold 4,096 (messages.MAX_RANGES); it is sent often
LAST_RESORT = 2048  # a State that cannot be sent, or that the server refuses, would cut the gateway off for ever
MAX_CLAIMED = 256


def runs(seqs: Iterable[int]) -> list[tuple[int, int]]:
    """Rising seqs as (first, last) of each unbroken run."""
    found: list[tuple[int, int]] = []
    for seq in seqs:
        if found and seq == found[-1][1] + 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return found


def with_dropped(
    known: tuple[Dropped, ...], seqs: Iterable[int], cause: DropCause, is_kept: Callable[[int, int], bool]
) -> tuple[Dropped, ...]:
    """`known` and the rising `seqs`, in order and as few ranges as tell the truth.

    Past MAX_DECLARED, the oldest neighbours of one cause are joined where nothing between them is kept: what stood
    there was acknowledged, and to declare it dropped as well takes nothing from anybody. `is_kept` tells whether any
    row from one seq to another is.
    """
    added = [Dropped(first, last, cause) for first, last in runs(seqs)]
    ranges = _joined(sorted([*known, *added], key=lambda one: one.first), lambda before, after: before + 1 == after)
    if len(ranges) > MAX_DECLARED:
        ranges = _joined(ranges, lambda before, after: not is_kept(before + 1, after - 1))
    # The server asks what it received before what was declared: a kept row that is declared here is shown as dropped
    # until it arrives, and is received then all the same.
    while len(ranges) > LAST_RESORT:
        ranges = [Dropped(ranges[0].first, ranges[1].last, ranges[1].cause), *ranges[2:]]
    return tuple(ranges)


def with_claimed(known: Sequence[tuple[int, int]], first: int, last: int) -> tuple[tuple[int, int], ...]:
    """Ranges that hold `known` and `first` to `last`; past MAX_CLAIMED also what lies in the narrowest gaps."""
    found: list[tuple[int, int]] = []
    for one in sorted([*known, (first, last)]):
        if found and one[0] <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], one[1]))
        else:
            found.append(one)
    while len(found) > MAX_CLAIMED:
        place = min(range(len(found) - 1), key=lambda at: found[at + 1][0] - found[at][1])
        found[place : place + 2] = [(found[place][0], found[place + 1][1])]
    return tuple(found)


def holds(ranges: Sequence[tuple[int, int]], seq: int) -> bool:
    """Whether a range of the rising `ranges` has `seq`."""
    place = bisect_right(ranges, (seq, seq), key=lambda one: (one[0], seq)) - 1
    return place >= 0 and ranges[place][1] >= seq


def _joined(ranges: list[Dropped], joins: Callable[[int, int], bool]) -> list[Dropped]:
    found: list[Dropped] = []
    for one in ranges:
        last = found[-1] if found else None
        if last is not None and last.cause == one.cause and joins(last.last, one.first):
            found[-1] = Dropped(last.first, one.last, one.cause)
        else:
            found.append(one)
    return found
