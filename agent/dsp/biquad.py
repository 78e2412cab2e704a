"""A cascade of sections of second order, run as matrix products over blocks.

A section recursion costs a Python loop over samples; but its output and next state are linear in its input and
state, so a block of n samples is one product [O, H; A^n, B] @ [state; x], exact up to rounding and eight times faster.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.dsp.arrays import Block, Mask, Row, apart
from agent.dsp.design import Section

LONGEST_BLOCK = 32  # samples to a product: past it, the product's square costs more than the calls it saves


class Cascade:
    """The sections, one behind another, over all channels of a block; each channel has its own state, never NaN.

    `gain_at_rest` is what becomes of a constant one.
    """

    def __init__(self, sections: Sequence[Section], channels: int, dtype: npt.DTypeLike = np.float64) -> None:
        self._sections = tuple(sections)
        self._dtype = np.dtype(dtype)
        self._order = 2 * len(self._sections)
        self._rest = _state_at_rest(self._sections).astype(self._dtype)
        self.gain_at_rest = float(np.prod([(b0 + b1 + b2) / (1 + a1 + a2) for b0, b1, b2, a1, a2 in self._sections]))
        self._stacked = apart((self._order + LONGEST_BLOCK, channels), self._dtype, 2)
        self._state: Block = self._stacked[: self._order]  # above the samples, where the product wants it
        self._state[:] = 0
        self._result = apart((LONGEST_BLOCK + self._order, channels), self._dtype, 1)

    @property
    def state(self) -> Block:
        """(rows, channels), all that a channel's next output depends on besides its input; to be written to as well."""
        return self._state

    def prime(self, columns: Mask, row: Row) -> None:
        """Lets the channels in `columns` begin as if they had stood at `row` for ever."""
        self._state[:, columns] = self._rest[:, None] * row[columns]

    def process(self, block: Block, out: Block | None = None) -> Block:
        out = np.empty(block.shape, self._dtype) if out is None else out
        for start in range(0, len(block), LONGEST_BLOCK):
            piece = block[start : start + LONGEST_BLOCK]
            rows = len(piece)
            stacked, result = self._stacked[: self._order + rows], self._result[: rows + self._order]
            stacked[self._order :] = piece
            np.matmul(_block_matrix(self._sections, rows, self._dtype.char), stacked, out=result)
            out[start : start + rows] = result[:rows]
            self._state[:] = result[rows:]
        return out


@lru_cache(maxsize=256)
def _block_matrix(sections: tuple[Section, ...], rows: int, dtype: str) -> Block:
    """[O, H; A^rows, B]: from [state; x] to [y; next state], `rows` samples at once."""
    a, b, c, d = _state_space(sections)
    order = len(b)
    matrix = np.zeros((rows + order, order + rows))
    power: npt.NDArray[Any] = np.eye(order)
    impulse = [d]
    for row in range(rows):
        matrix[row, :order] = c @ power
        matrix[rows:, order + rows - 1 - row] = power @ b
        impulse.append(float(c @ power @ b))
        power = a @ power
    matrix[rows:, :order] = power
    for row in range(rows):
        matrix[row, order : order + row + 1] = impulse[row::-1]
    return matrix.astype(dtype)


def _state_space(
    sections: tuple[Section, ...],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """A, B, C, D of the cascade, each section in transposed direct form II (the least rounding of the direct forms)."""
    order = 2 * len(sections)
    a, b, c, d = np.zeros((order, order)), np.zeros(order), np.zeros(order), 1.0
    for index, section in enumerate(sections):
        at = 2 * index
        b1, b2 = section.b1 - section.a1 * section.b0, section.b2 - section.a2 * section.b0
        # What enters this section is what leaves those before it: c of the state so far, d of the input.
        a[at, :at], a[at + 1, :at] = b1 * c[:at], b2 * c[:at]
        b[at], b[at + 1] = b1 * d, b2 * d
        a[at, at], a[at, at + 1], a[at + 1, at] = -section.a1, 1.0, -section.a2
        c[:at] *= section.b0
        c[at] = 1.0
        d *= section.b0
    return a, b, c, d


def _state_at_rest(sections: tuple[Section, ...]) -> npt.NDArray[np.float64]:
    """The state under a constant input of one."""
    a, b, _, _ = _state_space(sections)
    return np.asarray(np.linalg.solve(np.eye(len(b)) - a, b), np.float64)
