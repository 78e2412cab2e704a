import contextlib
import struct
from decimal import Decimal
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.burst import MAX_COLUMNS, MAX_PARTS, Ending, Waveform
from protocols.edge.columns import F32LE, I32LE, I64LE, Column, Group
from protocols.edge.messages import Burst, Clock, ClockState, Origin, decode, encode
from protocols.errors import LocalProtocolError, RemoteProtocolError

ORIGIN = Origin("D1101149001000077A", 5, 7, bytes(16), 86_400_000, Clock(ClockState.SYNCHRONISED, 50))


def burst(*columns: Column, times: Any = (0, 100_000, 200_000), **more: Any) -> Burst:
    usual: dict[str, Any] = {
        "birth": bytes(32), "t0": 1_767_225_600_000_000, "group": Group(np.array(times, np.int64), columns),
        "capture": bytes(range(16)), "rule": "inrush", "fired": 100_000, "period": 100_000,
    }  # fmt: skip
    return Burst(ORIGIN, Waveform(**{**usual, **more}))


CURRENT = Column(3, I32LE, np.array([480, 2160], "<i4"), np.array([True, True, False]), -2, {2: 0x800A})


def test_a_burst_is_read_with_cbor2_and_the_page_alone() -> None:
    item = cbor2.loads(encode(burst(CURRENT)))
    assert item[0] == 3
    axis, ((alias, scale, values, quality, presence),) = item[9]
    assert (axis, alias, scale, values.tag) == ([0, 100_000, 3], 3, -2, 78)
    present = [bool(presence[at // 8] >> at % 8 & 1) for at in range(axis[2])]
    numbers = iter(number for (number,) in struct.iter_unpack("<i", values.value))
    told = [Decimal(next(numbers)).scaleb(scale) if there else None for there in present]
    assert told == [Decimal("4.80"), Decimal("21.60"), None]
    assert struct.unpack("<HH", quality[0].value + quality[1].value) == (2, 0x800A)
    assert (item[11], item[12], item[13], item[14], item[15]) == ("inrush", 100_000, 100_000, [1, 1], 0)


samples = st.lists(st.tuples(st.booleans(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30)


@given(
    samples,
    st.integers(1, 10_000_000),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.sampled_from(Ending),
    st.integers(1, MAX_PARTS),
    st.data(),
)
def test_whatever_is_sent_arrives(
    told: list[tuple[bool, int]], step: int, fired: int, ending: Ending, parts: int, data: st.DataObject
) -> None:
    present = np.array([there for there, _ in told])
    values = np.array([value for there, value in told if there], "<i8")
    quality = {place: 0x8005 for place, (there, _) in enumerate(told) if not there}
    column = Column(9, I64LE, values, present, data.draw(st.integers(-18, 18)), quality)
    part = data.draw(st.integers(1, parts))
    one = burst(column, times=step * np.arange(len(told)), fired=fired, part=part, parts=parts, ending=ending)
    again = decode(encode(one))
    assert isinstance(again, Burst)
    assert encode(again) == encode(one)
    got, sent = again.waveform, one.waveform
    assert (got.fired, got.part, got.parts, got.ending) == (sent.fired, sent.part, sent.parts, sent.ending)
    assert got.group.columns[0].values.tolist() == values.tolist()
    assert dict(got.group.columns[0].quality) == quality
    assert got.group.times.tolist() == sent.group.times.tolist()


def test_a_sample_that_is_missing_is_never_sent_as_nan() -> None:
    nan = Column(1, F32LE, np.array([1.0, np.nan, 2.0], "<f4"), np.ones(3, bool))
    with pytest.raises(LocalProtocolError):
        encode(burst(nan))


@pytest.mark.parametrize("count", [0, MAX_COLUMNS + 1])
def test_a_burst_of_no_column_or_of_too_many_is_not_sent(count: int) -> None:
    columns = [CURRENT._replace(alias=number) for number in range(count)]
    with pytest.raises(LocalProtocolError, match="1 to 16 columns"):
        encode(burst(*columns))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (7, bytes(31)), (8, -1), (8, 1.0), (8, 253_402_300_800_000_000), (9, None), (9, [[0, 1, 1], []]),
        (10, bytes(15)), (11, 5), (11, "x" * 65), (11, "a\0b"), (12, 2**31), (13, 0), (14, [2, 1]), (14, [0, 1]),
        (14, [1, MAX_PARTS + 1]), (14, 1), (14, [True, 1]), (15, 3), (15, True),
    ],
)  # fmt: skip
def test_a_field_out_of_its_range_is_refused_by_name(field: int, value: object) -> None:
    item = cbor2.loads(encode(burst(CURRENT)))
    with pytest.raises(RemoteProtocolError):
        decode(cbor2.dumps({**item, field: value}))


def test_more_columns_than_a_burst_has_are_refused() -> None:
    item = cbor2.loads(encode(burst(CURRENT)))
    axis, (row,) = item[9]
    rows = [[number, *row[1:]] for number in range(MAX_COLUMNS + 1)]
    with pytest.raises(RemoteProtocolError, match="at most 16"):
        decode(cbor2.dumps({**item, 9: [axis, rows]}))


@given(st.data())
def test_any_change_of_bytes_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    payload = bytearray(encode(burst(CURRENT)))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        decode(bytes(payload))
