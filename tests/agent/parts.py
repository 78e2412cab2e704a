"""What left a pipeline, column by column."""

from collections.abc import Iterator

from protocols.edge.columns import Column, Group


def columns_of(group: Group) -> Iterator[Column]:
    """Those of runs too."""
    yield from group.columns
    for run in group.runs:
        yield from run.columns()
