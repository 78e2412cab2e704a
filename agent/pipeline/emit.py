"""Columns and groups for the edge contract, from whole ticks."""

from collections.abc import Iterable
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Mask, Times
from agent.pipeline.ticks import Qualities
from protocols.edge.columns import DTYPES, Column, all_present

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


class Lanes(NamedTuple):
    """Columns of one tag whose numbers stand side by side in one array."""

    tag: int
    positions: slice | list[int]
    aliases: list[int]
    scales: list[int]

    def columns(self, numbers: Numbers) -> Iterable[Column]:
        """All of them at once, from a device's clean block: one copy, and no look at any value."""
        rows = np.ascontiguousarray(numbers.T[self.positions], DTYPES[self.tag])
        return map(Column, self.aliases, repeat(self.tag), rows, repeat(all_present(len(numbers))), self.scales)


def whole(times: Times, columns: list[Column]) -> Ready:
    samples = len(times)
    size = sum([column.values.nbytes for column in columns]) + COLUMN_BYTES * len(columns)
    return Ready(times, columns, size + TIME_BYTES * samples, samples * len(columns))


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
