"""A lamp behind a gateway, in the real database: enrolled, described, heard of. Its commands are given over the API."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from fleet_server.app import open_context
from fleet_server.domains import ALL
from fleet_server.domains.ledger.wiring import create_enrolment
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Database
from fleet_server.kernel.events import emit
from fleet_server.kernel.principal import PERMISSIONS, Principal
from fleet_server.kernel.relay import Relay
from protocols import citycode

GATEWAY = "D1101149001000077A"
LAMP = citycode.mint("D", "1101149001000101").text
INCARNATION = 2**64 - 5
KEY = bytes(range(32))
_SOME = {"quantity": "3311", "period_ms": 1000, "kind": "gauge", "type": "decimal"}
CHANNELS = [
    _SOME | {"name": "lamp_power", "unit": "W", "scale": -1},
    _SOME | {"name": "dim_setpoint", "unit": "%", "writable": True, "limits": [0, 100]},
    _SOME | {"name": "relay", "unit": "", "kind": "state", "writable": True, "states": {"0": {}, "1": {"en": "on"}}},
]
PEOPLE = {
    "operator": Principal("user:op", "Li", "user", frozenset(PERMISSIONS), ("bj.110114",)),
    "viewer": Principal("user:vi", "Wang", "user", frozenset({"ledger:read", "telemetry:read"}), ("bj",)),
    "elsewhere": Principal("user:el", "Zhao", "user", frozenset(PERMISSIONS), ("bj.110105",)),
}


class People:
    """Lets in by name: who may what is these tests' affair, how they prove it is not."""

    async def by_session(self, _secret: str) -> Principal | None:
        return None

    async def by_token(self, secret: str) -> Principal | None:
        return PEOPLE.get(secret)


@dataclass
class City:
    client: httpx.AsyncClient
    context: Context
    owner_url: str
    open_ingest: Callable[[], AbstractAsyncContextManager[Context]]
    gateway: str = GATEWAY
    lamp: str = LAMP
    key: bytes = KEY
    incarnation: int = INCARNATION

    async def send(self, who: str = "operator", **changes: Any) -> httpx.Response:
        body = {"channel": "dim_setpoint", "value": "40"} | changes
        return await self.client.post(f"/api/v1/devices/{self.lamp}/commands", json=body, headers=auth(who))

    async def recent(self, who: str = "operator", **query: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1/devices/{self.lamp}/commands", params=query, headers=auth(who))

    async def status(self) -> dict[str, Any]:
        """Of the newest command."""
        newest: dict[str, Any] = (await self.recent(limit=1)).json()["items"][0]
        return newest

    async def result(self, data: dict[str, Any], gateway: str = GATEWAY, kind: str = "command-result") -> None:
        """What ingest emits when it has stored an event, and the relay behind it."""
        t = round(self.context.clock.now().timestamp() * 1000)
        payload = {"gateway": gateway, "incarnation": "1", "seq": 1, "kind": kind, "source": LAMP, "t": t,
                   "severity": 0, "data": data}  # fmt: skip
        async with self.open_ingest() as ingest, ingest.database.system() as connection:
            await emit(connection, "event.stored", payload)
        await Relay(ALL).run(self.context)
        assert await self.sql("SELECT count(*) FROM outbox_delivery") == 0

    async def sql(self, query: str, *values: object) -> Any:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()


def auth(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {who}"}


@pytest.fixture
async def city(fleet: Any, fleet_settings: Any, clock: Any) -> AsyncIterator[City]:
    owner_url = fleet_settings.database.owner
    async with Database(owner_url) as database:
        enrolment = create_enrolment(database, clock, fleet_settings.secrets.dir)
        await enrolment.enrol(GATEWAY, "Block 1", "110114011", KEY)
    owner = await asyncpg.connect(owner_url)
    await owner.execute(
        """INSERT INTO device (code, gateway, name, model, division, created_at, updated_at)
           VALUES ($1, $2, 'Pole 1', 'lamp_controller', 'bj.110114.110114011', now(), now())""",
        LAMP,
        GATEWAY,
    )
    await owner.execute(
        "INSERT INTO stream_device (code, gateway, channels) VALUES ($1, $2, $3)", LAMP, GATEWAY, json.dumps(CHANNELS)
    )
    await owner.execute(
        """WITH i AS (INSERT INTO gateway_incarnation (gateway, incarnation, first_seen, last_seen)
                      VALUES ($1, $2, now(), now()) RETURNING id)
           INSERT INTO gateway_state (gateway, incarnation_id, connection, number, online, since, received_at, state)
           SELECT $1, id, 1, 1, true, now(), now(), '{}' FROM i""",
        GATEWAY,
        INCARNATION,
    )
    await owner.close()

    @asynccontextmanager
    async def open_ingest() -> AsyncIterator[Context]:
        async with open_context(fleet_settings, "ingest", clock=clock) as context:
            yield context

    async with fleet() as client:
        vars(client.context.ports)["authenticator"] = People()
        yield City(client, client.context, owner_url, open_ingest)
