"""The session against each broker there is: it is strict brokers that show whether we keep to MQTT."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from fleet_server.config import BrokerSettings
from fleet_server.ingest.arrivals import Raw
from fleet_server.ingest.session import Session
from protocols.edge.envelope import UPWARD
from sim_devices.city import broker

GATEWAY = "D1101149001000077A"
GREETING = b"is anybody there?"
USERS = {"hutong-ingest": "ours", GATEWAY: "theirs"}


@pytest.fixture(scope="module", params=broker.available())
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    with broker.start(tmp_path_factory.mktemp("broker"), USERS, prefer=request.param) as started:
        yield started


@asynccontextmanager
async def connected(running: broker.Broker) -> AsyncIterator[tuple[Session, aiomqtt.Client]]:
    settings = BrokerSettings(url=running.url, password=USERS["hutong-ingest"])
    gateway = aiomqtt.Client(
        running.host, running.port, username=GATEWAY, password=USERS[GATEWAY], protocol=aiomqtt.ProtocolVersion.V5
    )
    async with Session(settings) as session, asyncio.timeout(10):
        await session.connected.wait()
        async with gateway:
            # SUBSCRIBE may still be on its way: what is sent before it has arrived is for nobody.
            while True:
                await gateway.publish(f"hutong/1/{GATEWAY}/data", GREETING, qos=1)
                try:
                    async with asyncio.timeout(0.2):
                        session.acknowledge(await session.take(1))
                        break
                except TimeoutError:
                    continue
            yield session, gateway


async def take(session: Session, count: int) -> list[Raw]:
    taken: list[Raw] = []
    while len(taken) < count:
        raws = await session.take(count)
        session.acknowledge([raw for raw in raws if raw.sealed == GREETING])
        taken += [raw for raw in raws if raw.sealed != GREETING]
    return taken


async def test_messages_of_every_kind_arrive(running: broker.Broker) -> None:
    async with connected(running) as (session, gateway):
        topics = {f"hutong/1/{GATEWAY}/{leaf}" for leaf in UPWARD}
        for topic in topics:
            await gateway.publish(topic, b"x", qos=1)
        assert {raw.topic for raw in await take(session, len(topics))} == topics


async def test_messages_that_are_settled_out_of_order_are_acknowledged_in_order(running: broker.Broker) -> None:
    """MQTT-4.6.0-2; rumqttd hangs up on a client that does otherwise."""
    async with connected(running) as (session, gateway):
        for number in range(6):
            await gateway.publish(f"hutong/1/{GATEWAY}/data", bytes([number]), qos=1)
        raws = await take(session, 6)
        for raw in (raws[3], raws[5], raws[0], raws[2], raws[1], raws[4]):
            session.acknowledge([raw])
        for number in range(6, 9):
            await gateway.publish(f"hutong/1/{GATEWAY}/data", bytes([number]), qos=1)
        later = await take(session, 3)
        assert [raw.sealed for raw in later] == [b"\x06", b"\x07", b"\x08"]
        assert session.connected.is_set()
        session.acknowledge(later)


async def test_a_flood_that_no_acknowledgement_holds_back_is_forgotten_beyond_its_bytes(
    running: broker.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QoS 0, to which no receive maximum applies; and QoS 1, whose receipts must not stay with us."""
    monkeypatch.setattr("fleet_server.ingest.session.MOST_BYTES", 50_000)
    async with connected(running) as (session, gateway):
        for number in range(60):
            await gateway.publish(f"hutong/1/{GATEWAY}/data", bytes(10_000), qos=number % 2)
        while session.lost < 55:  # noqa: ASYNC110 - counted in paho's thread
            await asyncio.sleep(0.01)
        kept = await take(session, 5)
        session.acknowledge(kept)
        await gateway.publish(f"hutong/1/{GATEWAY}/data", b"after", qos=1)
        (after,) = await take(session, 1)
        assert after.sealed == b"after"
        session.acknowledge([after])
        assert not session._arrivals
        assert not session._settled
