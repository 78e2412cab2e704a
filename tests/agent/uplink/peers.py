"""A real broker, a server that answers as it is told to, and a gateway's end: spool and uplink on a real disk."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from random import Random

from aiomqtt import Client, ProtocolVersion
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.spool import Spool
from agent.uplink import Broker, Uplink
from protocols.edge import cose
from protocols.edge.desired import Desired
from protocols.edge.envelope import address_of, open_sealed, parse_topic, seal
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Birth,
    Clock,
    ClockState,
    Command,
    Event,
    Message,
    Origin,
    Spooled,
    State,
    acknowledgement_digest,
    digest,
    encode,
)
from sim_devices.city import broker as city_broker

GATEWAY = "D1101149001000077A"
SERVER = "hutong-ingest"
PASSWORD = "gateway's"
KEY = bytes(range(32))
QUOTA = 8 << 20
RESEND_S = 0.4


@dataclass
class City:
    folder: Path
    running: city_broker.Broker | None = None

    def start(self) -> None:
        self.running = city_broker.start(self.folder, {GATEWAY: PASSWORD, SERVER: "server's"})

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()
        self.running = None

    @property
    def port(self) -> int:
        assert self.running is not None
        return self.running.port


@dataclass
class Arrived:
    leaf: str
    message: Message
    payload: bytes
    sealed: bytes


@dataclass
class Server:
    """The other end. `judge` says what becomes of a spooled message, None for silence."""

    client: Client
    key: bytes = KEY
    arrived: list[Arrived] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    judge: Callable[[Spooled], AckStatus | None] = lambda _: AckStatus.STORED
    retry_after_ms: int = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as answers:
            await self._hear(answers)

    async def _hear(self, answers: asyncio.TaskGroup) -> None:
        async for message in self.client.messages:
            address = parse_topic(str(message.topic))
            opened = open_sealed(address, message.payload, {cose.key_id(self.key): self.key})
            async with self.changed:
                self.arrived.append(Arrived(address.leaf, opened.message, opened.payload, message.payload))
                self.changed.notify_all()
            if isinstance(opened.message, State | Command | Desired | Acknowledgement):
                continue
            status = self.judge(opened.message)
            if status is not None:
                answers.create_task(self.acknowledge(status, [opened.payload], opened.message.origin))

    async def acknowledge(self, status: AckStatus, payloads: Sequence[bytes], first: Origin) -> None:
        value = acknowledgement_digest([digest(payload) for payload in payloads])
        await self.send(acknowledgement(first, len(payloads), status, value, self.retry_after_ms), self.key)

    async def send(self, message: Acknowledgement | Command | Desired, key: bytes, retain: bool = False) -> None:
        address = address_of(message)
        await self.client.publish(address.topic, seal(address, encode(message), key), qos=1, retain=retain)

    def spooled(self) -> list[Spooled]:
        return [
            one.message
            for one in self.arrived
            if not isinstance(one.message, State | Command | Desired | Acknowledgement)
        ]

    def payloads(self) -> list[bytes]:
        return [one.payload for one in self.arrived if one.leaf != "state"]

    def states(self) -> list[State]:
        return [one.message for one in self.arrived if isinstance(one.message, State)]

    async def wait_for(self, predicate: Callable[[], bool], timeout: float = 10.0) -> None:
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(predicate)


def acknowledgement(
    first: Origin, count: int, status: AckStatus, value: bytes, retry_after_ms: int = 0
) -> Acknowledgement:
    ranges = (AckRange(first.seq, first.seq + count - 1, status, value),)
    return Acknowledgement(first.gateway, first.incarnation, ranges, retry_after_ms)


@asynccontextmanager
async def serve(broker: City) -> AsyncIterator[Server]:
    at_once = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    client = Client(
        "127.0.0.1",
        broker.port,
        username=SERVER,
        password="server's",
        protocol=ProtocolVersion.V5,
        socket_options=at_once,
    )
    async with client, asyncio.TaskGroup() as tasks:
        client.pending_calls_threshold = 10_000
        await client.subscribe([(f"hutong/1/+/{leaf}", 1) for leaf in ("birth", "data", "event", "state")])
        server = Server(client)
        running = tasks.create_task(server.run())
        try:
            yield server
        finally:
            running.cancel()


@dataclass
class Gateway:
    spool: Spool
    uplink: Uplink
    commands: list[Command] = field(default_factory=list)
    desired: list[Desired] = field(default_factory=list)

    async def events(self, count: int, size: int = 10) -> list[int]:
        return [await self.spool.put(event(number, size)) for number in range(count)]

    async def drained(self, timeout: float = 10.0) -> None:
        await until(lambda: self.spool.snapshot.rows == 0, timeout)


def origin() -> Origin:
    return Origin(GATEWAY, 0, 0, bytes(16), 1000, Clock(ClockState.SYNCHRONISED, 5))


def event(number: int, size: int = 10) -> Event:
    return Event(origin(), 1_700_000_000_000 + number, "test", GATEWAY, 0, {"number": number, "fill": bytes(size)})


def birth(description: bytes = b"what there is") -> Birth:
    return Birth(origin(), description)


async def until(predicate: Callable[[], bool], timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while not predicate():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def gateway(
    broker: City, folder: Path, *, window_bytes: int = 1 << 20, to: Broker | None = None, quota: int = QUOTA
) -> AsyncIterator[Gateway]:
    async with Spool(folder / "spool.db", quota, group_s=0.005) as spool, asyncio.TaskGroup() as tasks:
        commands: list[Command] = []
        desired: list[Desired] = []

        async def on_command(command: Command) -> None:
            commands.append(command)

        def on_desired(one: Desired) -> str:
            desired.append(one)
            return ""

        def state(connection: int, number: int, online: bool) -> State:
            now = spool.snapshot
            clock = Clock(ClockState.SYNCHRONISED, 5)
            return State(
                GATEWAY, now.incarnation, bytes(16), connection, number, online, time.time_ns() // 1_000_000, clock,
                now.first_kept, now.next_seq, now.dropped,
            )  # fmt: skip

        uplink = Uplink(
            to or Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD),
            GATEWAY,
            {cose.key_id(KEY): KEY},
            spool,
            state,
            origin,
            on_command,
            on_desired,
            random=Random(1),
            window_bytes=window_bytes,
            resend_s=RESEND_S,
        )
        running = tasks.create_task(uplink.run())
        try:
            yield Gateway(spool, uplink, commands, desired)
        finally:
            running.cancel()


def certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key behind it in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@asynccontextmanager
async def tls_in_front(port: int, cert: Path) -> AsyncIterator[int]:
    """A port that speaks TLS outside and hands what it hears to the plain port inside."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(copy(reader, inner_writer))
            tasks.create_task(copy(inner_reader, writer))

    listening = await asyncio.start_server(pair, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
