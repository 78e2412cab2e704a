"""The uplink: connects, sends, frees what the server acknowledged, and connects again.

Of several links the first that can be had is used, those that are closed for data last; meanwhile the better ones are
tried now and then.
"""

import asyncio
import logging
import math
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import NamedTuple, NoReturn

from aiomqtt import Client, MqttError, ProtocolVersion, Will
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from agent.spool.errors import SpoolRefused
from agent.spool.spool import Spool
from agent.uplink import traffic
from agent.uplink.backoff import Backoff
from agent.uplink.broker import Broker, connect_properties, within
from agent.uplink.downward import DOWNWARD
from agent.uplink.lanes import Lane
from agent.uplink.policy import EVERY_LANE, KINDS, Policy
from agent.uplink.session import Counters, Link, Session
from agent.uplink.window import RESEND_S, WINDOW_BYTES, Window
from protocols.edge.desired import Desired
from protocols.edge.envelope import Address
from protocols.edge.messages import MAX_SEQ, Command, Origin, State, encode

log = logging.getLogger(__name__)

FAREWELL_S = 1.0
REFUSED_USER = (134, 135)  # MQTT 5, 3.2.2.2: bad user name or password, not authorised
STEADY_S = 10.0  # a connection that lasted this long was not part of a failure
NUMBERS = 64  # of connections that one commit of the spool stands for: months of tries must not wear the flash
MIND_S = 2.0  # between two looks at what a link has carried, and may carry
LINGER_S = 30.0  # a link that may only carry alarms is left when none waited for so long
RETURN_S, LONGEST_RETURN_S = 60.0, 3600.0  # between two tries of a better link; longer after each that failed
CLOSED = "closed for data now (windows, budget_mb_day), and no event waits"


class Way(NamedTuple):
    """A link to the server: where its broker is, and what may go over it."""

    name: str
    broker: Broker
    policy: Policy = KINDS["ethernet"]


class _Left(Exception):
    """A connection was ended by us, without a fault."""


class _Link:
    """A way's luck so far."""

    def __init__(self, way: Way, random: Random, return_s: float) -> None:
        self.way = way
        self.backoff = Backoff(random)
        self.not_before = -math.inf
        self.fault, self.failures = "", 0  # what it is for now, and how many times on end
        self.first_return_s = self.return_s = return_s


