"""The ingest process: workers that settle groups of messages, and what runs beside them.

Settled means: committed, answered, and acknowledged to the broker, in this order. While the database is away nothing
is; the broker stops sending when its window is full, and the gateways keep what is not answered.
"""

import asyncio
import logging
import random
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import asyncpg

from fleet_server.ingest import answers, refusals, store
from fleet_server.ingest.arrivals import Arrival, Raw, Refused, address_of, open_raw
from fleet_server.ingest.commit import Known, Outcome, commit_group
from fleet_server.ingest.faults import blames_a_message
from fleet_server.ingest.keys import KeyCache
from fleet_server.ingest.session import Session
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Companion, Publish
from fleet_server.kernel.errors import Unavailable
from protocols.edge.envelope import Address
from protocols.edge.messages import AckStatus

log = logging.getLogger(__name__)

GROUP = 512  # messages
WORKERS = 2  # one decodes while the other's commit waits for the disk
FLUSH_S = 2.0
PLANS_S = 60.0  # how long a birth's plan is trusted before its devices' owner is asked again
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


async def run(context: Context, companions: Sequence[Companion] = ()) -> None:
    """Until cancelled. `context.database` is a pool of the ingest role."""
    async with Session(context.settings.broker, f"hutong-ingest-{uuid.uuid4().hex[:8]}", WORKERS) as session:
        ingest = Ingest(context, session)
        async with asyncio.TaskGroup() as tasks:
            for lane in range(WORKERS):
                tasks.create_task(ingest.work(lane))
            tasks.create_task(ingest.flush_counts())
            tasks.create_task(ingest.follow_keys())
            for companion in companions:
                tasks.create_task(_accompany(companion, context, session.publish))


async def _accompany(companion: Companion, context: Context, publish: Publish) -> None:
    await companion(context, publish)


class Ingest:
    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session
        self._keys = KeyCache(context.ports.gateway_keys)
        self._known = Known(gives_up_devices=context.ports.gateway_keys.gives_up_devices)
        self._known_since = 0.0
        self._sampler = refusals.Sampler()
        self._process = uuid.uuid4()
        self.counts: Counter[str] = Counter()

    async def work(self, lane: int) -> None:
        while True:
            await self.settle(await self._session.take(GROUP, lane))

    async def settle(self, raws: Sequence[Raw]) -> None:
        """Returns when every message of the group has been decided; tries for as long as that takes."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                arrivals, refused = await self._open(raws)
                await self._store(arrivals)
                break
            except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.counts["retries"] += 1
                log.warning("%d messages wait: %s: %s", len(raws), type(error).__name__, error)
                await asyncio.sleep(pause * random.uniform(0.75, 1.25))
                pause = min(2 * pause, LONGEST_PAUSE_S)
        await self._sample(refused)
        self._session.acknowledge(raws)

    async def follow_keys(self) -> None:
        await self._keys.follow(self._context.database)

    async def flush_counts(self) -> None:
        before = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(FLUSH_S)
            after = asyncio.get_running_loop().time()
            self.counts["overflow"] += self._session.lost
            self._session.lost = 0
            counts, self.counts = +self.counts, Counter()
            if not counts:
                before = after
                continue
            try:
                async with self._context.database.system() as connection:
                    now = self._context.clock.now()
                    await store.save_counts(connection, self._process, now, after - before, counts)
                before = after
            except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.counts.update(counts)
                log.warning("counts wait: %s: %s", type(error).__name__, error)

    async def _open(self, raws: Sequence[Raw]) -> tuple[list[Arrival], list[Refused]]:
        arrivals, refused = [], []
        for raw in raws:
            opened = await self._open_one(raw)
            if isinstance(opened, Arrival):
                arrivals.append(opened)
            else:
                refused.append(opened)
        return arrivals, refused

    async def _open_one(self, raw: Raw) -> Arrival | Refused:
        address = address_of(raw)
        if isinstance(address, Refused):
            return address
        now = asyncio.get_running_loop().time()
        opened = _open(raw, address, await self._keys.keys(address.gateway, now))
        if isinstance(opened, Refused) and not self._keys.is_fresh(address.gateway, now):
            opened = _open(raw, address, await self._keys.keys(address.gateway, now, doubtful=True))
        return opened

    async def _store(self, arrivals: Sequence[Arrival], condemned: str = "") -> None:
        """Commit and answer. A group that fails by its data is halved until the message to blame stands alone."""
        if not arrivals:
            return
        try:
            outcome = await self._commit(arrivals, condemned)
        except Exception as error:
            if not blames_a_message(error):
                raise
            if len(arrivals) > 1:
                middle = len(arrivals) // 2
                await self._store(arrivals[:middle])
                await self._store(arrivals[middle:])
            elif not condemned:
                await self._store(arrivals, f"{type(error).__name__}: {error}")
            else:
                self.counts["unstorable"] += 1
                log.exception("a message on %s can be neither stored nor quarantined", arrivals[0].raw.topic)
            return
        keys: dict[str, dict[bytes, None]] = {}
        for arrival in arrivals:
            keys.setdefault(arrival.identity[0], {})[arrival.key] = None
        self._answer(outcome, keys)

    async def _commit(self, arrivals: Sequence[Arrival], condemned: str) -> Outcome:
        known = self._fresh_known()
        async with self._context.database.system() as connection:
            outcome = await commit_group(connection, arrivals, known, self._context.clock.now(), condemned=condemned)
        self._known = replace(
            self._known, plans={**self._known.plans, **outcome.plans}, days=self._known.days | outcome.days
        )
        self.counts.update(outcome.counts)
        return outcome

    def _fresh_known(self) -> Known:
        now = asyncio.get_running_loop().time()
        if now - self._known_since > PLANS_S:
            self._known, self._known_since = replace(self._known, plans={}), now
        return self._known

    def _answer(self, outcome: Outcome, keys: Mapping[str, Iterable[bytes]]) -> None:
        """What the broker does not take is lost: the gateway sends again, and is answered then. `keys` are those each
        gateway's messages were sealed with: two only while a key is being replaced and the broker repeats old ones."""
        for acknowledgement in answers.acknowledgements(outcome.answers):
            for key in keys[acknowledgement.gateway]:
                sent = self._session.publish(*answers.seal(acknowledgement, key))
                self.counts["acknowledgements" if sent else "acknowledgements-unsent"] += 1
            for acked in acknowledgement.ranges:
                if acked.status is not AckStatus.STORED:
                    log.info("gateway %s: seq %d to %d: %s", acknowledgement.gateway, acked.first, acked.last,
                             acked.status.name.lower())  # fmt: skip

    async def _sample(self, refused: Sequence[Refused]) -> None:
        """Count all, keep some. A sample is for people: it is not worth waiting for a database."""
        if not refused:
            return
        self.counts.update(f"refused:{item.reason}" for item in refused)
        kept = self._sampler.choose(refused, asyncio.get_running_loop().time())
        if not kept:
            return
        try:
            async with self._context.database.system() as connection:
                rows = [refusals.row(item, self._context.clock.now()) for item in kept]
                await store.add_rows(connection, store.Rows(quarantine=rows))
        except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("%d refused messages were not sampled: %s", len(kept), error)


def _open(raw: Raw, address: Address, keys: dict[bytes, bytes]) -> Arrival | Refused:
    try:
        return open_raw(raw, address, keys)
    except Exception as error:  # a fault of ours: it may cost this message its answer, and no other message anything
        log.exception("a message on %s can be neither read nor refused", raw.topic)
        return Refused(raw, address.gateway, "unreadable", f"{type(error).__name__}: {error}")
