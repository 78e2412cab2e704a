from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocols.edge.cbor import load_one
from protocols.edge.columns import (
    DTYPES,
    F32LE,
    F64LE,
    I32LE,
    I64LE,
    MAX_SAMPLES,
    U16LE,
    VALUE_TAGS,
    Column,
    Group,
    Run,
    decode_group,
    encode_groups,
)
from protocols.errors import LocalProtocolError, RemoteProtocolError

ALL = np.array([True])


def wire(group: Group) -> Any:
    return load_one(cbor2.dumps(encode_groups([group])[0]))


def typed(tag: int, values: list[float]) -> cbor2.CBORTag:
    return cbor2.CBORTag(tag, np.array(values, DTYPES[tag]).tobytes())


@st.composite
def columns(draw: st.DrawFn, alias: int, samples: int, complete: int | None) -> Column:
    """Of any kind; some are complete and all Good where `complete` says of which type."""
    if complete is not None and draw(st.integers(0, 4)):
        values = np.arange(alias, alias + samples).astype(DTYPES[complete])
        return Column(
            alias, complete, values, np.ones(samples, bool), 0 if complete == F32LE else draw(st.integers(-1, 0))
        )
    tag = draw(st.sampled_from(sorted(VALUE_TAGS)))
    present = np.array(draw(st.lists(st.booleans(), min_size=samples, max_size=samples)))
    count = int(np.count_nonzero(present))
    kind = DTYPES[tag]
    numbers: st.SearchStrategy[float] = (
        st.floats(allow_nan=False, allow_infinity=False, width=8 * kind.itemsize)  # type: ignore[arg-type]
        if kind.kind == "f"
        else st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
    )
    return Column(
        alias,
        tag,
        np.array(draw(st.lists(numbers, min_size=count, max_size=count)), kind),
        present,
        0 if kind.kind == "f" else draw(st.integers(-18, 18)),
        draw(st.dictionaries(st.integers(0, samples - 1), st.integers(0, 0xFFFF), max_size=samples)),
    )


@st.composite
def groups(draw: st.DrawFn) -> Group:
    steps = draw(st.lists(st.integers(1, 10**7), max_size=20) | st.lists(st.just(1000), max_size=20))
    times = np.cumsum([draw(st.integers(-(10**6), 10**6)), *steps])
    aliases = draw(st.lists(st.integers(0, 8) | st.integers(0, 0xFFFF), min_size=1, max_size=6, unique=True))
    if draw(st.booleans()):
        aliases.sort()
    complete = draw(st.sampled_from((None, F32LE, I64LE)))
    return Group(times, tuple(draw(columns(alias, len(times), complete)) for alias in aliases))


@given(groups())
def test_every_group_reads_back(group: Group) -> None:
    back = decode_group(wire(group))
    assert back.times.tolist() == group.times.tolist()
    for ours, theirs in zip(group.columns, back.columns, strict=True):
        assert (ours.alias, ours.tag, ours.scale, ours.quality) == (
            theirs.alias,
            theirs.tag,
            theirs.scale,
            theirs.quality,
        )
        assert ours.values.tobytes() == theirs.values.tobytes()  # bit for bit: -0.0 stays
        assert ours.present.tolist() == theirs.present.tolist()


@pytest.mark.parametrize(
    ("tag", "values", "encoded"),
    [  # RFC 8746, table 1 and the vectors of facts, 5.2
        (U16LE, [1, 2], "d8454401000200"),
        (F32LE, [1, -0.5], "d855480000803f000000bf"),
        (I32LE, [1, -1], "d84e4801000000ffffffff"),
        (I64LE, [-2], "d84f48feffffffffffffff"),
        (F64LE, [1.5], "d85648000000000000f83f"),
    ],
)
def test_the_typed_arrays_are_those_of_the_rfc(tag: int, values: list[float], encoded: str) -> None:
    assert cbor2.dumps(typed(tag, values)).hex() == encoded


def test_a_counter_keeps_its_last_digit() -> None:
    """As f32, 556677.01 would have become 556677.00."""
    column = Column(1, I64LE, np.array([55667701]), ALL, scale=-2)
    back = decode_group(wire(Group(np.array([0]), (column,)))).columns[0]
    assert back.values.tolist() == [55667701]
    assert back.scale == -2


