"""Captures over HTTP, from bursts on a real database: who may, what comes, what is noted."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fleet_server.conftest import UNSET

NOW_MS = 1_772_416_800_000  # 2026-03-02 02:00 UTC
CAPTURE = bytes(range(16, 32)).hex()


@pytest.fixture
async def sown(city: Any, hand: Any, gateway: Any, clock: Any) -> Any:
    """A device of the ledger and its gateway."""
    enrolled = await city.gateway(77)
    device = await city.device(enrolled, 101)
    speaking = replace(gateway, code=enrolled.gateway.code, devices={device: ("power", "energy")})
    hand.now = clock.now()
    await hand.commit(speaking, speaking.birth())
    return device, speaking


async def test_a_capture_is_listed_shown_and_exported_exactly(city: Any, sown: Any, fleet: Any, hand: Any) -> None:
    device, gateway = sown
    burst = gateway.burst(power=[0.1, 7.5], energy=[99_999_999, 99_999_999], t0=NOW_MS, fired=100)
    await hand.commit(gateway, burst)
    reader = await city.token(await city.user("viewer"))
    async with fleet() as client:
        listed = (await client.get(f"/api/v1/devices/{device}/captures", headers=reader)).json()
        (item,) = listed["items"]
        assert (item["name"], item["rule"], item["ending"]) == (CAPTURE, "overload", "whole")
        assert (item["parts"], item["received"], item["readings"], item["dated"]) == (1, 1, 4, True)
        shown = (await client.get(f"/api/v1/devices/{device}/captures/{CAPTURE}", headers=reader)).json()
        assert shown["device"] == device
        assert [trace["channel"]["name"] for trace in shown["traces"]] == ["power", "energy"]
        assert shown["traces"][0]["t"] == [-100_000, 0]
        assert shown["traces"][1]["text"] == ["999999.99", "999999.99"]
        answer = await client.get(f"/api/v1/devices/{device}/captures/{CAPTURE}/samples.csv", headers=reader)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.text.splitlines()[1:3] == [
            "2026-03-02T02:00:00.000000Z,power,0.1,W,Good",
            "2026-03-02T02:00:00.100000Z,power,7.5,W,Good",
        ]
    (noted,) = await city.audited("telemetry.export")
    assert (noted["object"], noted["detail"]["capture"]) == (device, CAPTURE)


async def test_captures_are_paged_the_newest_first(city: Any, sown: Any, fleet: Any, hand: Any) -> None:
    device, gateway = sown
    names = [bytes([number] * 16) for number in range(5)]
    for name in names:
        await hand.commit(gateway, gateway.burst(power=[1.0], t0=NOW_MS, capture=name))
    reader = await city.token(await city.user("viewer"))
    found: list[str] = []
    async with fleet() as client:
        query: dict[str, str] = {"limit": "2"}
        while query:
            page = (await client.get(f"/api/v1/devices/{device}/captures", params=query, headers=reader)).json()
            found += [item["name"] for item in page["items"]]
            query = {"limit": "2", "after": page["next"]} if page["next"] else {}
    assert found == [name.hex() for name in reversed(names)]


async def test_nobody_sees_a_capture_of_a_device_outside_his_scope(city: Any, sown: Any, fleet: Any, hand: Any) -> None:
    device, gateway = sown
    await hand.commit(gateway, gateway.burst(power=[1.0], t0=NOW_MS))
    stranger = await city.token(await city.user("stranger", scope=["bj.110101"]))
    async with fleet() as client:
        for way in ("", f"/{CAPTURE}", f"/{CAPTURE}/samples.csv"):
            assert (await client.get(f"/api/v1/devices/{device}/captures{way}", headers=stranger)).status_code == 404
            assert (await client.get(f"/api/v1/devices/{device}/captures{way}")).status_code == 401
    assert await city.audited("telemetry.export") == []


async def test_a_capture_that_is_not_there_and_a_name_that_is_none_are_told_apart(
    city: Any, sown: Any, fleet: Any
) -> None:
    device, _ = sown
    reader = await city.token(await city.user("viewer"))
    async with fleet() as client:
        for name, status in ((CAPTURE, 404), ("x", 422), (CAPTURE.upper(), 422), (f"{CAPTURE}00", 422)):
            url = f"/api/v1/devices/{device}/captures/{name}"
            assert (await client.get(url, headers=reader)).status_code == status


async def test_a_capture_taken_before_the_clock_was_set_is_dated_by_the_fix_of_its_boot(
    city: Any, sown: Any, fleet: Any, hand: Any
) -> None:
    device, gateway = sown
    early = replace(gateway, clock=UNSET)
    await hand.commit(early, early.burst(power=[1.0], t0=5_000, boottime_ms=5_000, seq=10))
    reader = await city.token(await city.user("viewer"))
    async with fleet() as client:
        url = f"/api/v1/devices/{device}/captures/{CAPTURE}"
        assert (await client.get(url, headers=reader)).json()["dated"] is False
        fix = {"boot": bytes(range(16)), "boottime_ms": 65_000, "utc_ms": NOW_MS, "bound_ms": 10}
        await hand.commit(gateway, gateway.event("clock-fix", fix, t=NOW_MS, seq=11))
        shown = (await client.get(url, headers=reader)).json()
        assert (shown["dated"], shown["fired_at"]) == (True, "2026-03-02T01:59:00Z")
