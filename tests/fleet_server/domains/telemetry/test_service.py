"""The port Telemetry, on what ingest stored in a real database."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet_server.domains.telemetry import series
from fleet_server.domains.telemetry.service import TelemetryService
from fleet_server.domains.telemetry.wiring import create_telemetry
from fleet_server.ingest.rollups import from_ms
from fleet_server.kernel.database import Database
from fleet_server.kernel.errors import Invalid, NotFound
from protocols.edge.birth import description_hash, encode_description
from protocols.edge.messages import DropCause, Dropped

NOW_MS = 1_772_368_200_000
CODE = "D1101149001000101X"


@pytest.fixture
def telemetry(web_database: Database, hand: Any) -> TelemetryService:
    class Now:
        def now(self) -> Any:
            return hand.now

    return create_telemetry(web_database, Now())


def span(start: int, end: int) -> tuple[datetime, datetime]:
    return from_ms(NOW_MS + start), from_ms(NOW_MS + end)


async def test_the_present_is_the_newest_reading_of_each_channel_and_exact(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[0.1], energy=[99_999_999]))
    present = await telemetry.now([CODE, "NEVER"])
    power, energy = present[CODE].channels
    assert (power.text, energy.text, energy.value) == ("0.1", "999999.99", 999999.99)
    assert (power.title, power.unit, power.period_ms) == ({"en": "power"}, "W", 1000)
    assert present[CODE].at == from_ms(NOW_MS - 60_000)
    assert (present["NEVER"].at, present["NEVER"].channels) == (None, ())


async def test_history_is_the_same_value_exactly_in_raw_minute_and_hour(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(energy=[99_999_998, 99_999_999], power=[1.0, 2.0]))
    for back, resolution in ((600, "raw"), (2 * 86_400, "minute"), (30 * 86_400, "hour")):
        history = await telemetry.history(CODE, ["energy"], *span(-back * 1000, 0), 500)
        (series,) = history.series
        assert (history.resolution, series.text[-1], series.value[-1]) == (resolution, "999999.99", 999999.99)


async def test_late_batches_fill_the_gap_that_history_showed(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    early = gateway.batch(power=[1.0] * 10, t0=NOW_MS - 60_000)
    late = gateway.batch(power=[2.0] * 20, t0=NOW_MS - 50_000)
    after = gateway.batch(power=[3.0] * 30, t0=NOW_MS - 30_000)
    await hand.commit(gateway, gateway.birth(seq=9), early, after)
    await hand.commit(gateway, early, after)
    (series,) = (await telemetry.history(CODE, ["power"], *span(-60_000, 0), 500)).series
    assert series.gaps == [(NOW_MS - 51_000, NOW_MS - 30_000)]
    await hand.commit(gateway, late)
    (series,) = (await telemetry.history(CODE, ["power"], *span(-60_000, 0), 500)).series
    assert (series.gaps, len(series.t)) == ([], 60)


async def test_a_window_that_begins_within_a_chunk_has_its_readings(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[float(n) for n in range(60)]))
    (series,) = (await telemetry.history(CODE, ["power"], *span(-30_000, -28_000), 500)).series
    assert series.value == [30.0, 31.0]


async def test_history_refuses_what_it_cannot_answer(telemetry: TelemetryService, hand: Any, gateway: Any) -> None:
    with pytest.raises(NotFound):
        await telemetry.history("NEVER", [], *span(-1000, 0), 500)
    await hand.commit(gateway, gateway.birth())
    with pytest.raises(Invalid, match="no channel volts"):
        await telemetry.history(CODE, ["volts"], *span(-1000, 0), 500)
    with pytest.raises(Invalid, match="before"):
        await telemetry.history(CODE, [], *span(0, -1000), 500)
    with pytest.raises(Invalid, match="zone"):
        await telemetry.history(CODE, [], datetime(2026, 1, 1), datetime(2026, 1, 2), 500)  # noqa: DTZ001


async def test_the_delivery_proof_follows_loss_drops_repeats_and_what_is_pending(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth())
    batches = [gateway.batch(power=[1.0], t0=NOW_MS - 9000 + n) for n in range(9)]  # seq 2 to 10
    await hand.commit(gateway, *batches[:3], *batches[:3], batches[7])
    drop = Dropped(6, 6, DropCause.QUOTA)
    await hand.commit(gateway, gateway.state(1, 1, first_kept=8, next_seq=11, dropped=(drop,)))
    proof = await telemetry.delivery(gateway.code)
    (life,) = proof.incarnations
    assert (life.received, life.missing) == (((1, 4), (9, 9)), ((5, 5), (7, 8), (10, 10)))
    assert (proof.lost, proof.duplicated, proof.pending, life.duplicates) == (2, 0, 2, 3)
    assert life.dropped == ((6, 6, "quota"),)
    await hand.commit(gateway, *batches)
    proof = await telemetry.delivery(gateway.code)
    assert (proof.lost, proof.duplicated, proof.pending) == (0, 0, 0)


async def test_a_row_that_stands_twice_shows_in_the_proof(telemetry: TelemetryService, hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0]))
    await hand.rows("INSERT INTO chunk SELECT * FROM chunk RETURNING seq")
    assert (await telemetry.delivery(gateway.code)).duplicated == 1


async def test_a_gateway_tells_its_state_and_one_that_never_spoke_is_offline(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.state(4, 2))
    found = await telemetry.gateways_now([gateway.code, "NEVER"])
    here = found[gateway.code]
    assert (here.online, here.connection, here.clock_state, here.clock_bound_ms) == (True, 4, "synchronised", 20)
    assert (here.version, here.spool_bytes, here.last_seen) == ("0.1.0", 4096, hand.now)
    assert (found["NEVER"].online, found["NEVER"].last_seen) == (False, None)


async def test_the_quarantine_is_paged_newest_first(telemetry: TelemetryService, hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    for n in range(5):
        await hand.commit(gateway, gateway.batch(power=[float(n)], t0=n))
    first = await telemetry.quarantine(limit=3)
    second = await telemetry.quarantine(limit=3, before=first[-1].id)
    ids = [item.id for item in [*first, *second]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    assert first[0].reason == "too-old"
    assert 0 < len(first[0].sample) <= 256


async def test_a_description_is_given_by_its_hash(telemetry: TelemetryService, hand: Any, gateway: Any) -> None:
    encoded = encode_description(gateway.description())
    with pytest.raises(NotFound):
        await telemetry.description(description_hash(encoded))
    await hand.commit(gateway, gateway.birth())
    assert await telemetry.description(description_hash(encoded)) == encoded


async def test_a_gateway_of_which_nothing_was_heard_is_offline_although_no_will_came(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.state(1, 1))
    heard = hand.now
    for seconds, online in ((99, True), (101, False)):
        hand.now = heard + timedelta(seconds=seconds)
        assert (await telemetry.gateways_now([gateway.code]))[gateway.code].online is online
    assert (await telemetry.gateways_now([gateway.code]))[gateway.code].since == heard


async def test_a_live_stream_gives_the_present_then_only_what_changed(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0], energy=[1]))
    stream = telemetry.live([CODE])
    async with asyncio.timeout(10):
        (first,) = await anext(stream)
        assert [channel.text for channel in first.channels] == ["1", "0.01"]
        began = asyncio.get_running_loop().time()
        await hand.commit(gateway, gateway.batch(power=[2.0], t0=NOW_MS))
        (changed,) = await anext(stream)
        assert [(channel.name, channel.text) for channel in changed.channels] == [("power", "2")]
        assert asyncio.get_running_loop().time() - began < 2.0
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_live_stream_looks_at_most_four_times_a_second(
    telemetry: TelemetryService, hand: Any, gateway: Any
) -> None:
    await hand.commit(gateway, gateway.birth())
    stream = telemetry.live([CODE])
    await anext(stream)
    looks = 0

    async def write() -> None:
        for n in range(40):
            await hand.commit(gateway, gateway.batch(power=[float(n)], t0=NOW_MS - 50_000 + n))

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        began = asyncio.get_running_loop().time()
        writing = tasks.create_task(write())
        while not writing.done():
            await anext(stream)
            looks += 1
        took = asyncio.get_running_loop().time() - began
    assert looks <= took / 0.25 + 2
    await stream.aclose()  # type: ignore[attr-defined]


async def test_rates_are_those_of_the_last_ten_seconds(telemetry: TelemetryService, hand: Any) -> None:
    from uuid import uuid4

    from fleet_server.ingest.store import save_counts

    one, two = uuid4(), uuid4()
    async with hand.database.system() as connection:
        for process, ago in ((one, 60), (one, 4), (one, 2), (two, 2)):
            await save_counts(
                connection, process, hand.now - timedelta(seconds=ago), 2.0, {"stored:data": 10, "readings": 300}
            )
    rates = await telemetry.rates()
    assert (rates.batches_per_s, rates.values_per_s) == (3.0, 90.0)
    assert rates.last_batch_at == hand.now - timedelta(seconds=2)
    assert (await telemetry.counts())["stored:data"] == 40
    assert rates.last_batch_at.tzinfo == UTC


async def test_a_long_history_leaves_the_process_to_others_and_has_a_bounded_answer(
    telemetry: TelemetryService, hand: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_ran = threading.Event()

    def work(*arguments: Any) -> Any:
        assert others_ran.wait(5)
        return true_work(*arguments)

    true_work = series.raw
    monkeypatch.setattr(series, "raw", work)
    monkeypatch.setattr("fleet_server.domains.telemetry.service.MAX_POINTS", 100)
    await hand.commit(gateway, gateway.birth())
    second = [float(n % 100) for n in range(1000)]
    await hand.commit(gateway, gateway.batch(power=second, energy=[*range(1000)], step=1))
    asyncio.get_running_loop().call_later(0.05, others_ran.set)
    history = await telemetry.history(CODE, [], *span(-60_000, 0), 5000)
    assert [30 < len(shown.t) <= 50 for shown in history.series] == [True, True]
