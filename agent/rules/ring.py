"""The newest readings of some channels of one device, as they were read: before any filter, in their own numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Mask, Times
from agent.pipeline.readings import FLOATS, ReadingBlock, ReadingRows
from agent.pipeline.ticks import Qualities
from protocols.edge.columns import DTYPES, Column


class ChannelForm(NamedTuple):
    """A channel that is held: its place in the device's model, and how its numbers travel."""

    member: int
    tag: int
    scale: int


class Held(NamedTuple):
    """Rows of a ring, (ticks, channels): `numbers` has i64, or the bits of f64."""

    times: Times
    numbers: npt.NDArray[np.int64]
    value: Mask
    told: Mask
    quality: Qualities

    def rows(self, chosen: Any) -> "Held":
        return Held(*(part[chosen] for part in self.parts))

    @property
    def parts(self) -> tuple[npt.NDArray[Any], ...]:
        return self


class Ring:
    """Holds the newest `ticks`; a tick that comes in two parts is one."""

    def __init__(self, channels: Sequence[ChannelForm], ticks: int) -> None:
        self.channels = tuple(channels)
        self.ticks = ticks
        self._members = [one.member for one in channels]
        shape = (ticks, len(channels))
        self._held = Held(
            np.zeros(ticks, np.int64),
            np.zeros(shape, np.int64),
            np.zeros(shape, bool),
            np.zeros(shape, bool),
            np.zeros(shape, np.uint16),
        )
        self._count = 0  # rows ever put

    @property
    def newest(self) -> int | None:
        """CLOCK_BOOTTIME of the newest tick, in ms."""
        return int(self._held.times[(self._count - 1) % self.ticks]) if self._count else None

    def put(self, rows: ReadingRows, block: ReadingBlock) -> None:
        """As agent.pipeline taps a device."""
        members = self._members
        numbers = np.empty((len(block.times), len(members)), np.int64)
        for column, member in enumerate(members):
            position = rows.position[member]
            if rows.is_float[member]:
                numbers[:, column] = np.ascontiguousarray(block.floats[:, position]).view(np.int64)
            else:
                numbers[:, column] = block.integers[:, position]
        self.add(Held(block.times, numbers, block.value[:, members], block.told[:, members], block.quality[:, members]))

    def add(self, more: Held) -> None:
        newest = self.newest
        if newest is not None and len(more.times) and more.times[0] == newest:
            self._complete(more.rows(0))
        if newest is not None:
            more = more.rows(more.times > newest)
        more = more.rows(slice(-self.ticks, None))
        places = (self._count + np.arange(len(more.times))) % self.ticks
        for held, part in zip(self._held.parts, more.parts, strict=True):
            held[places] = part
        self._count += len(more.times)

    def between(self, first: int, last: int, places: Sequence[int]) -> Held:
        """Those ticks of [first, last] at which anything was told of the channels at `places`, in order."""
        everything = self.all()
        within = (everything.times >= first) & (everything.times <= last)
        return everything.rows(within & everything.told[:, places].any(axis=1))

    def all(self) -> Held:
        kept = min(self._count, self.ticks)
        return self._held.rows((self._count - kept + np.arange(kept)) % self.ticks)

    def _complete(self, more: Held) -> None:
        """The rest of the newest tick."""
        place = (self._count - 1) % self.ticks
        told = more.told
        for held, part in zip(self._held.parts[1:], more.parts[1:], strict=True):
            held[place, told] = part[told]


def columns(held: Held, channels: Sequence[tuple[int, ChannelForm, int]]) -> tuple[Column, ...]:
    """Of (place in the ring, form, alias). A channel of which nothing was told at any of the ticks has none."""
    found = []
    for place, form, alias in channels:
        told = held.told[:, place]
        if not told.any():
            continue
        numbers, present = held.numbers[:, place], held.value[:, place]
        if form.tag in FLOATS:
            numbers = np.ascontiguousarray(numbers).view(np.float64)
        codes = np.where(told, held.quality[:, place], 0)
        quality = {int(index): int(codes[index]) for index in np.flatnonzero(codes)}
        found.append(Column(alias, form.tag, numbers[present].astype(DTYPES[form.tag]), present, form.scale, quality))
    return tuple(found)
