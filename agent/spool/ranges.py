"""Ranges of seqs that are no more, as a State declares them. Pure."""

from collections.abc import Callable, Iterable

from protocols.edge.messages import DropCause, Dropped

MAX_DECLARED = 512  # a State may hold 4,096 (messages.MAX_RANGES); it is sent often


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
    return tuple(ranges)


def _joined(ranges: list[Dropped], joins: Callable[[int, int], bool]) -> list[Dropped]:
    found: list[Dropped] = []
    for one in ranges:
        last = found[-1] if found else None
        if last is not None and last.cause == one.cause and joins(last.last, one.first):
            found[-1] = Dropped(last.first, one.last, one.cause)
        else:
            found.append(one)
    return found
