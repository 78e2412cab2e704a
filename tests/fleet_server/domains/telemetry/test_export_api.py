"""The export over HTTP: who may, what is noted, and what comes."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fleet_server.domains.telemetry.exact import PIECE

START_MS = 1_772_416_800_000  # an hour of UTC


@pytest.fixture
async def sown(city: Any, hand: Any, gateway: Any, clock: Any) -> Any:
    """A device of the ledger and its gateway: (code, gateway)."""
    enrolled = await city.gateway(77)
    device = await city.device(enrolled, 101)
    speaking = replace(gateway, code=enrolled.gateway.code, devices={device: ("power", "energy")})
    hand.now = clock.now()
    await hand.commit(speaking, speaking.birth())
    return device, speaking


def window(hours: float = 1, **more: str) -> dict[str, str]:
    return {"from": str(START_MS), "to": str(START_MS + round(hours * 3_600_000))} | more


async def test_csv_and_json_lines_carry_every_reading_exactly(city: Any, sown: Any, fleet: Any, hand: Any) -> None:
    device, gateway = sown
    await hand.commit(gateway, gateway.batch(power=[0.1], energy=[99_999_999], t0=START_MS + 7))
    reader = await city.token(await city.user("viewer"))
    async with fleet() as client:
        answer = await client.get(f"/api/v1/devices/{device}/readings.csv", params=window(), headers=reader)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="{device}_20260302T')
        assert answer.text.splitlines()[1:] == [
            "2026-03-02T02:00:00.007Z,power,0.1,W,Good",
            "2026-03-02T02:00:00.007Z,energy,999999.99,kWh,Good",
        ]
        only = window(channels="energy")
        lines = (await client.get(f"/api/v1/devices/{device}/readings.jsonl", params=only, headers=reader)).text
        assert [json.loads(line)["value"] for line in lines.splitlines()] == ["999999.99"]
    first, second = await city.audited("telemetry.export")
    assert (first["object"], first["detail"]["channels"], first["detail"]["format"]) == (
        device, ["power", "energy"], "csv",
    )  # fmt: skip
    assert second["detail"]["channels"] == ["energy"]


async def test_what_is_outside_the_scope_or_makes_no_sense_is_refused_and_noted_as_no_export(
    city: Any, sown: Any, fleet: Any
) -> None:
    device, _ = sown
    stranger = await city.token(await city.user("stranger", scope=["bj.110101"]))
    reader = await city.token(await city.user("viewer"))
    async with fleet() as client:
        for kind in ("csv", "jsonl"):
            url = f"/api/v1/devices/{device}/readings.{kind}"
            assert (await client.get(url, params=window())).status_code == 401
            assert (await client.get(url, params=window(), headers=stranger)).status_code == 404
            assert (await client.get(url, params=window(0), headers=reader)).status_code == 422
            assert (await client.get(url, params=window(channels="nothing"), headers=reader)).status_code == 422
    assert await city.audited("telemetry.export") == []


async def test_a_long_export_comes_in_pieces_of_bounded_size(city: Any, sown: Any, fleet: Any, hand: Any) -> None:
    device, gateway = sown
    hours, at = 24, START_MS - 24 * 3_600_000
    for hour in range(hours):
        energy = list(range(hour * 3600, (hour + 1) * 3600))
        await hand.commit(gateway, gateway.batch(energy=energy, power=[1.0] * 3600, t0=at + hour * 3_600_000))
    async with fleet() as client:
        telemetry = client.context.ports.telemetry
        start = client.context.clock.now() - timedelta(days=2)
        chosen = await telemetry.choose(device, [], start, client.context.clock.now())
        sizes = [len(samples) async for samples in telemetry.pieces(chosen)]
        assert sum(sizes) == 2 * hours * 3600
        assert max(sizes) <= 2 * PIECE / 12 + 7200  # 12 octets a reading of both
        reader = await city.token(await city.user("viewer"))
        query = {"from": str(at), "to": str(START_MS), "channels": "energy"}
        text = (await client.get(f"/api/v1/devices/{device}/readings.csv", params=query, headers=reader)).text
    values = [line.split(",")[2] for line in text.splitlines()[1:]]
    assert values == [f"{n // 100}.{n % 100:02}" for n in range(hours * 3600)]
