"""From the stored batch to the answer: swaps, roll-overs and figures of eight digits, exact, in a real database."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from fleet_server.domains.metering.wiring import watch


async def test_a_meter_swapped_in_mid_stream_gives_exact_consumption_across_the_swap(place: Any) -> None:
    await place.read(0, 55_667_690, 55_667_701, 55_667_712)
    await place.read(10, 0, 3, 11)
    before = await place.consumption()
    assert (before["amount"], before["complete"]) == ("0.33", False)  # 0.22 of the old, 0.11 of the new, the swap open
    assert [one["way"] for one in before["open"]] == ["fall"]

    answer = await place.record(5, "556677.15", "0.00", removed_serial="A 100", fitted_serial="B 7", note="burnt")
    assert answer.status_code == 201, answer.text
    told = await place.consumption()
    assert (told["amount"], told["complete"], told["open"]) == ("0.36", True, [])
    assert (told["first"]["value"], told["last"]["value"]) == ("556676.90", "0.11")
    (swap,) = told["replacements"]
    assert (swap["end"], swap["start"], swap["fitted_serial"], swap["version"]) == ("556677.15", "0.00", "B 7", 1)

    await place.compact()
    assert await place.consumption() == told


async def test_999999_99_and_the_roll_over_behind_it_survive_from_batch_to_console_and_export(place: Any) -> None:
    await place.read(0, 99_999_997, 99_999_999, 1, 4)
    for _ in ("in small chunks", "merged"):
        told = await place.consumption(step="hour")
        assert (told["amount"], told["complete"]) == ("0.07", True)
        assert [step["amount"] for step in told["steps"]] == ["0.07", "0"]
        (crossing,) = told["rollovers"]
        assert (crossing["before"]["value"], crossing["after"]["value"], crossing["amount"]) == (
            "999999.99", "0.01", "0.02",
        )  # fmt: skip
        window = {"from": place.at(0).isoformat(), "to": place.at(60).isoformat(), "channels": "energy"}
        export = await place.client.get(place.path("readings.csv"), params=window, headers=place.viewer)
        assert export.text.splitlines() == [
            "time,channel,value,unit,quality",
            "2026-03-02T03:00:00.000Z,energy,999999.97,kWh,Good",
            "2026-03-02T03:01:00.000Z,energy,999999.99,kWh,Good",
            "2026-03-02T03:02:00.000Z,energy,0.01,kWh,Good",
            "2026-03-02T03:03:00.000Z,energy,0.04,kWh,Good",
        ]
        page = (await place.client.get(f"/devices/{place.device}/meter", headers=place.viewer)).text
        assert 'data-amount="0.07"' in page
        assert "999999.99 → 0.01 kWh" in page
        await place.compact()


async def test_a_new_meter_of_another_scale_rolls_over_where_its_own_birth_says(place: Any) -> None:
    await place.read(0, 99_999_990, 99_999_999, 2)
    await place.fit(-3, 10**9)
    await place.read(10, 999_999_990, 5)
    assert (await place.record(5, "0.05", "999999.985")).status_code == 201
    told = await place.consumption()
    assert (told["amount"], told["complete"]) == ("0.170", True)  # 0.09 0.03 0.03 | 0.005 0.015
    assert [one["amount"] for one in told["rollovers"]] == ["0.03", "0.015"]


async def test_parts_and_what_is_carried_between_them_make_the_whole(place: Any) -> None:
    await place.read(0, *range(100, 160, 3))
    first, second = await place.consumption(0, 7.5), await place.consumption(7.5, 60)
    assert (first["amount"], second["carried"], second["amount"]) == ("0.21", "0.03", "0.33")
    assert second["before"]["value"] == first["last"]["value"]
    assert (await place.consumption(0, 60))["amount"] == "0.57"


async def test_the_last_reading_before_is_found_over_days_of_silence(place: Any) -> None:
    await place.read(-4 * 24 * 60, 100)
    await place.read(0, 150)
    told = await place.consumption()
    assert (told["carried"], told["before"]["value"], told["amount"]) == ("0.50", "1.00", "0.00")


async def test_steps_are_beijings_days_and_add_up(place: Any) -> None:
    await place.read(-24 * 60, 100, 130)
    await place.read(0, 170)
    told = await place.consumption(-48 * 60, 60, step="day")
    assert [(step["from"], step["amount"]) for step in told["steps"]] == [
        ("2026-02-28T11:00:00+08:00", "0"),
        ("2026-03-01T00:00:00+08:00", "0.30"),
        ("2026-03-02T00:00:00+08:00", "0.40"),
    ]


async def test_what_cannot_be_is_refused_with_what_would_do(place: Any) -> None:
    await place.read(0, 55_667_690, 55_667_701, 55_667_712)
    await place.read(10, 0, 3)
    for minutes, end, start, fields in (
        (5, "556677.11", "0.00", {"end": "556677.12 kWh of 2026-03-02T11:02:00.000+08:00"}),
        (5, "556677.12", "0.01", {"start": "0.00 kWh of 2026-03-02T11:10:00.000+08:00"}),
        (1.5, "556677.05", "0.00", {"start": "556677.12"}),
        (10_000, "556677.12", "0.00", {"at": "not in the future"}),
        (-600_000, "556677.12", "0.00", {"at": "400 days"}),
        (5, "-1", "-0.01", {"end": "from 0 on", "start": "from 0 on"}),
        (5, "1000000.00", "0.00", {"end": "below 1000000.00"}),
        (5, "9" * 19, "0.00", {"end": "18 digits"}),
    ):
        answer = await place.record(minutes, end, start)
        told = answer.json()["fields"]
        assert (answer.status_code, set(told)) == (422, set(fields))
        assert all(part in told[name] for name, part in fields.items()), told
    assert await place.listed(place.path("replacements")) == []


async def test_the_same_replacement_is_recorded_once(place: Any) -> None:
    await place.read(0, 55_667_690)
    await place.read(10, 0, 3)
    assert (await place.record(5, "556677.00", "0.00")).status_code == 201
    for minutes, end in ((5, "556677.10"), (7, "556677.00")):
        answer = await place.record(minutes, end, "0.00")
        assert (answer.status_code, answer.json()["fields"]) == (409, {"at": "recorded already"})


async def test_a_channel_that_does_not_count_has_no_replacement_and_no_consumption(place: Any) -> None:
    for channel in ("power", "nothing"):
        answer = await place.record(5, "1", "0", channel=channel)
        assert answer.status_code == 422
        query = {"channel": channel, "from": place.at(0).isoformat(), "to": place.at(9).isoformat()}
        answer = await place.client.get(place.path("consumption"), params=query, headers=place.viewer)
        assert answer.status_code == 422


async def test_a_correction_is_a_further_version_and_a_withdrawal_too_and_all_are_audited(place: Any) -> None:
    await place.read(0, 55_667_690)
    await place.read(10, 0, 3)
    made = (await place.record(5, "556677.00", "0.00")).json()
    one = f"{place.path('replacements')}/{made['id']}"
    body = {"channel": "energy", "at": made["at"], "end": "556677.50", "start": "0.00"}
    corrected = await place.client.put(one, json=body, headers=place.technician)
    assert (corrected.status_code, corrected.json()["version"]) == (200, 2)
    assert (await place.consumption())["amount"] == "0.63"
    assert (await place.client.put(one, json=body | {"channel": "power"}, headers=place.technician)).status_code == 422

    assert (await place.client.delete(one, headers=place.technician)).status_code == 204
    told = await place.consumption()
    assert (told["amount"], told["complete"]) == ("0.03", False)
    for again in (
        place.client.delete(one, headers=place.technician),
        place.client.put(one, json=body, headers=place.technician),
    ):
        assert (await again).status_code == 409
    versions = (await place.client.get(f"{one}/versions", headers=place.viewer)).json()
    assert [(v["version"], v["end"], v["withdrawn"]) for v in versions] == [
        (1, "556677.00", False), (2, "556677.50", False), (3, "556677.50", True),
    ]  # fmt: skip
    (newest,) = await place.listed(place.path("replacements"))
    assert (newest["version"], newest["withdrawn"]) == (3, True)
    for action in ("metering.replace", "metering.correct", "metering.withdraw"):
        (row,) = await place.city.audited(action)
        assert (row["object"], row["detail"]["id"]) == (place.device, made["id"])


async def test_what_was_recorded_can_be_neither_changed_nor_deleted_by_the_server(place: Any) -> None:
    await place.read(0, 1)
    await place.record(5, "0.01", "0.00")
    for statement in ("DELETE FROM meter_replacement", "UPDATE meter_replacement SET note = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with place.context.database.system() as connection:
                await connection.execute(statement)


async def test_recording_needs_the_permission_and_the_scope(place: Any) -> None:
    await place.read(0, 1)
    assert (await place.record(5, "0.01", "0.00", headers=place.viewer)).status_code == 403
    assert (await place.record(5, "0.01", "0.00", headers=place.stranger)).status_code == 404
    made = (await place.record(5, "0.01", "0.00")).json()
    one = f"{place.path('replacements')}/{made['id']}"
    assert (await place.client.delete(one, headers=place.viewer)).status_code == 403
    assert (await place.client.delete(one, headers=place.stranger)).status_code == 404
    assert await place.city.audited("metering.withdraw") == []


async def test_a_replacement_of_another_device_is_not_reached_through_ones_own(place: Any) -> None:
    await place.read(0, 1)
    made = (await place.record(5, "0.01", "0.00")).json()
    other = await place.city.device(await place.city.gateway(78), 102)
    for url in (f"/api/v1/devices/{other}/replacements/{made['id']}", f"{place.path('replacements')}/{other}"):
        assert (await place.client.delete(url, headers=place.technician)).status_code in (404, 422)


async def test_a_suspected_replacement_is_listed_until_it_is_recorded_and_again_when_that_is_withdrawn(
    place: Any,
) -> None:
    await place.read(0, 60_000_000, 60_000_010)
    await watch(place.context)
    assert await place.listed("/api/v1/suspicions") == []
    await place.read(10, 5, 9)
    await watch(place.context)
    (found,) = await place.listed("/api/v1/suspicions")
    assert (found["device"], found["way"], found["before"]["value"], found["after"]["value"]) == (
        place.device, "fall", "600000.10", "0.05",
    )  # fmt: skip
    assert await place.listed(place.path("suspicions")) == [found]
    assert await place.listed("/api/v1/suspicions", place.stranger) == []

    made = (await place.record(5, "600000.40", "0.00")).json()
    assert await place.listed("/api/v1/suspicions") == []
    one = f"{place.path('replacements')}/{made['id']}"
    await place.client.delete(one, headers=place.technician)
    (again,) = await place.listed("/api/v1/suspicions")
    assert again["before"] == found["before"]


async def test_what_comes_late_moves_a_suspicion_to_where_the_meter_was_replaced(place: Any, clock: Any) -> None:
    await place.read(0, 60_000_000)
    await watch(place.context)
    await place.read(60, 5)
    await watch(place.context)
    (wide,) = await place.listed("/api/v1/suspicions")
    await place.read(20, 60_000_020, 0)  # from the spool of a gateway that was cut off
    await place.read(61, *range(6, 240))
    clock.advance(timedelta(hours=7))
    place.hand.now = clock.now()
    await place.read(480, 400)
    await watch(place.context)
    (narrow,) = await place.listed("/api/v1/suspicions")
    assert (narrow["before"]["value"], narrow["after"]["value"]) == ("600000.20", "0.00")
    assert narrow["id"] != wide["id"]


async def test_a_record_that_late_readings_contradict_is_a_suspicion_that_names_it(place: Any, clock: Any) -> None:
    await place.read(0, 60_000_000)
    await place.read(10, 5)
    made = (await place.record(5, "600000.10", "0.00")).json()
    await place.read(3, 60_000_020)
    told = await place.consumption()
    assert [(one["way"], one["replacement"]) for one in told["open"]] == [("fall", made["id"])]
    assert not told["complete"]


async def test_an_interval_that_makes_no_sense_is_refused(place: Any) -> None:
    for start, end, step in (
        ("2026-03-02T00:00:00", "2026-03-03T00:00:00Z", "day"),
        ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "day"),
        ("2024-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "day"),
        ("2025-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "hour"),
        ("9990-03-02T00:00:00Z", "9990-03-03T00:00:00Z", "day"),
        ("2026-03-02T00:00:00.0001Z", "2026-03-02T00:00:00.0002Z", "day"),
    ):
        query = {"channel": "energy", "from": start, "to": end, "step": step}
        answer = await place.client.get(place.path("consumption"), params=query, headers=place.viewer)
        assert answer.status_code == 422, (start, end)


async def test_pages_of_replacements_and_suspicions_are_whole(place: Any) -> None:
    for number in range(4):
        await place.read(10 * number, 1_000_000 - number, 1_000_050 - number)
    await watch(place.context)
    assert len(await whole(place, "/api/v1/suspicions")) == 3
    for number in range(1, 4):
        answer = await place.record(10 * number - 3, f"{10_000.51 - number / 100:.2f}", "0.00")
        assert answer.status_code == 201, answer.text
        assert len(await whole(place, "/api/v1/suspicions")) == 3 - number
    assert len(await whole(place, place.path("replacements"))) == 3


async def whole(place: Any, path: str) -> set[str]:
    """The ids of all items, two a page, none of them twice."""
    seen: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        query = {"limit": 2, "after": page["next"]}
        page = (await place.client.get(path, params=query, headers=place.viewer)).json()
        seen += [str(item["id"]) for item in page["items"]]
    assert len(set(seen)) == len(seen)
    return set(seen)
