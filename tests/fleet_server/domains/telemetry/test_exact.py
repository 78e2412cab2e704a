"""Readings piece by piece: all of them, in order, whatever chunks they lie in."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_server.domains.telemetry import exact, jobs
from fleet_server.domains.telemetry.exact import HOUR, PIECE, WIDEST, hour_of, next_width
from fleet_server.domains.telemetry.wiring import create_telemetry
from fleet_server.ingest.rollups import from_ms, to_ms
from fleet_server.kernel.context import Context
from fleet_server.kernel.errors import Invalid, NotFound
from fleet_server.kernel.ports import CounterReading, CounterSpan, Ports
from protocols.quality import Quality

NOW_MS = 1_772_368_200_000
HOUR_MS = 3_600_000
TOP = NOW_MS // HOUR_MS * HOUR_MS
CODE = "D1101149001000101X"


@pytest.fixture
def telemetry(web_database: Any, hand: Any) -> Any:
    class Now:
        def now(self) -> Any:
            return hand.now

    return create_telemetry(web_database, Now())


async def rows(telemetry: Any, start: int, end: int) -> list[tuple[int, int, int, int]]:
    found: list[tuple[int, int, int, int]] = []
    async for piece in telemetry.counter_readings(CODE, "energy", from_ms(start), from_ms(end)):
        columns = (piece.t, piece.mantissa, piece.scale, piece.quality)
        found += zip(*(column.tolist() for column in columns), strict=True)
    return found


async def test_all_readings_come_once_and_in_order_from_raw_and_from_merged_chunks(
    telemetry: Any, hand: Any, gateway: Any, web_database: Any
) -> None:
    starts = [TOP - 30 * HOUR_MS, TOP - 5 * HOUR_MS + 40, TOP - HOUR_MS - 500, TOP - 60_000]
    await hand.commit(gateway, gateway.birth())
    expected = []
    for number, t0 in enumerate([starts[2], starts[0], starts[3], starts[1]]):  # not in the order of their times
        energy = [99_999_990 + 100 * number + n for n in range(3)]
        await hand.commit(gateway, gateway.batch(energy=energy, power=[1.0] * 3, t0=t0, step=400, quality={1: 0x4000}))
        expected += [(t0 + 400 * n, value, -2, 0x4000 if n == 1 else 0) for n, value in enumerate(energy)]
    expected.sort()
    for _ in ("raw", "merged"):
        assert await rows(telemetry, TOP - 40 * HOUR_MS, TOP) == expected
        inside = [row for row in expected if expected[2][0] <= row[0] < expected[-1][0]]
        assert await rows(telemetry, expected[2][0], expected[-1][0]) == inside
        none: Any = None
        await jobs.compact(Context(none, web_database, telemetry._clock, Ports(), none, none))


async def test_a_failed_reading_is_no_counter_reading_and_one_ms_has_one(
    telemetry: Any, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth())
    await hand.commit(gateway, gateway.batch(energy=[5, 6], t0=TOP - 5000), gateway.batch(energy=[7], t0=TOP - 5000))
    assert await rows(telemetry, TOP - HOUR_MS, TOP) == [(TOP - 5000, 7, -2, 0), (TOP - 4000, 6, -2, 0)]


async def test_the_good_readings_around_a_moment_are_found_behind_bad_ones_and_far_away(
    telemetry: Any, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth())
    bad = dict.fromkeys((0, 1), int(Quality.BAD_TIMEOUT))
    for hours, value, quality in ((90 * 24, 5, {}), (3, 6, bad), (2, 7, {})):
        batch = gateway.batch(energy=[value, value], t0=TOP - hours * HOUR_MS, quality=quality)
        await hand.commit(gateway, batch)
    around = telemetry.counter_around
    before, after = await around(CODE, "energy", from_ms(TOP - 2 * HOUR_MS))
    assert before == CounterReading(TOP - 90 * 24 * HOUR_MS + 1000, 5, -2)
    assert after == CounterReading(TOP - 2 * HOUR_MS, 7, -2)
    assert await around(CODE, "energy", from_ms(TOP)) == (CounterReading(TOP - 2 * HOUR_MS + 1000, 7, -2), None)
    assert (await around(CODE, "energy", from_ms(0)))[0] is None


async def test_the_last_reading_of_each_hour_and_minute_is_told_exactly_with_its_extremes(
    telemetry: Any, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth())
    bad = {1: int(Quality.BAD_TIMEOUT)}
    batches = [
        gateway.batch(energy=values, t0=TOP - minutes * 60_000, quality=quality)
        for minutes, values, quality in ((90, [55667701, 55667702], {}), (70, [3, 9], bad), (5, [4, 5], {}))
    ]
    await hand.commit(gateway, *batches)
    spans = [
        CounterSpan(code, name, from_ms(TOP - hours * HOUR_MS), from_ms(TOP))
        for code, name, hours in ((CODE, "energy", 2), (CODE, "power", 2), ("D0", "energy", 2), (CODE, "energy", 1))
    ]
    whole, other, unknown, half = await telemetry.counter_ends(spans, "hour")
    assert list(zip(whole.t.tolist(), whole.mantissa.tolist(), whole.scale.tolist(), strict=True)) == [
        (TOP - 70 * 60_000, 3, -2), (TOP - 5 * 60_000 + 1000, 5, -2),
    ]  # fmt: skip
    assert (whole.low.tolist(), whole.high.tolist(), whole.value.tolist()) == (
        [0.03, 0.04],
        [556677.02, 0.05],
        [0.03, 0.05],
    )
    assert (half.mantissa.tolist(), len(other.t), len(unknown.t)) == ([5], 0, 0)
    minutes = await telemetry.counter_ends(spans[:1], "minute")
    assert minutes[0].mantissa.tolist() == [55667702, 3, 5]
    assert await telemetry.counter_ends([], "hour") == []


async def test_what_is_no_counter_is_refused(telemetry: Any, hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    for name in ("power", "nothing", ""):
        with pytest.raises(Invalid):
            await telemetry.counter(CODE, name)
    with pytest.raises(NotFound):
        await telemetry.counter("D0", "energy")
    assert (await telemetry.counter(CODE, "energy")).unit == "kWh"


async def test_the_rollovers_of_every_scale_that_was_ever_born_are_told(
    telemetry: Any, hand: Any, gateway: Any
) -> None:
    for scale, rollover in ((-2, 10**8), (-3, 10**9), (-3, None), (-2, None), (-3, 10**7)):
        gateway.scale, gateway.rollover = scale, rollover
        await hand.commit(gateway, gateway.birth())
    assert (await telemetry.counter(CODE, "energy")).rollovers == {-3: 10**7}


def test_pieces_grow_while_there_is_little_and_shrink_to_an_hour() -> None:
    assert next_width(HOUR, 0) == WIDEST
    assert next_width(HOUR, PIECE // 24) == timedelta(hours=24)
    assert next_width(timedelta(hours=24), 12 * PIECE) == timedelta(hours=2)
    assert next_width(HOUR, 100 * PIECE) == HOUR


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2199, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_hour_is_utc_s(at: datetime) -> None:
    assert to_ms(hour_of(at)) == to_ms(at) // HOUR_MS * HOUR_MS


async def test_no_more_than_so_many_hours_are_searched_backwards() -> None:
    asked = []

    class Endless:
        async def chunk_before(self, _device: int, end: datetime) -> datetime:
            asked.append(end)
            return end - timedelta(hours=5)

        async def chunks(self, *_: object) -> list[Any]:
            return []

    @asynccontextmanager
    async def begin() -> Any:
        yield Endless()

    assert await exact.good_before(begin, 1, 0, from_ms(TOP)) is None
    assert len(asked) == exact.MOST_LOOKS
    assert np.all(np.diff([to_ms(at) for at in asked]) < 0)
