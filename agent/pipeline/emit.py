"""Columns and groups for the edge contract, from whole ticks."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Mask, Times
from agent.pipeline.ticks import Qualities
from protocols.edge.columns import DTYPES, Column, Run

Numbers: TypeAlias = npt.NDArray[Any]
COLUMN_BYTES = 24  # alias, scale, tags and lengths
QUALITY_BYTES = 4  # an index and a code
TIME_BYTES = 4  # on an uneven axis


class Cell(NamedTuple):
    """A column in the making: a number where `value`, a number or the reason for none where `told`."""

    alias: int
    tag: int
    scale: int
    numbers: Numbers
    value: Mask
    told: Mask
    quality: Qualities

    def rows(self, chosen: Mask) -> "Cell":
        return self._replace(
            numbers=self.numbers[chosen],
            value=self.value[chosen],
            told=self.told[chosen],
            quality=self.quality[chosen],
        )


class Ready(NamedTuple):
    """A group in the making: absolute times, its columns, about how many bytes they take, and how many values."""

    times: Times
    columns: list[Column]
    size: int
    values: int
    runs: tuple[Run, ...] = ()


class Stretch(NamedTuple):
    """Columns from `start` to `stop` of those that stand side by side: their aliases follow each other."""

    first: int  # alias
    scale: int
    start: int
    stop: int


def stretches(aliases: Sequence[int], scales: Iterable[int]) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    for place, (alias, scale) in enumerate(zip(aliases, scales, strict=True)):
        last = found[-1] if found else None
        if last is not None and last.scale == scale and last.first + place - last.start == alias:
            found[-1] = last._replace(stop=place + 1)
        else:
            found.append(Stretch(alias, scale, place, place + 1))
    return tuple(found)


class Lanes(NamedTuple):
    """Columns of one tag whose numbers stand side by side in one array."""

    tag: int
    positions: slice | list[int]
    stretches: tuple[Stretch, ...]

    def rows(self, numbers: Numbers) -> Numbers:
        """(..., samples, numbers) of clean blocks to (..., columns, samples): one copy, and no look at any value."""
        return np.ascontiguousarray(np.swapaxes(numbers[..., self.positions], -1, -2), DTYPES[self.tag])

    def runs(self, rows: Numbers) -> tuple[Run, ...]:
        """Of a device's rows."""
        return runs(self.tag, self.stretches, rows)


def runs(tag: int, stretched: Iterable[Stretch], rows: Numbers) -> tuple[Run, ...]:
    return tuple([Run(one.first, tag, rows[one.start : one.stop], one.scale) for one in stretched])


def whole(times: Times, made: tuple[Run, ...]) -> Ready:
    values = sum([run.values.size for run in made])
    size = sum([run.values.nbytes for run in made]) + COLUMN_BYTES * len(made)
    return Ready(times, [], size + TIME_BYTES * len(times), values, made)


def shared(times: Times, cells: list[Cell], clean: bool, most_bytes: int) -> Iterable[Ready]:
    """Columns on one axis; several groups where they would take more than `most_bytes`. `clean`: all Good and there."""
    if not len(times):
        return
    everywhere = np.ones(len(times), bool)
    columns: list[Column] = []
    axis = size = TIME_BYTES * len(times)
    values = 0
    for cell in cells:
        if not clean and not cell.told.any():
            continue
        column = _column(cell, everywhere, clean)
        weight = column.values.nbytes + QUALITY_BYTES * len(column.quality) + COLUMN_BYTES + len(times) // 8
        if columns and size + weight > most_bytes:
            yield Ready(times, columns, size, values)
            columns, size, values = [], axis, 0
        columns.append(column)
        size += weight
        values += len(column.values)
    if columns:
        yield Ready(times, columns, size, values)


def _column(cell: Cell, everywhere: Mask, clean: bool) -> Column:
    if clean:
        return Column(cell.alias, cell.tag, cell.numbers.astype(DTYPES[cell.tag]), everywhere, cell.scale)
    numbers = cell.numbers[cell.value].astype(DTYPES[cell.tag])
    quality = np.where(cell.told, cell.quality, 0)
    codes = {int(index): int(quality[index]) for index in np.flatnonzero(quality)}
    return Column(cell.alias, cell.tag, numbers, cell.value, cell.scale, codes)
