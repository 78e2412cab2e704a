from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry.models import (
    CursorView,
    Last,
    Stream,
    channel_now,
    choose_resolution,
    decimal_text,
    device_now,
    float_text,
    prove,
)
from fleet_server.ingest.sequences import Ranges
from protocols.quality import Quality

POWER = {"name": "power", "quantity": "3328", "unit": "W", "kind": "gauge", "type": "f32", "period_ms": 1000}
ENERGY = {"name": "energy", "quantity": "3331", "unit": "kWh", "kind": "counter", "type": "decimal", "scale": -2}
DAY_MS = 86_400_000
FIRST_SEEN = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-18, 18))
def test_a_decimal_is_told_exactly_and_without_an_exponent(mantissa: int, scale: int) -> None:
    text = decimal_text(mantissa, scale)
    assert Decimal(text) == Decimal(mantissa).scaleb(scale)
    assert "E" not in text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_told_as_the_shortest_decimal_that_gives_it_again(value: float) -> None:
    text = float_text(value, "f32")
    assert np.float32(float(text)) == np.float32(value)


def test_a_tenth_in_f32_is_told_as_a_tenth() -> None:
    assert float_text(float(np.float32(0.1)), "f32") == "0.1"
    assert float_text(0.1, "f64") == "0.1"


def test_a_device_tells_its_channels_in_order_without_those_gone() -> None:
    stream = Stream(1, "D1", [POWER, {**ENERGY, "name": "old", "gone": True}, ENERGY])
    last = Last(
        [1000, 2000, 3000],
        [float(np.float32(0.1)), 1.0, 999999.99],
        [None, 1, 99_999_999],
        [None, 0, -2],
        [0, 0, 0x4090],
    )
    device = device_now(stream, last)
    assert [(c.name, c.text, c.value, c.quality) for c in device.channels] == [
        ("power", "0.1", 0.1, 0),
        ("energy", "999999.99", 999999.99, 0x4090),
    ]
    assert device.at == datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)


def test_a_channel_that_never_spoke_waits_for_its_first_value() -> None:
    channel = channel_now(ENERGY, 5)
    assert (channel.value, channel.text, channel.at) == (None, "", None)
    assert channel.quality == Quality.BAD_WAITING_FOR_INITIAL_DATA


def test_a_failed_poll_has_its_time_and_quality_and_no_value() -> None:
    channel = channel_now(POWER, 0, Last([1000], [None], [None], [None], [0x800A]))
    assert (channel.value, channel.text, channel.quality) == (None, "", 0x800A)
    assert channel.at is not None


@pytest.mark.parametrize(
    ("span_ms", "period_ms", "points", "expected"),
    [
        (900_000, 1000, 500, "raw"),
        (4_000_000, 1000, 500, "raw"),
        (4_001_000, 1000, 500, "minute"),
        (2 * DAY_MS, 1000, 500, "minute"),
        (2 * DAY_MS, 60_000, 500, "raw"),
        (30 * DAY_MS, 1000, 500, "hour"),
        (600_000, 20, 100_000, "raw"),
        (600_000, 0, 500, "raw"),
    ],
)
def test_the_resolution_follows_how_many_samples_the_span_holds(
    span_ms: int, period_ms: int, points: int, expected: str
) -> None:
    assert choose_resolution(span_ms, period_ms, points) == expected


def cursor(**changes: Any) -> CursorView:
    given_: dict[str, Any] = {
        "received": Ranges([(1, 5)]),
        "dropped": {},
        "first_kept": 1,
        "next_seq": 6,
        "stored": 5,
    } | changes
    return CursorView(incarnation=2**64 - 1, first_seen=FIRST_SEEN, repeats=3, forks=0, quarantined=0, **given_)


def test_a_complete_incarnation_has_nothing_lost_pending_or_twice() -> None:
    proof = prove("D1", [cursor()], 0)
    assert (proof.lost, proof.duplicated, proof.pending) == (0, 0, 0)
    assert proof.incarnations[0].duplicates == 3
    assert proof.incarnations[0].incarnation == 2**64 - 1


def test_what_the_gateway_still_keeps_is_pending_and_what_it_freed_unreceived_is_lost() -> None:
    proof = prove("D1", [cursor(received=Ranges([(1, 2), (8, 8)]), stored=3, first_kept=5, next_seq=11)], 0)
    assert proof.incarnations[0].missing == ((3, 7), (9, 10))
    assert (proof.lost, proof.pending, proof.incarnations[0].in_flight) == (2, 5, 5)


def test_what_was_declared_dropped_is_not_lost() -> None:
    dropped = {"quota": Ranges([(6, 8)]), "disk": Ranges([(9, 9)])}
    proof = prove("D1", [cursor(dropped=dropped, first_kept=10, next_seq=10)], 0)
    assert proof.lost == 0
    assert proof.incarnations[0].dropped == ((6, 8, "quota"), (9, 9, "disk"))


def test_after_a_fork_what_was_kept_goes_on_in_the_next_life_and_is_not_pending_in_the_old_one() -> None:
    proof = prove("D1", [cursor(), replace(cursor(next_seq=9), forks=1)], 0)
    assert (proof.lost, proof.pending, proof.incarnations[1].in_flight) == (0, 0, 3)


def test_what_a_lost_spool_file_held_is_lost() -> None:
    proof = prove("D1", [cursor(), cursor(next_seq=9)], 0)
    assert (proof.lost, proof.pending, proof.incarnations[1].in_flight) == (3, 0, 0)


def test_a_message_counted_twice_shows_as_duplicated() -> None:
    assert prove("D1", [cursor(stored=6)], 0).duplicated == 1
    assert prove("D1", [cursor()], 2).duplicated == 2


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=8),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=4),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_every_seq_is_received_dropped_pending_or_lost_and_only_one_of_them(
    received: list[tuple[int, int]], dropped: list[tuple[int, int]], first_kept: int, next_seq: int
) -> None:
    got = Ranges((low, low + more) for low, more in received)
    gone = Ranges((low, low + more) for low, more in dropped)
    next_seq = max(next_seq, got.highest + 1)
    proof = prove(
        "D1",
        [cursor(received=got, dropped={"quota": gone}, first_kept=first_kept, next_seq=next_seq, stored=got.size)],
        0,
    )
    free = [seq for seq in range(1, next_seq) if seq not in got and seq not in gone]
    assert proof.lost == sum(seq < first_kept for seq in free)
    assert proof.pending == sum(seq >= first_kept for seq in free)
