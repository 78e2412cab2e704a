"""Delivers outbox events to subscribers: at least once, in order per key, with back-off; the poisonous are parked.

A delivery is a row per (event, subscriber). Its handler runs in a savepoint of the transaction that deletes the row,
so what a handler writes to the database happens exactly once; what it does elsewhere, at least once.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fleet_server.kernel.context import Context
from fleet_server.kernel.database import AWAY, Connection
from fleet_server.kernel.domain import Domain, Job, Subscription
from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.events import CHANNEL, Event

log = logging.getLogger(__name__)

MAX_TRIES = 8
LONGEST_WAIT = timedelta(minutes=5)
FAN_OUT = 500  # events a transaction
TURN = 100  # deliveries to one subscriber before the next has its turn
KEPT = timedelta(days=7)


def consumers(domains: Iterable[Domain]) -> dict[str, Subscription]:
    """By the name under which deliveries are kept: renaming a handler orphans its waiting deliveries."""
    found: dict[str, Subscription] = {}
    for domain in domains:
        for subscription in domain.subscribes:
            name = f"{domain.name}.{subscription.event_type}.{subscription.handler.__name__}"
            if name in found:
                raise LookupError(f"subscription {name} stands twice")
            found[name] = subscription
    return found


def wait_after(tries: int) -> timedelta:
    """1, 2, 4, ... s before the next try."""
    return min(timedelta(seconds=2 ** max(0, tries - 1)), LONGEST_WAIT)


class Relay:
    def __init__(self, domains: Iterable[Domain]) -> None:
        self._consumers = consumers(domains)
        self._by_type: dict[str, list[str]] = {}
        for name, subscription in self._consumers.items():
            self._by_type.setdefault(subscription.event_type, []).append(name)

    @property
    def jobs(self) -> tuple[Job, ...]:
        return (
            Job("outbox-relay", every_s=2.0, run=self.run, wakes_on=CHANNEL),
            Job("outbox-pruner", every_s=3600.0, run=self.prune),
        )

    async def run(self, context: Context) -> None:
        """Until nothing is due."""
        busy = True
        while busy:
            busy = await self._fan_out(context) == FAN_OUT
            for name in self._consumers:
                busy |= await self._deliver_some(context, name)

    async def prune(self, context: Context) -> None:
        """Events stay a week for people to look at, and as long as one delivery is open or parked."""
        async with context.database.system() as connection:
            await connection.execute(
                """DELETE FROM outbox o WHERE o.fanned_out AND o.created_at < $1
                   AND NOT EXISTS (SELECT FROM outbox_delivery d WHERE d.event = o.id)
                   AND NOT EXISTS (SELECT FROM outbox_parked p WHERE p.event = o.id)""",
                context.clock.now() - KEPT,
            )

    async def _fan_out(self, context: Context) -> int:
        async with context.database.system() as connection:
            # FOR UPDATE: two relays never give one event out twice. In order of id, which per key is order of commit:
            # who emits for a key holds that key's row.
            events = await connection.fetch(
                f"SELECT id, type, key FROM outbox WHERE NOT fanned_out ORDER BY id LIMIT {FAN_OUT} FOR UPDATE"  # noqa: S608
            )
            deliveries = [(e["id"], name, e["key"]) for e in events for name in self._by_type.get(e["type"], ())]
            now = context.clock.now()
            await connection.executemany(
                "INSERT INTO outbox_delivery (event, consumer, key, next_at) VALUES ($1, $2, $3, $4)",
                [(*delivery, now) for delivery in deliveries],
            )
            await connection.execute(
                "UPDATE outbox SET fanned_out = true WHERE id = ANY($1)", [e["id"] for e in events]
            )
            return len(events)

    async def _deliver_some(self, context: Context, consumer: str) -> bool:
        """One turn of this consumer; whether it may have more to do."""
        async with context.database.system() as connection:
            due = await connection.fetch(_DUE, consumer, context.clock.now(), TURN)
        told = [await self._deliver(context, consumer, row["event"]) for row in due]
        return len(due) == TURN and any(told)

    async def _deliver(self, context: Context, consumer: str, event_id: int) -> bool:
        """False when it is not the first of its key, or another relay has it."""
        now = context.clock.now()
        async with context.database.system() as connection:
            row = await connection.fetchrow(_TAKE, consumer, event_id)
            if row is None:
                return False
            event = Event(row["id"], row["type"], row["key"], row["payload"], row["created_at"])
            try:
                async with connection.transaction():
                    await self._consumers[consumer].handler(context, connection, event)
            except (*AWAY, Unavailable):
                raise  # nobody's poison: the whole transaction rolls back and the event waits
            except Exception as error:
                await _failed(connection, consumer, event, row["tries"] + 1, error, now)
            else:
                await connection.execute(
                    "DELETE FROM outbox_delivery WHERE consumer = $1 AND event = $2", consumer, event.id
                )
            return True


# Two questions, of which the first may read all that waits but is asked once a turn. As one, asked for each delivery,
# it took a right guess of the planner to be cheap: without statistics a thousand events of one key took a minute.
_DUE = """
SELECT event FROM outbox_delivery
WHERE consumer = $1 AND key <> ALL (ARRAY(SELECT key FROM outbox_delivery WHERE consumer = $1 AND next_at > $2))
ORDER BY event LIMIT $3
"""

_TAKE = """
SELECT o.id, o.type, o.key, o.payload, o.created_at, d.tries
FROM outbox_delivery d JOIN outbox o ON o.id = d.event
WHERE d.consumer = $1 AND d.event = $2 AND NOT EXISTS (
    SELECT FROM outbox_delivery earlier
    WHERE earlier.consumer = $1 AND earlier.key = d.key AND earlier.event < $2)