def test_an_even_axis_takes_three_numbers_and_an_uneven_one_four_bytes_a_sample() -> None:
    every = np.ones(3, bool)
    column = Column(1, F32LE, np.zeros(3), every)
    even, uneven = encode_groups([Group(np.array(times), (column,)) for times in ([5, 10, 15], [5, 10, 16])])
    assert even[0] == [5, 5, 3]
    assert uneven[0] == typed(I32LE, [5, 10, 16])


def test_complete_neighbours_of_one_kind_go_into_one_row_and_nobody_else() -> None:
    every = np.ones(2, bool)
    gap = Column(5, F32LE, np.array([9], DTYPES[F32LE]), np.array([True, False]))
    rest = [Column(alias, F32LE, np.array([alias, -alias], DTYPES[F32LE]), every) for alias in (1, 2, 3, 6, 8)]
    ((_, rows),) = encode_groups([Group(np.array([0, 1000]), (*rest[:3], gap, *rest[3:]))])
    assert rows == [
        [[1, 3], 0, typed(F32LE, [1, -1, 2, -2, 3, -3])],
        [5, 0, typed(F32LE, [9]), None, b"\x01"],
        [6, 0, typed(F32LE, [6, -6])],
        [8, 0, typed(F32LE, [8, -8])],
    ]


ONE = [7, 0, typed(F32LE, [1])]


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        [[0, 0, 1]],
        [[0, 0, 1], []],
        [[0, 0, 1], [ONE, ONE]],  # one alias twice
        [[0, 0, 0], [ONE]],
        [[0, 0, MAX_SAMPLES + 1], [ONE]],
        [[0, 0, 2**62], [ONE]],
        [[0, 0, 2], [ONE]],
        [[0, 5, 1], [ONE]],
        [[0, -1, 2], [ONE]],
        [[2**31, 0, 1], [ONE]],
        [[0, 2**31 - 1, 3], [ONE]],
        [[True, 0, 1], [ONE]],
        [[0, 0, 1.0], [ONE]],
        [typed(I32LE, []), [ONE]],
        [typed(I32LE, [2, 1]), [ONE]],
        [typed(I32LE, [1, 1]), [ONE]],
        [typed(I64LE, [1]), [ONE]],
        [cbor2.CBORTag(I32LE, b"123"), [ONE]],
        [cbor2.CBORTag(I32LE, [1]), [ONE]],
        [[0, 0, 1], [[7, 0]]],
        [[0, 0, 1], [[7, 0, 1.0]]],
        [[0, 0, 1], [[*ONE, None, None, None]]],
        [[0, 0, 1], [[-1, 0, typed(F32LE, [1])]]],
        [[0, 0, 1], [[65536, 0, typed(F32LE, [1])]]],
        [[0, 0, 1], [[True, 0, typed(F32LE, [1])]]],
        [[0, 0, 1], [[7, 19, typed(I32LE, [1])]]],
        [[0, 0, 1], [[7, True, typed(I32LE, [1])]]],
        [[0, 0, 1], [[7, 1, typed(F32LE, [1])]]],  # a float has no scale
        [[0, 0, 1], [[7, 0, typed(F32LE, [float("nan")])]]],
        [[0, 0, 1], [[7, 0, typed(F64LE, [float("inf")])]]],
        [[0, 0, 1], [[7, 0, typed(U16LE, [1])]]],
        [[0, 0, 1], [[7, 0, cbor2.CBORTag(81, b"1234")]]],  # big-endian f32
        [[0, 0, 1], [[7, 0, typed(F32LE, [1, 2])]]],
        [[0, 0, 1], [[7, 0, typed(F32LE, []), None, b"\x01"]]],
        [[0, 0, 1], [[7, 0, typed(F32LE, [1]), None, b"\x03"]]],  # a bit behind the last sample
        [[0, 0, 1], [[7, 0, typed(F32LE, [1]), None, b"\x01\x00"]]],
        [[0, 0, 1], [[7, 0, typed(F32LE, [1]), None, 1]]],
        [[0, 0, 1], [[*ONE, [typed(U16LE, [1]), typed(U16LE, [0x8000])]]]],
        [[0, 0, 1], [[*ONE, [typed(U16LE, [0]), typed(U16LE, [])]]]],
        [[0, 0, 1], [[*ONE, [typed(U16LE, [0, 0]), typed(U16LE, [1, 1])]]]],
        [[0, 0, 1], [[*ONE, [[0], [1]]]]],
        [[0, 0, 1], [[*ONE, {}]]],
        [[0, 0, 1], [[[7, 1], 0, typed(F32LE, [1])]]],  # a row of one column is a plain one
        [[0, 0, 1], [[[7, 2], 0, typed(F32LE, [1])]]],
        [[0, 0, 1], [[[7, 2], 0, typed(F32LE, [1, 2, 3])]]],
        [[0, 0, 1], [[[7, 2], 1, typed(F32LE, [1, 2])]]],
        [[0, 0, 1], [[[7, 2], 19, typed(I32LE, [1, 2])]]],
        [[0, 0, 1], [[[7, 2], 0, typed(F32LE, [1, float("nan")])]]],
        [[0, 0, 1], [[[7, 2], 0, typed(F32LE, [1, 2]), None, b"\x01"]]],
        [[0, 0, 1], [[[65535, 2], 0, typed(F32LE, [1, 2])]]],
        [[0, 0, 1], [[[7, 2, 1], 0, typed(F32LE, [1, 2])]]],
        [[0, 0, 1], [[[7, 2.0], 0, typed(F32LE, [1, 2])]]],
        [[0, 0, 1], [[[6, 2], 0, typed(F32LE, [1, 2])], ONE]],  # one alias twice
    ],
)
def test_a_group_that_contradicts_itself_is_refused(item: object) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_group(load_one(cbor2.dumps(item)))


