"""Captures as they are shown, from stored bodies."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry.captures import Head, assemble, head, rows
from fleet_server.domains.telemetry.models import Stream
from fleet_server.ingest.chunks import Block, encode
from protocols.edge.columns import F32LE, I64LE, Column
from protocols.edge.messages import ClockState

RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
CHANNELS: list[dict[str, Any]] = [
    {"name": "current", "type": "f32", "quantity": "3317", "unit": "A", "kind": "gauge"},
    {"name": "energy", "type": "decimal", "quantity": "3331", "unit": "kWh", "kind": "counter", "scale": -2},
]
STREAM = Stream(1, "D1101149001000101X", CHANNELS)


def row(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": 1, "name": bytes(16), "rule": "r", "t0": 1_772_368_200_000_000, "fired": 200_000, "period": 100_000,
        "parts": 1, "received": 1, "readings": 3, "ending": 0, "clock": int(ClockState.SYNCHRONISED),
        "boottime_ms": 5000, "fix_utc_ms": None, "fix_boottime_ms": None, "received_at": RECEIVED,
    }  # fmt: skip
    return {**usual, **changes}


def column(index: int, tag: int, values: Sequence[float], absent: tuple[int, ...] = (), **more: Any) -> Column:
    present = np.array([place not in absent for place in range(len(values))])
    return Column(index, tag, np.array(values)[present], present, **more)


def block(times: list[int], *columns: Column) -> Block:
    return Block(np.array(times, np.int64), columns)


def body(times: list[int], *columns: Column) -> bytes:
    typed = [one._replace(values=one.values.astype({F32LE: "<f4", I64LE: "<i8"}[one.tag])) for one in columns]
    return encode(0, [block(times, *typed)])


def test_times_count_from_the_firing_and_decimals_stay_exact() -> None:
    told = body(
        [0, 100_000, 200_000],
        column(0, F32LE, [0.1, 9.0, 0.3], (1,), quality={1: 0x800A}),
        column(1, I64LE, [99_999_999, 99_999_999, 100_000_000], scale=-2),
    )
    current, energy = assemble(head(row()), STREAM, [told]).traces
    assert current.t == [-200_000, -100_000, 0]
    assert (current.text, current.quality) == (["0.1", "", "0.3"], [0, 0x800A, 0])
    assert current.value[1] is None
    assert energy.text == ["999999.99", "999999.99", "1000000.00"]
    lines = list(rows(assemble(head(row()), STREAM, [told])))
    assert lines[1] == ("2026-03-01T12:30:00.100000Z", "current", "", "A", "BadTimeout")
    assert lines[5] == ("2026-03-01T12:30:00.200000Z", "energy", "1000000.00", "kWh", "Good")


def test_a_sample_that_was_not_taken_is_none_and_a_hole_shows() -> None:
    told = body([0, 100, 200, 300, 900, 1000], column(0, F32LE, [1, 2, 3, 4, 5, 6], (1,)))
    (trace,) = assemble(head(row(fired=0)), STREAM, [told]).traces
    assert trace.t == [0, 200, 300, 900, 1000]
    assert trace.gaps == [(301, 900)]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40), st.data())
def test_parts_are_put_together_as_if_they_had_never_been_apart(values: list[int], data: st.DataObject) -> None:
    times = [1000 * place for place in range(len(values))]
    cut = data.draw(st.integers(0, len(values)))
    pieces = [part for part in (slice(0, cut), slice(cut, None)) if values[part]]
    whole = body(times, column(1, I64LE, values, scale=-2))
    parts = [body(times[part], column(1, I64LE, values[part], scale=-2)) for part in pieces]
    assert assemble(head(row()), STREAM, parts) == assemble(head(row()), STREAM, [whole])


def test_a_part_that_does_not_read_back_leaves_the_others() -> None:
    told = body([0, 100], column(0, F32LE, [1, 2]))
    (trace,) = assemble(head(row(parts=2)), STREAM, [b"\x07", told]).traces
    assert trace.value == [1, 2]


def test_what_was_captured_under_an_unset_clock_has_its_time_once_that_is_known() -> None:
    unset = row(clock=int(ClockState.UNSET), t0=7_000_000)
    assert head(unset).dated is False
    fixed: Head = head({**unset, "fix_utc_ms": 1_772_368_200_000, "fix_boottime_ms": 6000})
    assert fixed.dated
    assert fixed.start == 1_772_368_199_000_000
    assert fixed.fired_at == datetime(2026, 3, 1, 12, 29, 59, 200_000, UTC)


def test_a_boot_time_beyond_reason_breaks_no_page() -> None:
    unset = row(clock=int(ClockState.UNSET), boottime_ms=2**63 - 1, fix_utc_ms=1_772_368_200_000, fix_boottime_ms=0)
    assert head(unset).fired_at.year == 9999


def test_a_capture_is_whole_when_all_of_it_came_and_nothing_cut_it_short() -> None:
    assert head(row()).whole
    assert not head(row(parts=2)).whole
    assert not head(row(ending=2)).whole
