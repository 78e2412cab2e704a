"""Names for the arrays that filters pass on."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Block: TypeAlias = npt.NDArray[np.floating[Any]]  # (samples, channels), time-major: 1.7 times faster than its transpose
Row: TypeAlias = npt.NDArray[np.floating[Any]]  # (channels,)
Mask: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.int64]  # (samples,), ms, rising

_PAGE = 4096


def apart(shape: tuple[int, int], dtype: np.dtype[Any], quarters: int) -> Block:
    """A scratch block that begins so many quarters of a page behind a page's beginning.

    A processor takes a load for one of a store just made if the two agree in their last twelve bits: copying between
    arrays that begin alike within a page costs twice as much. Where an allocator would put them is luck.
    """
    raw = np.empty(shape[0] * shape[1] * dtype.itemsize + 2 * _PAGE, np.uint8)
    ahead = -raw.ctypes.data % _PAGE + quarters * _PAGE // 4
    return raw[ahead : ahead + shape[0] * shape[1] * dtype.itemsize].view(dtype).reshape(shape)
