"""The API over HTTP: scope, shapes and the live stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fleet_server.domains.identity.models import Role

START_MS = 1_772_438_400_000


@pytest.fixture
def hand_now(hand: Any, clock: Any) -> Any:
    hand.now = clock.now()
    return hand


@pytest.fixture
async def sown(city: Any, hand_now: Any, gateway: Any) -> Any:
    """A device of the ledger that spoke a minute ago: (its code, its gateway)."""
    enrolled = await city.gateway(77)
    device = await city.device(enrolled, 101)
    speaking = replace(gateway, code=enrolled.gateway.code, devices={device: ("power", "energy")})
    now_ms = int(city.context.clock.now().timestamp() * 1000)
    await hand_now.commit(
        speaking, speaking.birth(), speaking.batch(power=[0.1, 0.2], energy=[1, 99_999_999], t0=now_ms - 60_000)
    )
    return device, speaking


async def headers(city: Any, name: str = "viewer", scope: tuple[str, ...] = ("bj",), role: Role = Role.VIEWER) -> Any:
    return await city.token(await city.user(name, role, scope))


async def test_now_and_history_are_exact_and_name_their_channels(city: Any, sown: Any, fleet: Any) -> None:
    device, _ = sown
    async with fleet() as client:
        reader = await headers(city)
        now = (await client.get(f"/api/v1/devices/{device}/now", headers=reader)).json()
        assert [channel["text"] for channel in now["channels"]] == ["0.2", "999999.99"]
        end = city.context.clock.now()
        query = {"from": (end - timedelta(minutes=5)).isoformat(), "to": end.isoformat(), "channels": "energy"}
        answer = await client.get(f"/api/v1/devices/{device}/history", params=query, headers=reader)
        history = answer.json()
        assert history["resolution"] == "raw"
        assert history["series"][0]["text"] == ["0.01", "999999.99"]
        assert len(history["series"][0]["gaps"]) == 2
        in_ms = {"from": int(end.timestamp() * 1000) - 300_000, "to": int(end.timestamp() * 1000), "points": 100_000}
        assert (await client.get(f"/api/v1/devices/{device}/history", params=in_ms, headers=reader)).is_success


async def test_a_device_outside_the_scope_is_not_found_on_any_path(city: Any, sown: Any, fleet: Any) -> None:
    device, gateway = sown
    async with fleet() as client:
        stranger = await headers(city, "stranger", ("bj.110101",))
        window = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"
        for path in (
            f"devices/{device}/now",
            f"devices/{device}/history?{window}",
            f"gateways/{gateway.code}/delivery",
            f"live?devices={device}",
        ):
            assert (await client.get(f"/api/v1/{path}", headers=stranger)).status_code == 404, path


async def test_without_sign_in_and_without_permission_nothing_is_told(city: Any, sown: Any, fleet: Any) -> None:
    device, _ = sown
    async with fleet() as client:
        assert (await client.get(f"/api/v1/devices/{device}/now")).status_code == 401
        assert (await client.get(f"/api/v1/live?devices={device}")).status_code == 401
        assert (await client.get("/api/v1/quarantine")).status_code == 401


async def test_the_delivery_proof_is_told(city: Any, sown: Any, fleet: Any) -> None:
    _, gateway = sown
    async with fleet() as client:
        proof = (await client.get(f"/api/v1/gateways/{gateway.code}/delivery", headers=await headers(city))).json()
    assert (proof["lost"], proof["duplicated"], proof["pending"]) == (0, 0, 0)
    assert proof["incarnations"][0]["incarnation"] == str(gateway.incarnation)
    assert proof["incarnations"][0]["received"] == [[1, 2]]


async def test_the_quarantine_is_paged(city: Any, sown: Any, fleet: Any, hand_now: Any) -> None:
    _, gateway = sown
    for n in range(3):
        await hand_now.commit(gateway, gateway.batch(power=[1.0], t0=n))
    async with fleet() as client:
        inspector = await headers(city, "admin", role=Role.ADMINISTRATOR)
        first = (await client.get("/api/v1/quarantine?limit=2", headers=inspector)).json()
        second = (await client.get(f"/api/v1/quarantine?limit=2&after={first['next']}", headers=inspector)).json()
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    assert bytes.fromhex(first["items"][0]["sample"])


async def test_the_quarantine_of_another_district_is_unseen_and_leaves_no_hole_in_the_pages(
    city: Any, sown: Any, fleet: Any, hand_now: Any, gateway: Any
) -> None:
    _, here = sown
    elsewhere = replace(gateway, code=(await city.gateway(80, "110101001")).gateway.code)
    await hand_now.commit(here, here.batch(power=[1.0], t0=1))
    for n in range(5):
        await hand_now.commit(elsewhere, elsewhere.event("lamp", {}, t=n))
    async with fleet() as client:
        local = await headers(city, "local", ("bj.110114.110114011",), Role.OPERATOR)
        found = (await client.get("/api/v1/quarantine?limit=3", headers=local)).json()
        assert [item["gateway"] for item in found["items"]] == [here.code]
        assert found["next"] is None
        page = (await client.get("/quarantine", headers=local)).text
        assert here.code in page
        assert elsewhere.code not in page
        whole = (await client.get("/api/v1/quarantine", headers=await headers(city, "all", role=Role.OPERATOR))).json()
        assert len(whole["items"]) == 6


@pytest.mark.parametrize(
    "window",
    [
        "from=9998-01-01T00:00:00Z&to=9999-12-31T23:59:59-12:00",
        "from=0001-01-01T00:00:00%2B14:00&to=0001-01-02T00:00:00Z",
        "from=2026-01-01T00:00:00&to=2026-01-02T00:00:00",
        "from=2&to=1",
    ],
)
async def test_a_span_that_no_calendar_has_is_refused(city: Any, sown: Any, fleet: Any, window: str) -> None:
    async with fleet() as client:
        answer = await client.get(f"/api/v1/devices/{sown[0]}/history?{window}", headers=await headers(city))
    assert answer.status_code == 422


async def test_many_devices_are_checked_for_scope_as_strictly_as_one(city: Any, sown: Any, fleet: Any) -> None:
    enrolled = await city.gateway(90)
    codes = [await city.device(enrolled, serial) for serial in range(200, 215)]
    hidden = await city.device(enrolled, 210_000, division="bj.110101.110101001")
    async with fleet() as client:
        reader = await headers(city, "local", ("bj.110114",))
        async with streaming(client, ",".join(codes), reader) as events:
            assert await events.next() is not None
        answer = await client.get(f"/api/v1/live?devices={','.join([*codes, hidden])}", headers=reader)
        assert answer.status_code == 404


@pytest.mark.parametrize("query", ["", "devices=", "devices=,", "devices=" + ",".join(f"D{n}" for n in range(501))])
async def test_a_live_stream_of_no_or_too_many_devices_is_refused(city: Any, sown: Any, fleet: Any, query: str) -> None:
    async with fleet() as client:
        assert (await client.get(f"/api/v1/live?{query}", headers=await headers(city))).status_code == 422


class Events:
    """The server-sent events of one request, straight from the application: httpx's transport waits for the end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        for text in message.get("body", b"").decode().split("\n\n"):
            if text:
                name, data = text.split("\n")
                self.queue.put_nowait((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.queue.put_nowait(None)

    async def next(self) -> tuple[str, Any] | None:
        async with asyncio.timeout(10):
            return await self.queue.get()


@asynccontextmanager
async def streaming(client: Any, device: str, credentials: dict[str, str]) -> AsyncIterator[Events]:
    events = Events()
    fields = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:8080", **credentials}.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "path": "/api/v1/live", "raw_path": b"/api/v1/live", "query_string": f"devices={device}".encode(),
        "root_path": "", "scheme": "http", "headers": fields, "client": ("192.0.2.7", 1), "server": ("127.0.0.1", 8080),
    }  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client._transport.app(scope, events.receive, events.send))
        yield events
        events.gone.set()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet_server.domains.telemetry.watch.LONGEST_S", 0.3)
    monkeypatch.setattr("fleet_server.domains.telemetry.api.RECHECK_S", 0.3)


