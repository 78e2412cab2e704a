"""The ingest process over a real broker, on a real database, that is also killed."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fleet_server.config import BrokerSettings, DatabaseSettings, Settings
from fleet_server.ingest import process
from fleet_server.ingest.arrivals import Arrival, open_raw
from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Database
from fleet_server.kernel.migrate import migrate
from fleet_server.kernel.ports import Ports
from protocols.edge import envelope
from protocols.edge.cose import key_id
from protocols.edge.envelope import Address
from protocols.edge.messages import Acknowledgement, AckStatus, Message, acknowledgement_digest, digest, encode
from sim_devices.city import broker as city_broker
from sim_devices.city import postgres as city_postgres

INGEST = ("hutong-ingest", "ingest")
NOW_MS = 1_772_368_200_000


@dataclass
class Keys:
    """The port GatewayKeys, of gateways that are enrolled by hand."""

    known: dict[str, dict[bytes, bytes]] = field(default_factory=dict)

    async def keys(self, gateway: str) -> dict[bytes, bytes]:
        return self.known.get(gateway, {})

    async def gives_up_devices(self, gateway: str) -> bool:
        return gateway not in self.known


class Wire:
    """A gateway's side of the broker: publishes, and collects what was acknowledged under its key."""

    def __init__(self, broker: Any, gateway: Any) -> None:
        self.gateway = gateway
        self.statuses: dict[int, AckStatus] = {}
        self.digests: list[tuple[int, int, bytes]] = []
        self._loop = asyncio.get_running_loop()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(*INGEST)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.connect(broker.host, broker.port, clean_start=True)  # on each connect, not the first alone
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, *messages: Message) -> None:
        for message in messages:
            raw = self.gateway.seal(message)
            self.send_raw(raw.topic, raw.sealed)

    def send_raw(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(Address(self.gateway.code, "ack").topic, qos=1)

    def _on_message(self, _client: Any, _data: Any, message: MQTTMessage) -> None:
        address = envelope.parse_topic(message.topic)
        opened = envelope.open_sealed(address, bytes(message.payload), self.gateway.keys).message
        assert not message.retain
        self._loop.call_soon_threadsafe(self._take, opened)

    def _take(self, message: Message) -> None:
        assert isinstance(message, Acknowledgement)
        for acked in message.ranges:
            self.digests.append((acked.first, acked.last, acked.digest))
            for seq in range(acked.first, acked.last + 1):
                self.statuses[seq] = acked.status


async def until(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        # What is waited for happens in another process.
        while not (found := condition()) or (isinstance(found, Awaitable) and not await found):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class Running:
    context: Context
    keys: Keys

    async def value(self, query: str, *arguments: object) -> Any:
        async with self.context.database.system() as connection:
            return await connection.fetchval(query, *arguments)


@asynccontextmanager
async def ingesting(broker: Any, url: str, clock: Any, keys: Keys) -> AsyncIterator[Running]:
    settings = Settings(
        database=DatabaseSettings(ingest=url),
        broker=BrokerSettings(url=broker.url, username=INGEST[0], password=INGEST[1]),
    )
    ports = Ports()
    ports.open("gateway_keys", keys)
    async with Database(url) as database:
        context = Context(settings, database, clock, ports, cast("Any", None), cast("Any", None))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(process.run(context))
            yield Running(context, keys)
            task.cancel()


@pytest.fixture
def keys(gateway: Any) -> Keys:
    return Keys({gateway.code: gateway.keys})


@pytest.fixture
def now_clock(hand: Any) -> Any:
    class Still:
        def now(self) -> Any:
            return hand.now

    return Still()


@pytest.fixture
async def running(broker: Any, database_urls: Any, now_clock: Any, keys: Keys) -> AsyncIterator[Running]:
    async with ingesting(broker, database_urls.ingest, now_clock, keys) as running:
        yield running


@asynccontextmanager
async def wired(broker: Any, gateway: Any) -> AsyncIterator[Wire]:
    wire = Wire(broker, gateway)
    try:
        yield wire
    finally:
        wire.close()


@pytest.fixture
async def wire(broker: Any, gateway: Any, running: Running) -> AsyncIterator[Wire]:
    async with wired(broker, gateway) as wire:
        yield wire


async def settled(wire: Wire, *messages: Message, seconds: float = 20.0) -> None:
    """As a gateway does: sends again, in order, what is not acknowledged and what lacked its birth."""
    pending = {message.origin.seq: message for message in messages}  # type: ignore[union-attr]

    def left() -> list[Message]:
        waits = (None, AckStatus.NEED_BIRTH)
        return [message for seq, message in pending.items() if wire.statuses.get(seq) in waits]

    async with asyncio.timeout(seconds):
        while missing := left():
            wire.send(*missing)
            with suppress(TimeoutError):
                await until(lambda: not left(), 1.0)


async def test_what_a_gateway_sends_is_stored_and_acknowledged_with_the_digest_of_its_bytes(
    wire: Wire, running: Running, gateway: Any
) -> None:
    messages = [gateway.birth(), *(gateway.batch(power=[1.0, 2.0]) for _ in range(20))]
    await settled(wire, *messages)
    assert set(wire.statuses.values()) == {AckStatus.STORED}
    by_seq = {message.origin.seq: digest(encode(message)) for message in messages}
    for first, last, acked in wire.digests:
        assert acked == acknowledgement_digest([by_seq[seq] for seq in range(first, last + 1)])
    assert await running.value("SELECT sum(readings) FROM chunk") == 40


async def test_forged_foreign_oversized_and_misplaced_messages_get_no_answer_and_a_reason(
    wire: Wire, running: Running, gateway: Any, other_gateway: Any
) -> None:
    stranger = other_gateway(code="D1101149001000078X")
    forger = other_gateway(key=b"f" * 32)
    await settled(wire, gateway.birth())  # so that the subscription stands before what is sent once
    good = gateway.seal(gateway.birth())
    wire.send_raw(forger.seal(forger.birth()).topic, forger.seal(forger.birth()).sealed)  # not the gateway's key
    wire.send_raw(stranger.seal(stranger.birth()).topic, stranger.seal(stranger.birth()).sealed)  # not enrolled
    wire.send_raw(good.topic.replace("birth", "data"), good.sealed)  # redirected
    wire.send_raw(good.topic, good.sealed[:-9])  # cut
    wire.send_raw(good.topic, secrets.token_bytes(300_000))  # too long
    wire.send_raw("hutong/1/not-a-gateway/data", b"\xa0")
    expected = {"not-authentic", "unknown-gateway", "oversized", "wrong-topic"}

    async def seen() -> bool:
        found = await running.value("SELECT array_agg(DISTINCT reason) FROM quarantine")
        return set(found or ()) == expected

    await until(seen)
    assert wire.statuses == {1: AckStatus.STORED}
    assert await running.value("SELECT array_agg(gateway || stored) FROM gateway_incarnation") == [f"{gateway.code}1"]
    assert await running.value("SELECT max(octet_length(body)) FROM quarantine") <= 512
    await until(lambda: running.value("SELECT count FROM ingest_count WHERE name = 'refused:not-authentic'"))


async def test_two_ingest_processes_that_take_the_same_messages_store_each_of_them_once(
    wire: Wire, broker: Any, gateway: Any, database_urls: Any, keys: Keys, now_clock: Any, running: Running
) -> None:
    """The broker gives each message to either, and every message comes twice: both may hold one at the same time."""
    batches: list[Any] = []

    async def both_take_part() -> bool:
        for _ in range(20):
            at = len(batches)
            batches.append(gateway.batch(power=[1.0], energy=[at], t0=NOW_MS - 3_000_000 + 100 * at))
            wire.send(batches[-1], batches[-1])
        found: int = await running.value("SELECT count(DISTINCT process) FROM ingest_rate WHERE batches > 0")
        return found == 2

    async with ingesting(broker, database_urls.ingest, now_clock, keys):
        await settled(wire, gateway.birth())
        await until(both_take_part)
        await settled(wire, *batches)
        assert set(wire.statuses.values()) == {AckStatus.STORED}
        stored = await running.value("SELECT array_agg(seq ORDER BY seq) FROM chunk")
        assert stored == [batch.origin.seq for batch in batches]
        assert await running.value("SELECT stored FROM gateway_incarnation") == 1 + len(batches)
        assert await running.value("SELECT sum(n[1]) FROM rollup_minute") == len(batches)
        assert await running.value("SELECT mantissa[2] FROM last_value") == len(batches) - 1
        assert await running.value("SELECT repeats > 0 FROM gateway_incarnation")


async def test_one_poison_batch_harms_itself_alone(
    wire: Wire, running: Running, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message is known that the database refuses, so one is chosen and its row made impossible."""
    from fleet_server.ingest import commit

    true_rows = commit.chunk_rows

    def rows(device: int, blocks: Any, cursor: Any, seq: int | None, clock: int) -> Any:
        made = true_rows(device, blocks, cursor, seq, clock)
        return [(*row[:6], 2**31, row[7]) for row in made] if seq == 13 else made

    monkeypatch.setattr(commit, "chunk_rows", rows)
    await settled(wire, gateway.birth(), *(gateway.batch(power=[1.0]) for _ in range(40)))
    bad = {seq for seq, status in wire.statuses.items() if status is not AckStatus.STORED}
    assert bad == {13}
    assert wire.statuses[13] is AckStatus.QUARANTINED
    assert await running.value("SELECT reason FROM quarantine WHERE seq = 13") == "poison"
    assert await running.value("SELECT count(*) FROM chunk") == 39
    assert await running.value("SELECT stored + quarantined FROM gateway_incarnation") == 41


async def test_a_new_key_opens_messages_at_once_although_the_old_one_was_remembered(
    wire: Wire, running: Running, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_server.ingest.keys.RECHECK_S", 0.0)
    await settled(wire, gateway.birth())
    gateway.key = b"n" * 32
    running.keys.known[gateway.code] = gateway.keys
    await settled(wire, gateway.batch(power=[1.0]))
    assert wire.statuses[2] is AckStatus.STORED


async def test_while_a_key_is_being_replaced_a_gateway_is_answered_under_the_one_it_has(
    wire: Wire, running: Running, gateway: Any
) -> None:
    fresh = key_id(b"n" * 32), b"n" * 32
    running.keys.known[gateway.code] = dict([fresh]) | gateway.keys
    await settled(wire, gateway.birth(), gateway.batch(power=[1.0]))
    gateway.key = fresh[1]
    await settled(wire, gateway.batch(power=[2.0]))
    assert wire.statuses == dict.fromkeys((1, 2, 3), AckStatus.STORED)


async def test_two_processes_that_share_the_messages_store_each_of_them_once(
    broker: Any, database_urls: Any, now_clock: Any, gateway: Any, other_gateway: Any
) -> None:
    """Every message is sent twice, and the broker deals them out: both copies to one process, or one to each."""
    other = other_gateway(code="D11011490010000781", devices={"D11011490010001028": ("power", "energy")})
    keys = Keys({gateway.code: gateway.keys, other.code: other.keys})
    async with (
        ingesting(broker, database_urls.ingest, now_clock, keys) as running,
        ingesting(broker, database_urls.ingest, now_clock, keys),
        wired(broker, gateway) as one,
        wired(broker, other) as two,
    ):
        await settled(one, gateway.birth())
        await settled(two, other.birth())
        batches = {
            wire: [wire.gateway.batch(power=[1.0], energy=[n], t0=NOW_MS - 300_000 + 1000 * n) for n in range(200)]
            for wire in (one, two)
        }
        for n in range(200):
            for wire, own in batches.items():
                wire.send(own[n], own[199 - n])
        for wire, own in batches.items():
            await settled(wire, *own)
            assert set(wire.statuses.values()) == {AckStatus.STORED}
        for own in (gateway, other):
            seqs = await running.value(
                "SELECT array_agg(seq ORDER BY seq) FROM chunk JOIN gateway_incarnation i ON i.id = incarnation_id "
                "WHERE gateway = $1", own.code,
            )  # fmt: skip
            assert seqs == list(range(2, 202))
        stored = "SELECT sum(stored) || ' ' || sum(upper(received) - lower(received)) FROM gateway_incarnation"
        assert await running.value(stored) == "402 402"
        assert await running.value("SELECT sum(n[1]) || ' ' || sum(n[2]) FROM rollup_hour") == "400 400"
        assert await running.value("SELECT sum(n[1]) FROM rollup_minute") == 400
        await until(lambda: running.value("SELECT count(DISTINCT process) = 2 FROM ingest_rate"))  # both had a share


async def test_a_message_that_our_code_cannot_even_read_costs_no_other_its_answer(
    wire: Wire, running: Running, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such message is known, so the reading of one is made to fail."""

    def read(raw: Any, address: Any, keys: Any) -> Any:
        opened = true_read(raw, address, keys)
        if isinstance(opened, Arrival) and opened.identity[2] == 3:
            raise RuntimeError("a fault of ours")
        return opened

    true_read = open_raw
    monkeypatch.setattr(process, "open_raw", read)
    await settled(wire, gateway.birth())
    wire.send(*(gateway.batch(power=[1.0]) for _ in range(5)))
    await until(lambda: set(wire.statuses) == {1, 2, 4, 5, 6})
    await until(lambda: running.value("SELECT true FROM quarantine WHERE reason = 'unreadable'"))


async def test_a_database_killed_under_load_loses_nothing_and_stores_nothing_twice(
    broker: Any, gateway: Any, keys: Keys, now_clock: Any, tmp_path: Path
) -> None:
    server = city_postgres.start(tmp_path / "own")  # durable: what it confirmed must survive
    try:
        await migrate(server.owner_url)
        async with ingesting(broker, server.ingest_url, now_clock, keys) as running, wired(broker, gateway) as wire:
            await settled(wire, gateway.birth(seq=100_000))
            batches: list[Any] = []

            async def load() -> None:
                while True:
                    batches.append(gateway.batch(power=[1.0], t0=NOW_MS - 3_000_000 + 100 * len(batches)))
                    wire.send(batches[-1])
                    await asyncio.sleep(0.002)

            async with asyncio.TaskGroup() as tasks:
                loading = tasks.create_task(load())
                await until(lambda: len(wire.statuses) > 50)
                server.process.send(signal.SIGQUIT)  # "immediate": no clean-up, as after a crash
                await until(lambda: server.process.poll() is not None)
                acknowledged = set(wire.statuses)
                server = await asyncio.to_thread(city_postgres.start, tmp_path / "own")
                await until(lambda: len(wire.statuses) > len(acknowledged))
                loading.cancel()
            await settled(wire, *batches)
            assert set(wire.statuses.values()) == {AckStatus.STORED}
            stored = await running.value("SELECT array_agg(seq ORDER BY seq) FROM chunk")
            assert stored == [batch.origin.seq for batch in batches]
            assert await running.value("SELECT sum(n[1]) FROM rollup_hour") == len(batches)
    finally:
        server.stop()


async def test_a_broker_that_was_killed_is_found_again_and_nothing_is_lost(
    gateway: Any, keys: Keys, now_clock: Any, database_urls: Any, tmp_path: Path
) -> None:
    users = dict([INGEST])
    broker = city_broker.start(tmp_path / "own", users)
    try:
        async with (
            ingesting(broker, database_urls.ingest, now_clock, keys) as running,
            wired(broker, gateway) as wire,
        ):
            await settled(wire, gateway.birth(), gateway.batch(power=[1.0]))
            broker.process.send(signal.SIGKILL)
            await until(lambda: broker.process.poll() is not None)
            broker = await asyncio.to_thread(city_broker.start, tmp_path / "own", users)  # on its old port
            await settled(wire, gateway.batch(power=[2.0]), gateway.batch(power=[3.0]))
            assert await running.value("SELECT array_agg(seq ORDER BY seq) FROM chunk") == [2, 3, 4]
    finally:
        broker.stop()


async def test_while_the_database_is_away_nothing_is_answered(
    broker: Any, gateway: Any, keys: Keys, now_clock: Any, database_urls: Any
) -> None:
    nowhere = database_urls.ingest.replace("?host=", "?host=/nowhere")
    async with ingesting(broker, nowhere, now_clock, keys), wired(broker, gateway) as wire:
        wire.send(gateway.birth())
        await asyncio.sleep(0.5)  # the absence of an answer takes time to see
        assert not wire.statuses