FOR UPDATE OF d SKIP LOCKED
"""


async def _failed(
    connection: Connection, consumer: str, event: Event, tries: int, error: Exception, now: datetime
) -> None:
    text = f"{type(error).__name__}: {error}"[:1000].replace("\x00", "")
    if tries < MAX_TRIES:
        log.warning(
            "event %d (%s, key %r) for %s failed %d times: %s", event.id, event.type, event.key, consumer, tries, text
        )
        await connection.execute(
            "UPDATE outbox_delivery SET tries = $3, next_at = $4, error = $5 WHERE consumer = $1 AND event = $2",
            consumer, event.id, tries, now + wait_after(tries), text,
        )  # fmt: skip
        return
    log.error("event %d (%s, key %r) for %s is parked", event.id, event.type, event.key, consumer, exc_info=error)
    await connection.execute("DELETE FROM outbox_delivery WHERE consumer = $1 AND event = $2", consumer, event.id)
    await connection.execute(
        "INSERT INTO outbox_parked (event, consumer, tries, error) VALUES ($1, $2, $3, $4)",
        event.id, consumer, tries, text,
    )  # fmt: skip


async def parked(connection: Any) -> list[Mapping[str, Any]]:
    """Deliveries that were given up, oldest first: event, consumer, type, key, tries, error, parked_at."""
    rows: list[Mapping[str, Any]] = await connection.fetch(
        """SELECT p.event, p.consumer, o.type, o.key, p.tries, p.error, p.parked_at
           FROM outbox_parked p JOIN outbox o ON o.id = p.event ORDER BY p.event, p.consumer"""
    )
    return rows


async def retry(connection: Any, event: int) -> int:
    """Put the parked deliveries of `event` back in line; how many there were."""
    rows = await connection.fetch("DELETE FROM outbox_parked WHERE event = $1 RETURNING consumer", event)
    await connection.executemany(
        "INSERT INTO outbox_delivery (event, consumer, key) SELECT id, $2, key FROM outbox WHERE id = $1",
        [(event, row["consumer"]) for row in rows],
    )
    return len(rows)
