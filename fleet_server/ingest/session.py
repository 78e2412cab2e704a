"""The MQTT session of ingest: what comes in waits here until it is settled, and only then does the broker hear of it.

paho's thread receives and asyncio takes. The broker keeps to `RECEIVE_MAXIMUM` messages that are not acknowledged, so
the queue is bounded by the other side. Messages of QoS 0, and a broker that does not keep to it, are bounded by us:
what is beyond `MOST_WAITING` messages or `MOST_BYTES` is forgotten.
"""

import asyncio
import logging
import socket
import ssl
import zlib
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from fleet_server.config import BrokerSettings
from fleet_server.ingest.arrivals import Raw
from protocols.edge.envelope import ROOT, UPWARD

log = logging.getLogger(__name__)

# Several ingest processes divide the messages among them. A group for each leaf: rumqttd serves one filter a group.
SHARE = "$share/ingest-{leaf}"
RECEIVE_MAXIMUM = 2048
MOST_WAITING = 4 * RECEIVE_MAXIMUM
MOST_BYTES = 64 << 20  # waiting in one lane
MAX_PACKET = 1 << 20  # bytes; above what the contract allows, so that an oversized message is seen and counted
KEEPALIVE_S = 20
LINGER_S = 0.05  # how long a group may wait for more messages
IDLE_S = 0.005  # a group waits no longer when none came for so long


def _send_at_once(_client: Client, _data: Any, sock: Any) -> None:
    """Acknowledgements are small: without this each waits up to 40 ms for company."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Receipt(NamedTuple):
    """A packet identifier means something on its own connection alone."""

    connection: int
    mid: int
    qos: int


class _Lane:
    """A queue that paho's thread fills."""

    def __init__(self) -> None:
        self.waiting: deque[Raw] = deque()
        self.came = self.went = 0  # bytes; each counted by one thread
        self.arrived = asyncio.Event()
        self.woken = False


class Session:
    """An asynchronous context manager; it connects again by itself, for ever.

    A gateway's messages keep their order, because all of them wait in the same one of `lanes` queues.
    """

    def __init__(self, settings: BrokerSettings, client_id: str = "", lanes: int = 1) -> None:
        self._settings = settings
        self._lanes = [_Lane() for _ in range(lanes)]
        self._loop = asyncio.get_running_loop()
        self._connection = 0
        self._arrivals: deque[Receipt] = deque()  # of QoS 1, not acknowledged yet
        self._settled: set[Receipt] = set()
        self.lost = 0  # messages that a broker sent beyond MOST_WAITING
        self.connected = asyncio.Event()
        self._client = self._make_client(client_id)

    async def __aenter__(self) -> Self:
        url = urlsplit(self._settings.url)
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.SessionExpiryInterval = 0
        connect.ReceiveMaximum = RECEIVE_MAXIMUM
        connect.MaximumPacketSize = MAX_PACKET
        port = url.port or (8883 if url.scheme == "mqtts" else 1883)
        self._client.connect_async(url.hostname or "127.0.0.1", port, KEEPALIVE_S, clean_start=True, properties=connect)
        self._client.loop_start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def take(self, most: int, lane: int = 0) -> list[Raw]:
        """Up to `most` messages of a lane; waits for the first, and a moment for more."""
        chosen = self._lanes[lane]
        waiting = chosen.waiting
        while not waiting:
            chosen.arrived.clear()
            chosen.woken = False
            if not waiting:
                await chosen.arrived.wait()
        deadline = self._loop.time() + LINGER_S
        while (had := len(waiting)) < most and self._loop.time() < deadline:
            await asyncio.sleep(IDLE_S)
            if len(waiting) == had:
                break
        taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
        chosen.went += sum(len(raw.sealed) for raw in taken)
        return taken

    def acknowledge(self, settled: Sequence[Raw]) -> None:
        """Tell the broker; call it after the commit, or after the refusal was decided.

        Acknowledgements leave in the order of arrival, as MQTT-4.6.0-2 has it and rumqttd insists: one that is settled
        early waits for its forerunners.
        """
        for raw in settled:
            match raw.receipt:
                case Receipt(connection, _, qos) as receipt if qos and connection == self._connection:
                    self._settled.add(receipt)
        while self._arrivals:
            first = self._arrivals[0]
            if first.connection == self._connection and first not in self._settled:
                return
            self._arrivals.popleft()
            self._settled.discard(first)
            if first.connection == self._connection:
                self._client.ack(first.mid, first.qos)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Never retained, never kept for later: what is not taken now, the gateway will ask for again."""
        if not self._client.is_connected():
            return False
        return self._client.publish(topic, payload, qos=1, retain=False).rc == 0

    def _make_client(self, client_id: str) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
        client.username_pw_set(self._settings.username, self._settings.password)
        client.max_inflight_messages_set(1000)
        client.max_queued_messages_set(10_000)
        client.reconnect_delay_set(min_delay=1, max_delay=10)
        if self._settings.url.startswith("mqtts:"):
            client.tls_set_context(ssl.create_default_context(cafile=self._settings.ca_file))
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    # What follows runs in paho's thread.

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.error("broker %s refuses %s: %s", self._settings.url, self._settings.username, reason)
            return
        self._connection += 1
        options = SubscribeOptions(qos=1)
        client.subscribe([(f"{SHARE.format(leaf=leaf)}/{ROOT}/+/{leaf}", options) for leaf in UPWARD])
        log.info("connected to broker %s", self._settings.url)
        self._call(self.connected.set)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        log.warning("broker %s: disconnected: %s", self._settings.url, reason)
        self._call(self.connected.clear)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        gateway = topic.rpartition("/")[0]
        lane = self._lanes[zlib.crc32(gateway.encode()) % len(self._lanes)]
        receipt = Receipt(self._connection, message.mid, message.qos)
        if message.qos:
            self._arrivals.append(receipt)
        size = len(message.payload)
        if len(lane.waiting) >= MOST_WAITING or lane.came - lane.went + size > MOST_BYTES:
            self.lost += 1
            if message.qos:
                self._settled.add(receipt)  # PUBACK means nothing: the gateway sends again what we do not answer
            return
        lane.came += size
        lane.waiting.append(Raw(topic, bytes(message.payload), receipt))
        if not lane.woken:
            lane.woken = True
            self._call(lane.arrived.set)

    def _call(self, function: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            log.debug("the event loop is closed")
