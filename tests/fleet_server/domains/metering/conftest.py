"""A meter of eight digits behind a gateway of the ledger, in the real database, and people who may record or not."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fleet_server.domains.identity.models import Role
from fleet_server.domains.telemetry import jobs
from fleet_server.kernel.context import Context

MINUTE = 60_000


@dataclass
class Place:
    """`start` is an hour of UTC, a few hours before now; times are told in minutes from it."""

    client: httpx.AsyncClient
    context: Context
    city: Any
    hand: Any
    gateway: Any
    device: str
    technician: dict[str, str]
    viewer: dict[str, str]
    stranger: dict[str, str]
    start: datetime

    def at(self, minutes: float) -> datetime:
        return self.start + timedelta(minutes=minutes)

    async def read(self, minutes: float, *mantissas: int, **more: Any) -> None:
        """The meter's readings of successive minutes, stored as ingest stores them."""
        t0 = round(self.at(minutes).timestamp() * 1000)
        batch = self.gateway.batch(energy=list(mantissas), t0=t0, step=MINUTE, **more)
        answer = await self.hand.commit(self.gateway, batch)
        assert [status.name for status in answer.values()] == ["STORED"]

    async def fit(self, scale: int, rollover: int | None) -> None:
        """Another birth: the meter's readings are described so from now on."""
        self.gateway.scale, self.gateway.rollover = scale, rollover
        await self.hand.commit(self.gateway, self.gateway.birth())

    async def compact(self) -> None:
        await jobs.compact(self.context)
        left = await self.hand.rows("SELECT count(*) AS n FROM rollup_hour WHERE loose")
        assert left == [{"n": 0}]

    async def consumption(self, start: float = 0, end: float = 120, **query: str) -> dict[str, Any]:
        query = {"channel": "energy", "from": self.at(start).isoformat(), "to": self.at(end).isoformat()} | query
        answer = await self.client.get(self.path("consumption"), params=query, headers=self.viewer)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def record(self, minutes: float, end: str, start: str, **changes: Any) -> httpx.Response:
        headers = changes.pop("headers", self.technician)
        body = {"channel": "energy", "at": self.at(minutes).isoformat(), "end": end, "start": start} | changes
        return await self.client.post(self.path("replacements"), json=body, headers=headers)

    async def listed(self, path: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
        answer = await self.client.get(path, headers=headers or self.viewer)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def path(self, name: str) -> str:
        return f"/api/v1/devices/{self.device}/{name}"


@pytest.fixture
async def place(city: Any, hand: Any, gateway: Any, fleet: Any, clock: Any) -> AsyncIterator[Place]:
    enrolled = await city.gateway(77)
    device = await city.device(enrolled, 101, name="Pole 1 meter")
    speaking = replace(gateway, code=enrolled.gateway.code, devices={device: ("power", "energy")}, rollover=10**8)
    hand.now = clock.now()
    await hand.commit(speaking, speaking.birth())
    people = {
        "technician": (Role.TECHNICIAN, ["bj.110114"]),
        "viewer": (Role.VIEWER, ["bj"]),
        "stranger": (Role.TECHNICIAN, ["bj.110101"]),
    }
    tokens = {name: await city.token(await city.user(name, *of)) for name, of in people.items()}
    async with fleet() as client:
        start = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
        yield Place(client, client.context, city, hand, speaking, device, **tokens, start=start)
