"""Blocks of ticks, as filters take and give them."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Times

Qualities = npt.NDArray[np.uint16]


class Ticks(NamedTuple):
    """A block of ticks for a chain's channels: where a number stands (`value`), and what is known of it (`told`).

    `numbers` is f64 for computing, and 0 where no number stands. `clean`: all numbers stand and are Good, as they
    nearly always do; then nobody need look.
    """

    times: Times
    numbers: Block
    value: Mask
    told: Mask
    quality: Qualities
    clean: bool = False

    @staticmethod
    def all_good(times: Times, numbers: Block) -> "Ticks":
        everywhere, nowhere = marks(numbers.shape)
        return Ticks(times, numbers, everywhere, everywhere, nowhere, clean=True)

    def rows(self, chosen: slice | Mask) -> "Ticks":
        return Ticks(
            self.times[chosen],
            self.numbers[chosen],
            self.value[chosen],
            self.told[chosen],
            self.quality[chosen],
            self.clean,
        )

    @staticmethod
    def joined(first: "Ticks", second: "Ticks") -> "Ticks":
        return Ticks(
            np.concatenate([first.times, second.times]),
            np.concatenate([first.numbers, second.numbers]),
            np.concatenate([first.value, second.value]),
            np.concatenate([first.told, second.told]),
            np.concatenate([first.quality, second.quality]),
            first.clean and second.clean,
        )


@lru_cache(maxsize=256)
def marks(shape: tuple[int, ...]) -> tuple[Mask, Qualities]:
    """Shared by all blocks of that shape, and never written to."""
    everywhere, nowhere = np.ones(shape, bool), np.zeros(shape, np.uint16)
    everywhere.flags.writeable = nowhere.flags.writeable = False
    return everywhere, nowhere


def settled(waiting: Ticks | None, ticks: Ticks) -> tuple[Ticks, Ticks | None]:
    """The ticks of which everything is told, or behind which there is a newer one; and the last one if neither.

    A device is read in several requests, and a block may end between two of them: what of a tick was `waiting` from
    the block before is joined with the rest of it.
    """
    if waiting is not None:
        if ticks.times[0] == waiting.times[0]:
            here = ticks.told[:1]
            ticks = Ticks(
                ticks.times,
                _with_first(ticks.numbers, np.where(here, ticks.numbers[:1], waiting.numbers)),
                _with_first(ticks.value, np.where(here, ticks.value[:1], waiting.value)),
                _with_first(ticks.told, here | waiting.told),
                _with_first(ticks.quality, np.where(here, ticks.quality[:1], waiting.quality)),
            )
        else:
            ticks = Ticks.joined(waiting, ticks)
    if ticks.clean or ticks.told[-1].all():
        return ticks, None
    return ticks.rows(slice(0, -1)), ticks.rows(slice(-1, None))


def _with_first(array: npt.NDArray[Any], first: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([first, array[1:]])
