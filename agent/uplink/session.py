"""One connection's work: rows up within a window, answers down, states."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from aiomqtt import Client, Message, MqttError

from agent.spool.records import Row
from agent.spool.spool import Spool
from agent.uplink.broker import TIMEOUT_S, within
from agent.uplink.downward import Refused, open_downward
from agent.uplink.lanes import CLAIM_AHEAD, Lane, Lanes
from agent.uplink.pace import Pace
from agent.uplink.policy import EVERY_LANE
from agent.uplink.window import Window
from protocols.edge.desired import Desired
from protocols.edge.envelope import Address, seal
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Birth,
    Command,
    Origin,
    State,
    encode,
)

log = logging.getLogger(__name__)

AT_ONCE = 16  # publishes in flight to the broker; paho allows 20
READ_BYTES = 256 << 10  # of the spool at once: as many usual rows, and a drained outage is not read many times over
STATE_S = 30.0
GATE_S = 15.0  # a window of the day opens at most so late
STATE_SOON_S = 2.0
SILENT_S = 5.0  # a server that was silent for longer may have been away and missed our state
BIRTH_AGAIN_S = 2.0  # between two sendings of one birth on request
LONGEST_PAUSE_S = 300.0


@dataclass
class Counters:
    connects: int = 0
    failures: int = 0  # connections refused, or lost
    sent: int = 0
    sent_bytes: int = 0
    resent: int = 0
    acknowledged: int = 0
    commands: int = 0
    desired: int = 0  # configurations
    births_again: int = 0  # sent out of turn because the server asked
    forks: int = 0  # new incarnations because the server asked
    pauses: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # what came down and changed nothing, by cause


@dataclass(frozen=True)
class Link:
    """What outlives a connection. The first of `keys` seals."""

    gateway: str
    keys: Mapping[bytes, bytes]
    spool: Spool
    window: Window
    counters: Counters
    state: Callable[[int, int, bool], State]
    origin: Callable[[], Origin]
    on_command: Callable[[Command], Awaitable[None]]
    on_desired: Callable[[Desired], str]
    timeout_s: float = TIMEOUT_S  # for the broker's answer
    state_s: float = STATE_S
    lanes: Callable[[], frozenset[Lane]] = lambda: EVERY_LANE  # what may be sent now

    def sealed(self, leaf: str, payload: bytes) -> tuple[str, bytes]:
        """The topic, and what is published there."""
        address = Address(self.gateway, leaf)
        return address.topic, seal(address, payload, next(iter(self.keys.values())))


class Session:
    def __init__(self, client: Client, link: Link, connection: int) -> None:
        self._client = client
        self._link = link
        self._gateway = link.gateway
        self._spool = link.spool
        self._window = link.window
        self._counters = link.counters
        self._connection = connection
        self._incarnation = link.spool.snapshot.incarnation
        self._wake = asyncio.Event()
        self._answers: list[Acknowledgement] = []
        self._number = 0
        self._state_due = 0.0
        self._heard_at = float("-inf")
        self._births: dict[bytes, float] = {}  # when a birth was last sent out of turn
        self._lanes = Lanes()
        self._pace = Pace(link.window.limit * 3 // 4)  # the rest of the window is for what is live
        self._loop = asyncio.get_running_loop()

    async def run(self) -> NoReturn:
        """Raises MqttError when the connection ends, SpoolRefused when the disk does not answer."""
        self._window.connected(self._loop.time())
        self._lanes.connected(self._spool.snapshot.next_seq)
        self._spool.on_commit(self._wake.set)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._receive())
            tasks.create_task(self._work())
        raise MqttError("the connection ended")

    def state_changed(self) -> None:
        self._state_due = 0.0
        self._wake.set()

    def state_soon(self) -> None:
        self._state_due = min(self._state_due, self._loop.time() + STATE_SOON_S)
        self._wake.set()

    async def farewell(self) -> None:
        """Says that the gateway goes; if it cannot, the will does."""
        with suppress(MqttError):
            await self._publish_state(online=False)

    async def _receive(self) -> None:
        async for message in self._client.messages:
            try:
                opened = self._open(message)
            except Refused as error:
                self._refuse(error.cause, str(error))
                continue
            if isinstance(opened, Command):
                self._counters.commands += 1
                await self._link.on_command(opened)
            elif isinstance(opened, Desired):
                self._counters.desired += 1
                if why := self._link.on_desired(opened):
                    self._refuse("replayed", why)
            else:
                self._answers.append(opened)
                self._wake.set()

    def _open(self, message: Message) -> Acknowledgement | Command | Desired:
        incarnation = self._spool.snapshot.incarnation
        return open_downward(
            self._gateway, self._link.keys, incarnation, str(message.topic), message.payload, message.retain
        )

    def _refuse(self, cause: str, detail: str) -> None:
        self._counters.refused[cause] += 1
        count = self._counters.refused[cause]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th: a flood fills no log
            log.warning("gateway %s: refused (%s, %d so far): %s", self._gateway, cause, count, detail)

    async def _work(self) -> NoReturn:
        while True:
            self._wake.clear()
            if self._spool.snapshot.incarnation != self._incarnation:  # the spool began a new file
                self._renumbered()
            while self._answers:  # those that came while the disk was busy too, or what they answer would go out again
                await self._take_answers()
            now = self._loop.time()
            if now >= self._state_due:
                self._state_due = now + self._link.state_s
                await self._publish_state(online=True)
            if not await self._send_more():
                await self._sleep()

    async def _sleep(self) -> None:
        now = self._loop.time()
        until = min(self._window.next_due(now), self._state_due)
        if (resumed := self._pace.until(now)) > now:
            until = min(until, resumed)
        if self._link.lanes() != EVERY_LANE:
            until = min(until, now + GATE_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, until - now)):
                await self._wake.wait()

    async def _send_more(self) -> bool:
        """Sends what is due again, then what is new. False if there is nothing to send now."""
        now = self._loop.time()
        again = self._window.due(now)[:AT_ONCE]
        if again:
            self._counters.resent += len(again)
            await self._send(again)
            return True
        room = self._window.room(now)
        if not room:
            return False
        return await (self._send_in_order(room) if self._window.is_forking else self._send_next(room, now))

    async def _send_next(self, room: int, now: float) -> bool:
        """Of the first lane that has something to send."""
        room = min(room, READ_BYTES)
        history_room = min(room, self._pace.room(now))
        ahead = CLAIM_AHEAD if self._window.is_answered else 0  # what nobody takes is to stay fit for thinning
        turns = self._lanes.turns(self._spool.snapshot.next_seq, self._link.lanes(), room, history_room, ahead)
        place, rows = await self._spool.take([turn.want for turn in turns])
        self._lanes.read(turns, place)
        if not rows:
            return False
        turn, rows = turns[place], rows[:AT_ONCE]
        self._lanes.took(turn, rows)
        chosen = self._window.fresh(rows)
        if turn.lane is Lane.HISTORY:
            self._pace.sent(chosen, self._loop.time())
        await self._send(chosen)
        return True

    async def _send_in_order(self, room: int) -> bool:
        """After a fork: every row that may ever have been sent."""
        rows = await self._spool.take_in_order(self._window.cursor, min(room, READ_BYTES))
        if self._window.is_forked(rows[0] if rows else None):
            await self._reincarnate()
            return True
        rows = rows[:AT_ONCE]
        chosen = self._window.admit(rows)
        if chosen:
            await self._send(chosen)
        return bool(chosen) or (bool(rows) and self._window.cursor == rows[-1].seq)

    async def _send(self, rows: list[Row]) -> None:
        now = self._loop.time()
        for row in rows:  # noted first: an answer may come before the broker's receipt
            self._window.sent(row, now)
        async with asyncio.TaskGroup() as tasks:
            for row in rows:
                tasks.create_task(self._publish(row.leaf, row.payload, retain=row.leaf == "birth"))
        self._counters.sent += len(rows)
        self._counters.sent_bytes += sum(len(row.payload) for row in rows)

    async def _publish(self, leaf: str, payload: bytes, retain: bool = False) -> None:
        topic, sealed = self._link.sealed(leaf, payload)
        async with within(self._link.timeout_s):
            await self._client.publish(topic, sealed, qos=1, retain=retain)

    async def _publish_state(self, online: bool) -> None:
        self._number += 1
        await self._publish("state", encode(self._link.state(self._connection, self._number, online)))

    async def _take_answers(self) -> None:
        """All that came since: what frees rows goes to the disk at once, the rest in the order of its weight."""
        answers, self._answers = self._answers, []
        current = [one for one in answers if one.incarnation == self._incarnation]
        if not current:
            return
        now = self._loop.time()
        if now - self._heard_at > SILENT_S:
            self._state_due = 0.0
        self._heard_at = now
        self._window.heard(now)
        ranges = [one for answer in current for one in answer.ranges]
        freeing = [one for one in ranges if one.status in (AckStatus.STORED, AckStatus.QUARANTINED)]
        if freeing:
            freed = await self._spool.free(freeing)
            # A row that was dropped while it was under way is freed no more, and answered all the same.
            flown = [row.seq for one in freeing for row in self._window.covers(one) or ()]
            for seqs in (freed.seqs, flown):
                self._window.answered(seqs, now)
                self._pace.answered(seqs, now)
            self._counters.acknowledged += len(freed.seqs)
            if freed.refused:
                self._refuse("digest", f"{freed.refused} acknowledged ranges of other bytes than ours")
        for one in ranges:
            await self._take_other(one)
        pause = max((answer.retry_after_ms for answer in current), default=0) / 1000
        slow = [one for one in ranges if one.status is AckStatus.SLOW]
        if pause and slow:
            self._counters.pauses += 1
            until = now + min(pause, LONGEST_PAUSE_S)
            self._pace.slow(until)
            for one in slow:
                rows = self._window.covers(one)
                if rows is not None and all(row.seq in self._pace for row in rows):
                    self._window.postpone(rows, until)  # old data alone: what is live is not held back
                else:
                    self._window.pause(until)

    async def _take_other(self, one: AckRange) -> None:
        if one.status not in (AckStatus.NEED_BIRTH, AckStatus.FORK):
            return
        rows = self._window.covers(one)
        if rows is None:
            self._refuse("digest", f"an answer to {one.first} to {one.last} of other bytes than ours")
        elif one.status is AckStatus.FORK:
            log.warning("gateway %s: the server holds other messages as %d to %d", self._gateway, one.first, one.last)
            self._window.forked(rows, self._loop.time())
        else:
            for birth in {row.birth for row in rows if row.birth is not None}:
                await self._send_birth(birth, [row for row in rows if row.birth == birth])

    async def _send_birth(self, birth: bytes, rows: list[Row]) -> None:
        """The birth those rows need, out of turn: the kept one, or the same description in a new one."""
        seq = await self._spool.kept_birth(birth)
        if seq is None:
            description = await self._spool.description(birth)
            if description is None:
                self._refuse("birth-unknown", f"the server needs the birth {birth.hex()}, which is not kept")
                return
            seq = await self._spool.put(Birth(self._link.origin(), description), urgent=True)
        self._window.needs_birth(rows, seq)
        now = self._loop.time()
        if now - self._births.get(birth, float("-inf")) < BIRTH_AGAIN_S:
            return
        self._births[birth] = now
        self._counters.births_again += 1
        await self._send(await self._spool.take_in_order(seq - 1, 1))

    async def _reincarnate(self) -> None:
        self._counters.forks += 1
        incarnation = await self._spool.reincarnate()
        log.warning("gateway %s: new incarnation %016x", self._gateway, incarnation)
        self._renumbered()

    def _renumbered(self) -> None:
        self._incarnation = self._spool.snapshot.incarnation
        self._window.incarnated()
        self._lanes.connected(self._spool.snapshot.next_seq)
        self._pace.connected()
        self._births.clear()
        self._state_due = 0.0
