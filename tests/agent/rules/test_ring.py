from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.rules.ring import ChannelForm, Held, Ring, columns
from protocols.edge.columns import F32LE, I32LE

FORMS = (ChannelForm(0, I32LE, -1), ChannelForm(2, F32LE, 0))


def held(rows: list[tuple[int, list[int | None]]]) -> Held:
    """(time, a number, or None for a reading that failed, for each channel)."""
    values = [[0 if one is None else one for one in row] for _, row in rows]
    there = np.array([[one is not None for one in row] for _, row in rows]).reshape(len(rows), 2)
    numbers = np.array(values, np.int64).reshape(len(rows), 2)
    numbers[:, 1] = numbers[:, 1].astype(np.float64).view(np.int64)
    quality = np.where(there, 0, 0x800A).astype(np.uint16)
    return Held(np.array([t for t, _ in rows], np.int64), numbers, there, np.ones_like(there), quality)


readings = st.lists(st.lists(st.none() | st.integers(-1000, 1000), min_size=2, max_size=2), min_size=1, max_size=40)


@given(readings, st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50))
def test_a_ring_holds_the_newest_however_they_came(told: Any, cuts: list[int], ticks: int) -> None:
    rows = [(10 * place, row) for place, row in enumerate(told)]
    ring = Ring(FORMS, ticks)
    bounds = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    for first, last in pairwise(bounds):
        ring.add(held(rows[first:last]))
    for got, wanted in zip(ring.all(), held(rows).rows(slice(-ticks, None)), strict=True):
        assert np.array_equal(got, wanted)
    assert ring.newest == rows[-1][0]


def test_a_tick_that_came_in_two_parts_is_one() -> None:
    ring, whole = Ring(FORMS, 5), held([(0, [1, 2]), (10, [3, 4])])
    first = whole._replace(told=np.array([[True, True], [True, False]]), value=np.array([[True, True], [True, False]]))
    rest = whole.rows(slice(1, None))._replace(told=np.array([[False, True]]))
    ring.add(first)
    ring.add(rest)
    assert ring.all().times.tolist() == [0, 10]
    assert ring.all().told.all()
    assert ring.all().value.all()


def test_only_ticks_at_which_a_wanted_channel_was_read_are_cut_out() -> None:
    ring, some = Ring(FORMS, 9), held([(0, [1, 1]), (10, [2, 2]), (20, [3, 3]), (30, [4, 4])])
    ring.add(some._replace(told=np.array([[True, True], [True, False], [True, True], [True, True]])))
    assert ring.between(0, 20, [1]).times.tolist() == [0, 20]
    assert ring.between(0, 20, [0]).times.tolist() == [0, 10, 20]
    assert len(ring.between(40, 50, [0]).times) == 0


def test_a_reading_that_failed_has_its_quality_and_no_number() -> None:
    whole, floating = columns(
        held([(0, [7, 1]), (10, [None, 2]), (20, [9, None])]), [(0, FORMS[0], 4), (1, FORMS[1], 5)]
    )
    assert (whole.alias, whole.scale, whole.values.tolist(), dict(whole.quality)) == (4, -1, [7, 9], {1: 0x800A})
    assert (floating.tag, floating.values.tolist(), dict(floating.quality)) == (F32LE, [1.0, 2.0], {2: 0x800A})
