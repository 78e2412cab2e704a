"""What becomes of each authentic message, on a real database."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from fleet_server.ingest.commit import ROOM
from protocols.edge.messages import AckStatus, Clock, ClockState, Configuration, DropCause, Dropped

STORED, QUARANTINED = AckStatus.STORED, AckStatus.QUARANTINED
NOW_MS = 1_772_368_200_000
DAY_MS = 86_400_000


async def cursor(hand: Any) -> Any:
    (row,) = await hand.rows("SELECT * FROM gateway_incarnation")
    return row


async def test_a_birth_and_its_batches_are_stored_in_one_group(hand: Any, gateway: Any) -> None:
    statuses = await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.5, 2.5], energy=[1, 2]))
    assert statuses == {1: STORED, 2: STORED}
    (chunk,) = await hand.rows("SELECT seq, readings, clock FROM chunk")
    assert chunk == {"seq": 2, "readings": 4, "clock": 2}
    (event,) = await hand.rows("SELECT type, key FROM outbox")
    assert event == {"type": "birth.stored", "key": gateway.code}


async def test_a_repeat_is_acknowledged_and_stored_once(hand: Any, gateway: Any) -> None:
    birth, batch = gateway.birth(), gateway.batch(power=[1.0])
    await hand.commit(gateway, birth, batch, batch)
    assert await hand.commit(gateway, batch, birth) == {1: STORED, 2: STORED}
    assert len(await hand.rows("SELECT FROM chunk")) == 1
    row = await cursor(hand)
    assert (row["stored"], row["repeats"]) == (2, 3)
    (minute,) = await hand.rows("SELECT n FROM rollup_minute")
    assert minute["n"][0] == 1


async def test_another_message_under_a_known_identity_is_a_fork_and_kept_in_quarantine(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0]))
    for _ in range(3):
        assert await hand.commit(gateway, gateway.batch(power=[9.0], seq=2)) == {2: AckStatus.FORK}
    assert len(await hand.rows("SELECT FROM chunk")) == 1
    (item,) = await hand.rows("SELECT reason, authentic, seq FROM quarantine")
    assert item == {"reason": "fork", "authentic": True, "seq": 2}
    assert (await cursor(hand))["received"][0].upper == 3


async def test_a_seq_whose_digest_is_no_longer_kept_counts_as_a_fork(hand: Any, gateway: Any) -> None:
    batch = gateway.batch(power=[1.0], seq=5)
    await hand.commit(gateway, gateway.birth(seq=1), batch)
    far = 70_000 * 2
    assert await hand.commit(gateway, gateway.batch(power=[2.0], seq=far)) == {far: STORED}
    assert await hand.rows("SELECT page FROM seq_digest ORDER BY page") == [{"page": far // 128}]
    assert await hand.commit(gateway, batch) == {5: AckStatus.FORK}


async def test_order_of_arrival_does_not_matter(hand: Any, gateway: Any) -> None:
    birth = gateway.birth()
    batches = [gateway.batch(power=[float(n)], t0=NOW_MS - 60_000 + 1000 * n) for n in range(6)]
    await hand.commit(gateway, birth, batches[5])
    await hand.commit(gateway, batches[1], batches[3])
    await hand.commit(gateway, batches[4], batches[2], batches[0])
    row = await cursor(hand)
    assert [(part.lower, part.upper) for part in row["received"]] == [(1, 8)]
    (last,) = await hand.rows("SELECT value, at FROM last_value")
    assert (last["value"][0], last["at"][0]) == (5.0, NOW_MS - 55_000)
    (minute,) = await hand.rows("SELECT n, sum, low, high, last FROM rollup_minute")
    assert [minute[key][0] for key in ("n", "sum", "low", "high", "last")] == [6, 15.0, 0.0, 5.0, 5.0]


async def test_an_unknown_birth_is_asked_for_and_nothing_is_kept(hand: Any, gateway: Any) -> None:
    birth, batch = gateway.birth(), gateway.batch(power=[1.0])
    assert await hand.commit(gateway, batch) == {2: AckStatus.NEED_BIRTH}
    assert (await cursor(hand))["received"] == []
    assert await hand.rows("SELECT FROM chunk UNION ALL SELECT FROM quarantine") == []
    assert await hand.commit(gateway, birth, batch) == {1: STORED, 2: STORED}


async def test_a_birth_that_another_gateway_sent_is_not_known_for_this_one(
    hand: Any, gateway: Any, other_gateway: Any
) -> None:
    other = other_gateway(code="D11011490010000781")
    await hand.commit(gateway, gateway.birth())
    assert await hand.commit(other, other.batch(power=[1.0])) == {1: AckStatus.NEED_BIRTH}


async def test_a_gateway_cannot_claim_a_device_of_another_until_that_one_is_gone(
    hand: Any, gateway: Any, other_gateway: Any
) -> None:
    other = other_gateway(code="D11011490010000781")
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0]))
    claim, batch = other.birth(), other.batch(power=[2.0])
    for _ in range(3):
        assert await hand.commit(other, claim, batch) == {1: AckStatus.SLOW, 2: AckStatus.NEED_BIRTH}
    (item,) = await hand.rows("SELECT reason, detail FROM quarantine")
    assert item["reason"] == "foreign-device"
    assert gateway.code in item["detail"]

    async def retired(_: str) -> bool:
        return True

    hand.known = type(hand.known)(hand.known.plans, hand.known.days, retired)
    assert await hand.commit(other, claim, batch) == {1: STORED, 2: STORED}
    hand.known = type(hand.known)()
    assert await hand.commit(gateway, gateway.batch(power=[3.0])) == {3: AckStatus.NEED_BIRTH}


async def test_a_birth_that_our_code_fails_on_stays_with_the_gateway_and_is_kept_once(hand: Any, gateway: Any) -> None:
    """Were it answered `quarantined`, its batches would ask for it, and it would come with a new number for ever."""
    birth = gateway.birth()
    for _ in range(2):
        assert await hand.commit(gateway, birth, condemned="KeyError: 'x'") == {1: AckStatus.SLOW}
    assert [row["reason"] for row in await hand.rows("SELECT reason FROM quarantine")] == ["poison"]
    assert await hand.commit(gateway, birth) == {1: STORED}


async def test_a_channel_keeps_its_place_when_births_come_and_go(hand: Any, gateway: Any) -> None:
    code = next(iter(gateway.devices))
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0], energy=[1]))
    gateway.devices = {code: ("voltage", "energy")}
    await hand.commit(gateway, gateway.birth(), gateway.batch(energy=[2]))
    gateway.devices = {code: ("energy", "power", "voltage")}
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[3.0], energy=[3]))
    (device,) = await hand.rows("SELECT channels FROM stream_device")
    assert [channel["name"] for channel in device["channels"]] == ["power", "energy", "voltage"]
    assert not any(channel.get("gone") for channel in device["channels"])
    (last,) = await hand.rows("SELECT mantissa, value FROM last_value")
    assert (last["value"][0], last["mantissa"][1]) == (3.0, 3)


@pytest.mark.parametrize(
    ("t0", "reason"),
    [(NOW_MS + 301_000, "in-the-future"), (NOW_MS - 400 * DAY_MS - 1, "too-old"), (0, "too-old")],
)
async def test_a_source_time_outside_the_window_goes_to_quarantine(
    hand: Any, gateway: Any, t0: int, reason: str
) -> None:
    statuses = await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0], t0=t0))
    assert statuses == {1: STORED, 2: QUARANTINED}
    (item,) = await hand.rows("SELECT reason, size, octet_length(body) AS kept FROM quarantine")
    assert item["reason"] == reason
    assert item["kept"] == item["size"]
    row = await cursor(hand)
    assert (row["stored"], row["quarantined"]) == (1, 1)


async def test_the_edges_of_the_window_are_inside_it(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    batches = [gateway.batch(power=[1.0], t0=t0) for t0 in (NOW_MS + 300_000, NOW_MS - 400 * DAY_MS)]
    assert await hand.commit(gateway, *batches) == {2: STORED, 3: STORED}


async def test_an_alias_that_the_birth_does_not_describe_goes_to_quarantine(hand: Any, gateway: Any) -> None:
    code = next(iter(gateway.devices))
    gateway.devices = {code: ("power",)}
    birth, described = gateway.birth(), gateway.batch(power=[1.0])
    gateway.devices = {code: ("power", "energy")}
    strange = replace(gateway.batch(energy=[1]), birth=described.birth)
    assert await hand.commit(gateway, birth, described, strange) == {1: STORED, 2: STORED, 3: QUARANTINED}
    (item,) = await hand.rows("SELECT reason, detail FROM quarantine")
    assert item["reason"] == "unknown-channel"
    assert "alias 1" in item["detail"]


async def test_a_value_out_of_range_is_kept_with_its_quality_and_out_of_the_envelope(hand: Any, gateway: Any) -> None:
    out_of_range = 0x803C
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0, 2.0**40], quality={1: out_of_range}))
    (last,) = await hand.rows("SELECT value, quality FROM last_value")
    assert (last["value"][0], last["quality"][0]) == (2.0**40, out_of_range)
    (minute,) = await hand.rows("SELECT n, high, bad FROM rollup_minute")
    assert (minute["n"][0], minute["high"][0], minute["bad"][0]) == (1, 1.0, 1)


async def test_a_counter_is_exact_in_last_and_roll_up(hand: Any, gateway: Any) -> None:
    biggest = 2**63 - 1
    await hand.commit(gateway, gateway.birth(), gateway.batch(energy=[99_999_999]))
    (last,) = await hand.rows("SELECT mantissa, scale, value FROM last_value")
    assert Decimal(last["mantissa"][1]).scaleb(last["scale"][1]) == Decimal("999999.99")
    assert last["value"][1] == 999999.99
    await hand.commit(gateway, gateway.batch(energy=[biggest], t0=NOW_MS))
    (minute,) = await hand.rows("SELECT mantissa FROM rollup_minute ORDER BY bucket DESC LIMIT 1")
    assert minute["mantissa"][1] == biggest


async def test_an_event_is_stored_and_emitted_with_bytes_as_hex_and_decimals_as_text(hand: Any, gateway: Any) -> None:
    data = {"id": b"\x01\xff", "readback": Decimal("21.50"), "status": "done", "n": 3, "big": 2**60, "none": None}
    assert await hand.commit(gateway, gateway.event("command-result", data)) == {1: STORED}
    (event,) = await hand.rows("SELECT payload FROM outbox WHERE type = 'event.stored'")
    assert event["payload"]["incarnation"] == str(gateway.incarnation)
    assert event["payload"]["data"] == {
        "id": "01ff", "readback": "21.50", "status": "done", "n": 3, "big": str(2**60), "none": None,
    }  # fmt: skip
    (stored,) = await hand.rows("SELECT kind, data FROM gateway_event")
    assert stored == {"kind": "command-result", "data": event["payload"]["data"]}


async def test_readings_of_an_unset_clock_wait_for_their_date(hand: Any, gateway: Any) -> None:
    gateway.clock = Clock(ClockState.UNSET)
    assert await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0], t0=5_000)) == {1: STORED, 2: STORED}
    (undated,) = await hand.rows("SELECT t0, boottime_ms, seq FROM undated_chunk")
    assert undated == {"t0": 5_000, "boottime_ms": 5_000, "seq": 2}
    for table in ("chunk", "last_value", "rollup_hour"):
        assert await hand.rows(f"SELECT FROM {table}") == []


async def test_the_clock_fix_with_the_smaller_bound_stands(hand: Any, gateway: Any) -> None:
    boot = bytes(range(16))
    for utc, bound in ((NOW_MS, 500), (NOW_MS - 100, 20), (NOW_MS - 900, 400)):
        data = {"boot": boot, "boottime_ms": 60_000, "utc_ms": utc, "bound_ms": bound}
        await hand.commit(gateway, gateway.event("clock-fix", data))
    await hand.commit(gateway, gateway.event("clock-fix", {"boot": b"short", "utc_ms": 1}))
    assert await hand.rows("SELECT utc_ms, bound_ms FROM clock_fix") == [{"utc_ms": NOW_MS - 100, "bound_ms": 20}]


async def test_an_older_state_and_an_older_connections_will_are_ignored(hand: Any, gateway: Any) -> None:
    will_of_first = gateway.state(1, 0, online=False)
    await hand.commit(gateway, gateway.state(1, 1), gateway.state(2, 3))
    await hand.commit(gateway, will_of_first, gateway.state(2, 2))
    (state,) = await hand.rows("SELECT connection, number, online FROM gateway_state")
    assert state == {"connection": 2, "number": 3, "online": True}
    await hand.commit(gateway, gateway.state(2, 4, online=False))
    (state,) = await hand.rows("SELECT online FROM gateway_state")
    assert not state["online"]


async def test_a_will_does_not_tell_of_an_older_configuration_than_runs(hand: Any, gateway: Any) -> None:
    configurations = [Configuration(number, bytes([number]) * 32) for number in (1, 2)]
    connects, changes = (
        replace(gateway.state(1, number), configuration=one) for number, one in enumerate(configurations, 1)
    )
    will = replace(gateway.state(1, 3, online=False), configuration=configurations[0])
    for message in (connects, changes, will):
        await hand.commit(gateway, message)
    (state,) = await hand.rows("SELECT online, state->'configuration'->>0 AS number FROM gateway_state")
    assert state == {"online": False, "number": "2"}


async def test_a_new_incarnation_begins_its_connections_again(hand: Any, gateway: Any, other_gateway: Any) -> None:
    await hand.commit(gateway, gateway.state(70, 3))
    renewed = other_gateway(incarnation=7)
    await hand.commit(renewed, renewed.state(1, 1))
    await hand.commit(gateway, gateway.state(71, 1, online=False))  # replayed from the old card
    (state,) = await hand.rows("SELECT connection, online FROM gateway_state")
    assert state == {"connection": 1, "online": True}


async def test_what_a_gateway_dropped_joins_the_gap_ledger_and_never_shrinks(hand: Any, gateway: Any) -> None:
    first = Dropped(3, 5, DropCause.QUOTA)
    await hand.commit(gateway, gateway.state(1, 1, first_kept=6, next_seq=20, dropped=(first,)))
    await hand.commit(gateway, gateway.state(1, 2, first_kept=2, next_seq=9, dropped=(Dropped(6, 6, DropCause.QUOTA),)))
    row = await cursor(hand)
    assert row["dropped"] == {"quota": [[3, 6]]}
    assert (row["first_kept"], row["next_seq"]) == (6, 20)


async def test_a_condemned_message_is_kept_and_acknowledged_as_quarantined(hand: Any, gateway: Any) -> None:
    assert await hand.commit(gateway, gateway.batch(power=[1.0]), condemned="DataError: no") == {1: QUARANTINED}
    (item,) = await hand.rows("SELECT reason, detail FROM quarantine")
    assert item == {"reason": "poison", "detail": "DataError: no"}
    assert (await cursor(hand))["received"][0].lower == 1


async def test_a_full_quarantine_asks_the_gateway_to_keep_the_message(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    await hand.rows(
        "INSERT INTO quarantine (received_at, gateway, topic, reason, detail, size, authentic, body) "
        "VALUES (now(), $1, '', 'fork', '', $2, true, '') RETURNING id",
        gateway.code,
        ROOM,
    )
    late = gateway.batch(power=[1.0], t0=1)
    assert await hand.commit(gateway, late) == {2: AckStatus.SLOW}
    assert (await cursor(hand))["received"][0].upper == 2


async def test_a_spool_full_of_holes_is_told_to_wait(hand: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_server.ingest.cursor.MAX_HOLES", 3)
    await hand.commit(gateway, gateway.birth(seq=1))
    sparse = [gateway.batch(power=[1.0], seq=seq) for seq in (3, 5, 7, 8, 6, 4)]
    assert await hand.commit(gateway, *sparse[:3]) == {3: STORED, 5: STORED, 7: AckStatus.SLOW}
    assert await hand.commit(gateway, sparse[5]) == {4: STORED}
    assert await hand.commit(gateway, sparse[2]) == {7: STORED}


async def test_a_batch_across_midnight_lies_in_two_partitions(hand: Any, gateway: Any) -> None:
    midnight = NOW_MS // DAY_MS * DAY_MS
    await hand.commit(gateway, gateway.birth(), gateway.batch(power=[1.0, 2.0, 3.0], t0=midnight - 1500))
    rows = await hand.rows("SELECT tableoid::regclass::text AS part, readings FROM chunk ORDER BY t0")
    assert rows == [{"part": "chunk_20260228", "readings": 2}, {"part": "chunk_20260301", "readings": 1}]


async def test_two_groups_of_one_gateway_at_once_store_each_message_once(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    batches = [gateway.batch(power=[1.0], t0=NOW_MS - 60_000 + n) for n in range(30)]
    arrivals = [gateway.arrival(batch) for batch in batches]
    await asyncio.gather(*(hand.outcome(arrivals[start:]) for start in (0, 10, 20, 5)))
    assert len(await hand.rows("SELECT FROM chunk")) == 30
    (minute,) = await hand.rows("SELECT sum(n[1]) AS n FROM rollup_minute")
    assert minute["n"] == 30


async def test_times_are_judged_by_the_servers_clock(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    batch = gateway.batch(power=[1.0], t0=NOW_MS + 600_000)
    hand.now += timedelta(minutes=6)
    assert await hand.commit(gateway, batch) == {2: STORED}


async def captured(hand: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await hand.rows(
        "SELECT name, rule, t0, fired, period, parts, part, ending, seq, readings FROM capture "
        "JOIN capture_part p ON p.capture_id = capture.id ORDER BY part"
    )
    return rows


async def test_a_burst_is_stored_once_however_often_it_comes(hand: Any, gateway: Any) -> None:
    birth, burst = gateway.birth(), gateway.burst(power=[1.0, 2.0], energy=[1, 2], fired=100)
    assert await hand.commit(gateway, birth, burst, burst) == {1: STORED, 2: STORED}
    assert await hand.commit(gateway, burst) == {2: STORED}
    assert await captured(hand) == [
        {
            "name": bytes(range(16, 32)), "rule": "overload", "t0": 1000 * (NOW_MS - 60_000), "fired": 100_000,
            "period": 100_000, "parts": 1, "part": 1, "ending": 0, "seq": 2, "readings": 4,
        }
    ]  # fmt: skip
    assert await hand.rows("SELECT FROM chunk") == [], "a capture is no history: no roll-up counts it"


async def test_the_parts_of_a_capture_come_in_any_order_and_group(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    first, second, third = (gateway.burst(power=[1.0], part=(n, 3), offset=100 * n) for n in (1, 2, 3))
    await hand.commit(gateway, third, first)
    await hand.commit(gateway, second)
    assert [(row["part"], row["parts"]) for row in await captured(hand)] == [(1, 3), (2, 3), (3, 3)]
    assert len(await hand.rows("SELECT FROM capture")) == 1


async def test_a_burst_whose_birth_is_not_known_waits_for_it(hand: Any, gateway: Any) -> None:
    burst = gateway.burst(power=[1.0], seq=5)
    assert await hand.commit(gateway, burst) == {5: AckStatus.NEED_BIRTH}
    assert await hand.commit(gateway, gateway.birth(seq=1), burst) == {1: STORED, 5: STORED}
    assert len(await captured(hand)) == 1


async def test_a_burst_of_a_time_that_cannot_be_is_quarantined(hand: Any, gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    ahead = gateway.burst(power=[1.0], t0=NOW_MS + 301_000)
    old = gateway.burst(power=[1.0], t0=NOW_MS - 401 * DAY_MS)
    fired = gateway.burst(power=[1.0], fired=400_000)
    assert set((await hand.commit(gateway, ahead, old, fired)).values()) == {QUARANTINED}
    reasons = [row["reason"] for row in await hand.rows("SELECT reason FROM quarantine ORDER BY seq")]
    assert reasons == ["in-the-future", "too-old", "in-the-future"]
    assert await captured(hand) == []


async def test_a_burst_of_an_unknown_channel_or_of_two_devices_is_quarantined(hand: Any, other_gateway: Any) -> None:
    both = other_gateway(devices={"D1101149001000101X": ("power", "energy"), "D1101149001000102Y": ("power",)})
    await hand.commit(both, both.birth())
    bursts = []
    for alias in (9, 2):
        burst = both.burst(power=[1.0], energy=[1])
        group = burst.waveform.group
        columns = (group.columns[0], group.columns[1]._replace(alias=alias))
        bursts.append(replace(burst, waveform=replace(burst.waveform, group=replace(group, columns=columns))))
    assert set((await hand.commit(both, *bursts)).values()) == {QUARANTINED}
    reasons = [row["reason"] for row in await hand.rows("SELECT reason FROM quarantine ORDER BY seq")]
    assert reasons == ["unknown-channel", "mixed-burst"]
    assert await captured(hand) == []


async def test_another_gateways_birth_gives_no_right_to_a_device(hand: Any, gateway: Any, other_gateway: Any) -> None:
    await hand.commit(gateway, gateway.birth())
    thief = other_gateway(code="D1101149001000088B", incarnation=7)
    assert await hand.commit(thief, thief.burst(power=[1.0], seq=3)) == {3: AckStatus.NEED_BIRTH}
    assert await captured(hand) == []
