import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agent.dsp import Hold
from agent.dsp.arrays import Block, Mask
from agent.dsp.hold import PATIENCE
from tests.agent.dsp.streams import cuts, in_pieces


def slow_hold(stream: Block, valid: Mask) -> list[list[tuple[str, float | None]]]:
    """What becomes of each sample, told one after another."""
    told: list[list[tuple[str, float | None]]] = []
    last, age = [0.0] * stream.shape[1], [PATIENCE] * stream.shape[1]
    for row, good in zip(stream, valid, strict=True):
        told.append([])
        for channel, (value, is_valid) in enumerate(zip(row.tolist(), good.tolist(), strict=True)):
            if is_valid:
                told[-1].append(("begins" if age[channel] >= PATIENCE else "goes on", value))
                last[channel], age[channel] = value, 0
            else:
                age[channel] += 1
                told[-1].append(("held", last[channel]) if age[channel] < PATIENCE else ("absent", None))
    return told


@given(st.data())
def test_a_missing_value_is_held_twice_and_then_the_stream_has_ended(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 3)))
    valid = data.draw(hnp.arrays(bool, shape))
    stream = np.where(valid, data.draw(hnp.arrays("f8", shape, elements=st.floats(-10, 10))), np.nan)
    expected = slow_hold(stream, valid)
    hold = Hold(shape[1])
    for piece, at in in_pieces(stream, data.draw(cuts(stream))):
        result = hold.process(piece, valid[at : at + len(piece)])
        assert np.all(np.isfinite(result.values))
        for row in range(len(piece)):
            for channel in range(shape[1]):
                kind, value = expected[at + row][channel]
                assert result.held[row, channel] == (kind == "held")
                assert result.absent[row, channel] == (kind == "absent")
                assert result.begins[row, channel] == (kind == "begins")
                assert value is None or result.values[row, channel] == value
