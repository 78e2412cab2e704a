"""The uplink: connects, sends, frees what the server acknowledged, and connects again."""

import asyncio
import logging
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from random import Random

from aiomqtt import Client, MqttError, ProtocolVersion, Will
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from agent.spool.errors import SpoolRefused
from agent.spool.spool import Spool
from agent.uplink.backoff import Backoff
from agent.uplink.broker import Broker, connect_properties, within
from agent.uplink.downward import DOWNWARD
from agent.uplink.session import Counters, Link, Session
from agent.uplink.window import RESEND_S, WINDOW_BYTES, Window
from protocols.edge.envelope import Address
from protocols.edge.messages import MAX_SEQ, Command, Origin, State, encode

log = logging.getLogger(__name__)

FAREWELL_S = 1.0
REFUSED_USER = (134, 135)  # MQTT 5, 3.2.2.2: bad user name or password, not authorised
STEADY_S = 10.0  # a connection that lasted this long was not part of a failure


class Uplink:
    """`run()` connects, sends, frees, and reconnects until it is cancelled; a dead broker never ends it.

    `state(connection, number, online)` composes the State to publish; `origin()` is an Origin of now with any
    incarnation and seq; `on_command` gets commands whose MAC, gateway and incarnation are right: expiry, id and
    limits are its own to check.
    """

    def __init__(
        self,
        broker: Broker,
        gateway: str,
        keys: Mapping[bytes, bytes],  # cose.key_id -> key; the first seals
        spool: Spool,
        state: Callable[[int, int, bool], State],
        origin: Callable[[], Origin],
        on_command: Callable[[Command], Awaitable[None]],
        *,
        random: Random | None = None,
        window_bytes: int = WINDOW_BYTES,
        resend_s: float = RESEND_S,
    ) -> None:
        self.counters = Counters()
        self.connected = False
        self.since_ms: int | None = None  # when `connected` last changed, UTC
        self.fault = ""  # why there is no connection
        self._broker = broker
        self._backoff = Backoff(random or Random())
        window = Window(window_bytes, resend_s)
        self._link = Link(
            gateway, dict(keys), spool, window, self.counters, state, origin, on_command, broker.timeout_s
        )
        self._session: Session | None = None

    async def run(self) -> None:
        # Of the rows from before this process any may have been sent: the spool does not say.
        self._link.window.may_have_been_sent(self._link.spool.snapshot.next_seq - 1)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._connection()
            except* (MqttError, SpoolRefused, OSError) as group:
                self.fault = _first(group)
            if loop.time() - began > STEADY_S:
                self._backoff.reset()
            wait = self._backoff.wait_s()
            self.counters.failures += 1
            where = f"{self._broker.host}:{self._broker.port}"
            log.warning("gateway %s: broker %s: %s; again in %.1f s", self._link.gateway, where, self.fault, wait)
            await asyncio.sleep(wait)

    def state_changed(self) -> None:
        """Asks for a new State to be published soon (a device became unreachable, say)."""
        if self._session is not None:
            self._session.state_changed()

    def state_soon(self) -> None:
        """Asks for one within seconds, for what is no news worth a message of its own (a device's faults)."""
        if self._session is not None:
            self._session.state_soon()

    async def _connection(self) -> None:
        """One connection from beginning to end. Raises what ended it."""
        broker = self._broker
        host, port = (broker.host, broker.port) if broker.reach is None else await broker.reach()
        connection = await self._link.spool.next_connection()
        async with _open(self._client(connection, host, port), broker.timeout_s) as client:
            client.pending_calls_threshold = 1_000_000  # calls in flight are meant; the window bounds them
            await self._subscribe(client)
            session = Session(client, self._link, connection)
            self.counters.connects += 1
            log.info("gateway %s: connected to %s:%d", self._link.gateway, self._broker.host, self._broker.port)
            self._turn(session)
            try:
                await session.run()
            except asyncio.CancelledError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(FAREWELL_S):
                        await session.farewell()
                raise
            finally:
                self._turn(None)

    def _client(self, connection: int, host: str, port: int) -> Client:
        # Any number a live State of this connection bears is lower, so that the will is the last word on it.
        topic, will = self._link.sealed("state", encode(self._link.state(connection, MAX_SEQ, False)))
        return Client(
            host,
            port,
            username=self._broker.username or None,
            password=self._broker.password or None,
            identifier=self._link.gateway,
            protocol=ProtocolVersion.V5,
            clean_start=True,
            properties=connect_properties(),
            will=Will(topic, will, qos=1),
            keepalive=self._broker.keepalive_s,
            timeout=math.inf,  # within() bounds every wait
            tls_context=self._broker.tls_context(),
            max_queued_incoming_messages=1000,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else small messages wait 40 ms for company
            logger=logging.getLogger("agent.uplink.mqtt"),
        )

    async def _subscribe(self, client: Client) -> None:
        topics = [(Address(self._link.gateway, leaf).topic, 1) for leaf in DOWNWARD]
        async with within(self._broker.timeout_s):
            granted = await client.subscribe(topics)
        if any(isinstance(code, ReasonCode) and code.is_failure for code in granted):
            raise MqttError(f"the broker does not let {self._link.gateway} hear its own topics")

    def _turn(self, session: Session | None) -> None:
        self._session = session
        self.connected = session is not None
        self.since_ms = self._link.state(0, 0, self.connected).t


@asynccontextmanager
async def _open(client: Client, timeout_s: float) -> AsyncIterator[Client]:
    client._client.connect_timeout = timeout_s  # noqa: SLF001 - aiomqtt passes none on; of each step of a handshake
    try:
        async with within(timeout_s):
            await client.__aenter__()
        try:
            yield client
        finally:
            with suppress(MqttError):  # what ended the connection is told, not how well it was closed
                async with within(FAREWELL_S):
                    await client.__aexit__(None, None, None)
    finally:
        # A packet that paho cannot take (a topic with a wildcard, say) ends the connection for aiomqtt, which leaves
        # the socket open and watched: the loop would take up that packet for ever.
        client._client._sock_close()  # noqa: SLF001


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """What ended a connection, in words: to keep the error itself would keep alive all that it passed through."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, SpoolRefused):
        return f"not spoken to, for the spool's disk refuses: {error}"
    if isinstance(error, MqttConnectError) and getattr(error.rc, "value", None) in REFUSED_USER:
        return f"{error}: is the gateway enrolled, and password_file what `hutong-fleet enrol` wrote?"
    return str(error) or type(error).__name__
