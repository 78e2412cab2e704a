"""Streams of samples, and ways to cut them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.arrays import Block


def streams(longest: int = 80, widest: int = 4, dtype: str = "f8", most: float = 1e6) -> st.SearchStrategy[Block]:
    shapes = st.tuples(st.integers(1, longest), st.integers(1, widest))
    width = 8 * np.dtype(dtype).itemsize
    numbers = st.floats(-most, most, width=width, allow_subnormal=False)  # type: ignore[arg-type]
    return shapes.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=numbers))


def cuts(stream: npt.NDArray[Any]) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(stream)), max_size=6).map(sorted)


def in_pieces(stream: npt.NDArray[Any], at: list[int]) -> Iterator[tuple[npt.NDArray[Any], int]]:
    """The pieces, none of them empty, each with the row it begins at."""
    edges = sorted({0, *at, len(stream)})
    for first, last in pairwise(edges):
        yield stream[first:last], first