@pytest.mark.usefixtures("quick")
async def test_a_live_stream_tells_the_present_the_changes_and_that_it_lives(
    city: Any, sown: Any, fleet: Any, hand_now: Any
) -> None:
    device, gateway = sown
    async with fleet() as client, streaming(client, device, await headers(city)) as events:
        first = await events.next()
        assert first is not None
        assert first[0] == "now"
        assert [channel["text"] for channel in first[1][0]["channels"]] == ["0.2", "999999.99"]
        beat = await events.next()
        assert beat is not None
        assert (beat[0], beat[1]["now"]) == ("heartbeat", int(city.context.clock.now().timestamp() * 1000))
        await hand_now.commit(gateway, gateway.batch(power=[5.0], t0=beat[1]["now"]))
        while (told := await events.next()) is not None and told[0] == "heartbeat":
            continue
        assert told is not None
        assert [(c["name"], c["text"], c["at"]) for c in told[1][0]["channels"]] == [("power", "5", beat[1]["now"])]


@pytest.mark.usefixtures("quick")
async def test_a_live_stream_ends_when_its_reader_may_no_longer_read(city: Any, sown: Any, fleet: Any) -> None:
    device, _ = sown
    reader = await headers(city)
    async with fleet() as client, streaming(client, device, reader) as events:
        assert await events.next() is not None
        async with city.owner.system() as connection:
            await connection.execute("UPDATE device SET division = 'bj.110101' WHERE code = $1", device)
            await connection.execute("UPDATE user_account SET scope = '{bj.110114}'")
        while (told := await events.next()) is not None:
            assert told[0] == "heartbeat"
