"""Real brokers: whoever has the password comes in, and with mosquitto keeps to its own topics."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from sim_devices.city import broker
from sim_devices.city.program import StartFailed

USERS = {"hutong-ingest": "server's", "D1101149001000077A": "first's", "D11011490010000788": "second's"}
REFUSED_S = 0.7  # iotcore says nothing to those it does not let in
FIRST, SECOND = "D1101149001000077A", "D11011490010000788"


def client(running: broker.Broker, user: str, password: str | None = None) -> aiomqtt.Client:
    return aiomqtt.Client(
        running.host,
        running.port,
        username=user,
        password=USERS[user] if password is None else password,
        protocol=aiomqtt.ProtocolVersion.V5,
        timeout=3 if password is None else REFUSED_S,
    )


async def first_payload(listener: aiomqtt.Client) -> bytes:
    async with asyncio.timeout(5):
        async for message in listener.messages:
            assert isinstance(message.payload, bytes)
            return message.payload
    raise AssertionError


@pytest.fixture(scope="module", params=broker.available())
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[broker.Broker]:
    with broker.start(tmp_path_factory.mktemp("broker"), USERS, prefer=request.param) as started:
        yield started


async def test_a_batch_goes_up_and_an_acknowledgement_down_whole_even_when_large(running: broker.Broker) -> None:
    async with client(running, "hutong-ingest") as ingest, client(running, FIRST) as gateway:
        await ingest.subscribe("$share/ingest/hutong/1/+/data", qos=1)
        await gateway.subscribe(f"hutong/1/{FIRST}/ack", qos=1)
        batch = bytes(range(256)) * 1200
        await gateway.publish(f"hutong/1/{FIRST}/data", batch, qos=1)
        assert await first_payload(ingest) == batch
        await ingest.publish(f"hutong/1/{FIRST}/ack", b"stored", qos=1)
        assert await first_payload(gateway) == b"stored"


async def test_a_wrong_password_and_an_unknown_name_stay_outside(running: broker.Broker) -> None:
    for user, password in ((FIRST, "wrong"), (FIRST, "")):
        with pytest.raises(aiomqtt.MqttError):
            async with client(running, user, password):
                pytest.fail("it came in")
    # No name at all:
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(running.host, running.port, protocol=aiomqtt.ProtocolVersion.V5, timeout=REFUSED_S):
            pytest.fail("it came in")


async def test_a_will_is_sent_when_a_connection_is_lost(running: broker.Broker) -> None:
    async with client(running, "hutong-ingest") as ingest:
        await ingest.subscribe("hutong/1/+/state", qos=1)
        will = aiomqtt.Will(f"hutong/1/{SECOND}/state", b"gone", qos=1)
        gateway = aiomqtt.Client(
            running.host, running.port, username=SECOND, password=USERS[SECOND], will=will,
            protocol=aiomqtt.ProtocolVersion.V5, timeout=0.5,
        )  # fmt: skip
        await gateway.__aenter__()
        socket = gateway._client.socket()
        assert socket is not None
        socket.close()
        with pytest.raises(aiomqtt.MqttError):
            await gateway.__aexit__(None, None, None)
        assert await first_payload(ingest) == b"gone"


async def test_users_that_are_added_later_come_in_and_those_left_out_do_not(tmp_path: Path) -> None:
    for kind in broker.available():
        with broker.start(tmp_path / kind, {"hutong-ingest": "server's"}, prefer=kind) as running:
            with pytest.raises(aiomqtt.MqttError):
                async with client(running, FIRST, USERS[FIRST]):
                    pytest.fail("it came in")
            running.set_users(USERS)
            deadline = asyncio.get_running_loop().time() + 5
            while True:
                try:
                    async with client(running, FIRST):
                        break
                except aiomqtt.MqttError:
                    assert asyncio.get_running_loop().time() < deadline
                    await asyncio.sleep(0.05)


async def test_the_port_is_kept_over_a_restart_and_left_when_it_is_taken(tmp_path: Path) -> None:
    with broker.start(tmp_path, USERS) as running:
        port = running.port
        prepared = broker.prepare(tmp_path, USERS)
        assert prepared.port != port
    with broker.start(tmp_path, USERS) as running:
        assert running.url == f"mqtt://127.0.0.1:{prepared.port}"


@pytest.mark.skipif("mosquitto" not in broker.available(), reason="mosquitto is not on this machine")
async def test_mosquitto_keeps_a_gateway_to_its_own_topics(tmp_path: Path) -> None:
    with broker.start(tmp_path, USERS, prefer="mosquitto") as running:
        async with client(running, "hutong-ingest") as ingest, client(running, FIRST) as spy:
            await ingest.subscribe("hutong/1/#", qos=1)
            await spy.subscribe("hutong/1/#", qos=1)
            await spy.publish(f"hutong/1/{SECOND}/data", b"forged", qos=1)
            await ingest.publish(f"hutong/1/{SECOND}/cmd", b"not for the spy", qos=1)
            await spy.publish(f"hutong/1/{FIRST}/data", b"its own", qos=1)
            seen = [await first_payload(ingest), await first_payload(ingest)]
            assert b"forged" not in seen
            await ingest.publish(f"hutong/1/{FIRST}/cmd", b"for the spy", qos=1)
            assert await first_payload(spy) == b"for the spy"


def test_the_hash_is_what_mosquitto_passwd_writes() -> None:
    # Of mosquitto_passwd 2.0.11, for the password "secret".
    line = (
        "$7$101$qvhN7adc8DfQIIh+$wkKzy2iT4UKK+g1dMVteAXf2lDe6cvUcLLQe"
        "ZXRKTZfwAAoK1H9FloiYt8uQaJ2yjsLgURxvqZRJ8j/dNfEtLg=="
    )
    assert broker.mosquitto_hash("secret", base64.b64decode(line.split("$")[3])) == line


def test_without_a_broker_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "available", tuple)
    with pytest.raises(StartFailed, match="install mosquitto 2, or the package iotcore"):
        broker.prepare(tmp_path, USERS)