@pytest.mark.parametrize(
    ("times", "column"),
    [
        (np.array([], np.int64), Column(1, F32LE, np.array([]), np.array([], bool))),
        (np.array([1, 1]), Column(1, F32LE, np.zeros(2), np.ones(2, bool))),
        (np.array([2**31]), Column(1, F32LE, np.zeros(1), ALL)),
        (np.array([0]), Column(1, U16LE, np.zeros(1), ALL)),
        (np.array([0]), Column(1, F32LE, np.zeros(2), ALL)),
        (np.array([0]), Column(1, F32LE, np.zeros(1), np.ones(2, bool))),
        (np.array([0]), Column(1, F32LE, np.array([np.nan]), ALL)),
        (np.array([0]), Column(1, F32LE, np.array([1.0]), ALL, scale=1)),
        (np.array([0]), Column(1, I32LE, np.array([2**31]), ALL)),
        (np.array([0]), Column(1, I32LE, np.array([1.5]), ALL)),
        (np.array([0]), Column(1, I64LE, np.array([2**63 + 1], np.uint64), ALL)),
        (np.array([0]), Column(1, F32LE, np.zeros(1), ALL, quality={1: 0x8000})),
    ],
)
def test_a_group_that_the_contract_does_not_allow_is_not_sent(times: NDArray[np.int64], column: Column) -> None:
    with pytest.raises(LocalProtocolError):
        encode_groups([Group(times, (column,))])


@given(st.integers(0, 0xFFF0), st.integers(1, 5), st.integers(1, 4), st.sampled_from([F32LE, F64LE, I32LE, I64LE]))
def test_a_run_is_written_as_the_columns_that_it_is(first: int, many: int, samples: int, tag: int) -> None:
    values = np.arange(many * samples).reshape(many, samples).astype(DTYPES[tag])
    run = Run(first, tag, values, 0 if tag in (F32LE, F64LE) else -1)
    times = np.arange(samples) * 100
    assert encode_groups([Group(times, (), (run,))]) == encode_groups([Group(times, tuple(run.columns()))])


@pytest.mark.parametrize(
    "run",
    [
        Run(1, U16LE, np.zeros((1, 2), "<u2")),
        Run(1, F32LE, np.zeros((1, 2))),
        Run(1, F32LE, np.zeros((1, 3), "<f4")),
        Run(1, F32LE, np.zeros(2, "<f4")),
        Run(1, F32LE, np.array([[1, np.nan]], "<f4")),
        Run(1, F32LE, np.zeros((1, 2), "<f4"), 1),
    ],
)
def test_a_run_that_is_not_what_it_says_is_not_sent(run: Run) -> None:
    with pytest.raises(LocalProtocolError, match="columns from 1"):
        encode_groups([Group(np.array([0, 5]), (), (run,))])
