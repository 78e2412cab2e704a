import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp.rollover import Unwrap
from tests.agent.dsp.streams import cuts, in_pieces


@given(st.integers(2, 2**63 - 1), st.data())
def test_a_counter_that_rolls_over_is_counted_on_exactly_however_it_is_cut(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    most = min((size - 1) // 2, 2**56)
    steps = data.draw(st.lists(st.integers(0, most), max_size=40))
    true = [first]
    for step in steps:
        true.append(true[-1] + step)
    if true[-1] >= 2**63:
        return
    block = np.array([[count % size] for count in true], np.int64)
    valid = data.draw(hnp.arrays(bool, block.shape, elements=st.just(True)))
    unwrap = Unwrap(np.array([size], np.int64))
    for piece, at in in_pieces(block, data.draw(cuts(block))):
        done = unwrap.process(piece, valid[at : at + len(piece)])
        assert done.totals[:, 0].tolist() == true[at : at + len(piece)]
        assert done.value.all()
        assert not done.leapt.any()


def test_a_missing_reading_has_no_total_and_loses_no_count() -> None:
    unwrap = Unwrap(np.array([1000, 1000], np.int64))
    block = np.array([[990, 5], [0, 6], [3, 7]], np.int64)
    done = unwrap.process(block, np.array([[True, True], [False, True], [True, True]]))
    assert done.totals[[0, 2], 0].tolist() == [990, 1003]
    assert done.value[:, 0].tolist() == [True, False, True]
    assert done.totals[:, 1].tolist() == [5, 6, 7]


def test_another_counter_and_a_count_beyond_the_round_add_nothing() -> None:
    unwrap = Unwrap(np.array([1000], np.int64))
    block = np.array([[900], [1000], [400], [410], [-1], [950], [960]], np.int64)
    done = unwrap.process(block, np.ones((7, 1), bool))
    assert done.value[:, 0].tolist() == [True, False, True, True, False, True, True]
    assert done.leapt[:, 0].tolist() == [False, False, True, False, False, True, False]
    assert done.totals[done.value].tolist() == [900, 900, 910, 910, 920]