class Uplink:
    """`run()` connects, sends, frees, and reconnects until it is cancelled; a dead broker never ends it.

    `state(connection, number, online)` composes the State to publish; `origin()` is an Origin of now with any
    incarnation and seq; `on_command` gets commands whose MAC, gateway and incarnation are right: expiry, id and
    limits are its own to check. `on_desired` says why a configuration is none to act on, "" where it may be.
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
        on_desired: Callable[[Desired], str],
        *,
        random: Random | None = None,
        window_bytes: int = WINDOW_BYTES,
        resend_s: float = RESEND_S,
        ways: Sequence[Way] = (),  # in the order of preference; without any, one to `broker`
        traffic_file: Path | None = None,
        return_s: float = RETURN_S,
    ) -> None:
        self.counters = Counters()
        self.connected = False
        self.since_ms: int | None = None  # when `connected` last changed, UTC
        self.fault = ""  # why there is no connection
        random = random or Random()
        policy = Policy(
            keepalive_s=broker.keepalive_s, timeout_s=broker.timeout_s, window_bytes=window_bytes, resend_s=resend_s
        )
        self._links = [_Link(way, random, return_s) for way in ways or (Way("uplink", broker, policy),)]
        self.using: Way | None = None  # over which we are connected, or were
        self.traffic = traffic.Traffic(traffic_file, [link.way.name for link in self._links], _utc_ms())
        window = Window(window_bytes, resend_s)
        self._link = Link(
            *(gateway, dict(keys), spool, window, self.counters, state, origin, on_command, on_desired),
            timeout_s=broker.timeout_s,
        )
        self._session: Session | None = None
        self._number = 0  # of the connection that is to come

    async def run(self) -> None:
        # Whatever the spool notes of what was sent: an image that was restored knows nothing of what came after it.
        self._link.window.may_have_been_sent(self._link.spool.snapshot.next_seq - 1)
        loop = asyncio.get_running_loop()
        while True:
            link = await self._choose()
            began, fault = loop.time(), ""
            try:
                await self._connection(link)
            except* _Left as group:
                self.fault = _first(group)
                log.info("gateway %s: left %s: %s", self._link.gateway, link.way.name, self.fault)
            except* (MqttError, SpoolRefused, OSError) as group:
                fault = _first(group)
            if loop.time() - began > STEADY_S:
                link.backoff.reset()
                link.failures = 0
                link.return_s = link.first_return_s
            if fault:
                self._failed(link, fault)

    def _failed(self, link: _Link, fault: str) -> None:
        wait = link.backoff.wait_s()
        link.not_before = asyncio.get_running_loop().time() + wait
        link.return_s = min(2 * link.return_s, LONGEST_RETURN_S)
        self.fault = fault
        self.counters.failures += 1
        link.failures = link.failures + 1 if link.fault == fault else 1
        link.fault = fault
        if link.failures & (link.failures - 1) == 0:  # the 1st, 2nd, 4th: months alone fill no log
            where = f"{link.way.broker.host}:{link.way.broker.port}"
            told = f" (the {link.failures}th time)" if link.failures > 2 else ""
            log.warning("gateway %s: broker %s: %s%s; again in %.1f s", self._link.gateway, where, fault, told, wait)

    async def _choose(self) -> _Link:
        """The first link that may be tried now, those that are open for data first; waits until there is one."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            ready = [link for link in self._links if link.not_before <= now]
            for link in sorted(ready, key=lambda one: self._lanes(one.way) != EVERY_LANE):
                if await self._has_use_of(link.way):
                    return link
            if ready:
                self.fault = CLOSED
            until = min((link.not_before for link in self._links if link.not_before > now), default=math.inf)
            await asyncio.sleep(min(until - now, MIND_S))

    async def _has_use_of(self, way: Way) -> bool:
        """Whether there is anything that may go over it now."""
        if self._lanes(way) == EVERY_LANE:
            return True
        try:
            return await self._link.spool.has_events()
        except SpoolRefused:
            return False

    def _lanes(self, way: Way) -> frozenset[Lane]:
        now_ms = _utc_ms()
        self.traffic.turn(now_ms)  # while nothing is carried, nothing is counted, and the day would never end
        if way.policy.is_open:
            return EVERY_LANE
        return way.policy.lanes(sum(self.traffic.today(way.name)), now_ms)

    def state_changed(self) -> None:
        """Asks for a new State to be published soon (a device became unreachable, say)."""
        if self._session is not None:
            self._session.state_changed()

    def state_soon(self) -> None:
        """Asks for one within seconds, for what is no news worth a message of its own (a device's faults)."""
        if self._session is not None:
            self._session.state_soon()

    async def _connection(self, used: _Link) -> None:
        """One connection from beginning to end. Raises what ended it."""
        way = self.using = used.way
        broker, policy = way.broker, way.policy
        self._link.window.fit(policy.window_bytes, policy.resend_s)
        host, port = (broker.host, broker.port) if broker.reach is None else await broker.reach()
        connection = await self._next_connection()
        async with _open(self._client(way, connection, host, port), policy.timeout_s) as client:
            client.pending_calls_threshold = 1_000_000  # calls in flight are meant; the window bounds them
            self.traffic.began(way.name)
            await self._subscribe(client, policy)

            def lanes() -> frozenset[Lane]:
                if policy.budget is not None:  # between two looks of _mind() a fast link carries many budgets
                    self._count(way, client)
                return self._lanes(way)

            link = replace(self._link, timeout_s=policy.timeout_s, state_s=policy.state_s, lanes=lanes)
            session = Session(client, link, connection)
            self.counters.connects += 1
            log.info("gateway %s: connected to %s:%d", self._link.gateway, broker.host, broker.port)
            self._turn(session)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(session.run())
                    tasks.create_task(self._mind(way, client))
                    for other in self._links:
                        if other is not used:
                            tasks.create_task(self._change_to(other, used))
            except asyncio.CancelledError:
                await _take_leave(session)
                raise
            except BaseExceptionGroup as group:
                if group.subgroup(_Left) is not None:
                    await _take_leave(session)
                raise
            finally:
                self._count(way, client)
                self.traffic.save(_utc_ms())
                self._turn(None)

    async def _next_connection(self) -> int:
        """Above all that any process used for this spool."""
        if self._number % NUMBERS == 0:
            self._number = NUMBERS * await self._link.spool.next_connection()
        self._number += 1
        return self._number - 1

    async def _mind(self, way: Way, client: Client) -> NoReturn:
        """Counts what the link carries; leaves one that may carry nothing but alarms when there are none."""
        idle = 0.0
        while True:
            await asyncio.sleep(MIND_S)
            self._count(way, client)
            idle = 0.0 if await self._has_use_of(way) else idle + MIND_S
            if idle >= LINGER_S:
                raise _Left(CLOSED)

    async def _change_to(self, other: _Link, used: _Link) -> NoReturn:
        while True:
            await asyncio.sleep(other.return_s)
            broker = other.way.broker
            if not await self._is_better(other, used):
                continue
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(other.way.policy.timeout_s):
                    where = (broker.host, broker.port) if broker.reach is None else await broker.reach()
                    _, writer = await asyncio.open_connection(*where)
                    writer.close()
                other.not_before = -math.inf
                raise _Left(f"{other.way.name} can be had")

    async def _is_better(self, other: _Link, used: _Link) -> bool:
        """One that is open for data before one that is not, else the one that stands first."""
        is_open = self._lanes(other.way) == EVERY_LANE
        if is_open != (self._lanes(used.way) == EVERY_LANE):
            return is_open
        return self._links.index(other) < self._links.index(used) and await self._has_use_of(other.way)

    def _count(self, way: Way, client: Client) -> None:
        self.traffic.count(way.name, traffic.of(client._client.socket()), _utc_ms())  # noqa: SLF001

    def _client(self, way: Way, connection: int, host: str, port: int) -> Client:
        broker = way.broker
        # Any number a live State of this connection bears is lower, so that the will is the last word on it.
        topic, will = self._link.sealed("state", encode(self._link.state(connection, MAX_SEQ, False)))
        return Client(
            host,
            port,
            username=broker.username or None,
            password=broker.password or None,
            identifier=self._link.gateway,
            protocol=ProtocolVersion.V5,
            clean_start=True,
            properties=connect_properties(),
            will=Will(topic, will, qos=1),
            keepalive=way.policy.keepalive_s,
            timeout=math.inf,  # within() bounds every wait
            tls_context=broker.tls_context(),
            max_queued_incoming_messages=1000,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # else small messages wait 40 ms for company
            logger=logging.getLogger("agent.uplink.mqtt"),
        )

    async def _subscribe(self, client: Client, policy: Policy) -> None:
        topics = [(Address(self._link.gateway, leaf).topic, 1) for leaf in DOWNWARD]
        async with within(policy.timeout_s):
            granted = await client.subscribe(topics)
        if any(isinstance(code, ReasonCode) and code.is_failure for code in granted):
            raise MqttError(f"the broker does not let {self._link.gateway} hear its own topics")

    def _turn(self, session: Session | None) -> None:
        self._session = session
        self.connected = session is not None
        self.since_ms = self._link.state(0, 0, self.connected).t


def _utc_ms() -> int:
    """Of a clock that may not be set yet: a window is then open at another time; budgets: agent.uplink.traffic."""
    return time.time_ns() // 1_000_000


async def _take_leave(session: Session) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL_S):
            await session.farewell()


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
