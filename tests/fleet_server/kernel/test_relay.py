import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from fleet_server.app import open_context
from fleet_server.kernel import jobs, relay
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Domain, Job, Subscription
from fleet_server.kernel.errors import Unavailable
from fleet_server.kernel.events import Event, emit
from fleet_server.kernel.relay import KEPT, MAX_TRIES, Relay, wait_after


class Subscriber:
    """Notes what it is told in the database and in memory; fails for the payloads in `fails`."""

    def __init__(self, event_type: str = "thing.done") -> None:
        self.told: list[int] = []
        self.fails: set[int] = set()
        self.failure: Exception = ValueError("not today")
        self.relay = Relay([Domain("test", subscribes=(Subscription(event_type, self.handle),))])

    async def handle(self, _: Context, connection: Any, event: Event) -> None:
        n = event.payload["n"]
        self.told.append(n)
        await connection.execute("INSERT INTO sign_in_failure VALUES ($1, 1, now(), now())", f"{n} {len(self.told)}")
        if n in self.fails:
            raise self.failure


@pytest.fixture
async def context(fleet_settings: Any, clock: Any) -> AsyncIterator[Context]:
    async with open_context(fleet_settings, domains=(), clock=clock) as opened:
        yield opened


async def send(context: Context, *numbers: int, key: str = "") -> None:
    async with context.database.system() as connection:
        for n in numbers:
            await emit(connection, "thing.done", {"n": n}, key=key)


async def count(context: Context, table: str) -> int:
    async with context.database.system() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


async def test_events_arrive_once_and_in_order(context: Context) -> None:
    subscriber = Subscriber()
    await send(context, *range(20))
    await subscriber.relay.run(context)
    await subscriber.relay.run(context)
    assert subscriber.told == list(range(20))
    assert await count(context, "outbox_delivery") == 0


async def test_an_event_of_a_transaction_that_fails_is_never_told(context: Context) -> None:
    async def fail() -> None:
        async with context.database.system() as connection:
            await emit(connection, "thing.done", {"n": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    subscriber = Subscriber()
    await subscriber.relay.run(context)
    assert subscriber.told == []


async def test_an_event_nobody_subscribes_to_is_let_go(context: Context) -> None:
    subscriber = Subscriber("another.type")
    await send(context, 1)
    await subscriber.relay.run(context)
    assert subscriber.told == []
    assert await count(context, "outbox WHERE NOT fanned_out") == 0


async def test_what_a_failed_handler_wrote_is_taken_back_and_it_is_told_again_later(
    context: Context, clock: Any
) -> None:
    subscriber = Subscriber()
    subscriber.fails = {1}
    await send(context, 1)
    await subscriber.relay.run(context)
    assert subscriber.told == [1]
    assert await count(context, "sign_in_failure") == 0
    await subscriber.relay.run(context)
    assert subscriber.told == [1], "it is not yet due"
    subscriber.fails = set()
    clock.advance(wait_after(1))
    await subscriber.relay.run(context)
    assert subscriber.told == [1, 1]
    assert await count(context, "sign_in_failure") == 1


async def test_a_failing_event_holds_back_its_own_key_alone(context: Context, clock: Any) -> None:
    subscriber = Subscriber()
    subscriber.fails = {1}
    await send(context, 1, 2, key="a")
    await send(context, 3, key="b")
    await subscriber.relay.run(context)
    assert subscriber.told == [1, 3]
    subscriber.fails = set()
    clock.advance(wait_after(1))
    await subscriber.relay.run(context)
    assert subscriber.told == [1, 3, 1, 2]


async def test_a_poisonous_event_is_parked_visibly_and_its_key_goes_on(context: Context, clock: Any) -> None:
    subscriber = Subscriber()
    subscriber.fails = {1}
    await send(context, 1, 2, key="a")
    for _ in range(MAX_TRIES):
        await subscriber.relay.run(context)
        clock.advance(minutes=10)
    assert subscriber.told == [1] * MAX_TRIES + [2]
    async with context.database.system() as connection:
        (row,) = await relay.parked(connection)
        assert (row["key"], row["tries"], row["error"]) == ("a", MAX_TRIES, "ValueError: not today")
        subscriber.fails = set()
        assert await relay.retry(connection, row["event"]) == 1
    clock.advance(days=400)  # a delivery put back is due by the database's clock
    await subscriber.relay.run(context)
    assert subscriber.told[-1] == 1
    assert await count(context, "outbox_parked") == 0


async def test_a_thousand_events_of_one_key_are_told_in_time_that_grows_with_their_number_alone(
    context: Context,
) -> None:
    """With every delivery looking at all that wait, these took a minute."""
    subscriber = Subscriber()
    await send(context, *range(1000))
    async with asyncio.timeout(20):
        await subscriber.relay.run(context)
    assert subscriber.told == list(range(1000))


async def test_a_key_that_waits_for_its_next_try_does_not_fill_the_turn_of_the_others(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "TURN", 3)
    subscriber = Subscriber()
    subscriber.fails.add(0)
    await send(context, *range(10), key="stuck")
    await send(context, *range(10, 20), key="free")
    await subscriber.relay.run(context)
    assert subscriber.told == [0, *range(10, 20)]


@pytest.mark.parametrize("error", [Unavailable("gone"), asyncpg.AdminShutdownError("gone")])
async def test_a_database_that_goes_away_is_not_counted_against_the_event(context: Context, error: Exception) -> None:
    subscriber = Subscriber()
    subscriber.fails, subscriber.failure = {1}, error
    await send(context, 1)
    with pytest.raises(Unavailable):
        await subscriber.relay.run(context)
    assert await count(context, "outbox_delivery WHERE tries = 0") == 1


async def test_two_relays_at_once_tell_each_event_once(context: Context) -> None:
    subscriber = Subscriber()
    await send(context, *range(30))
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(subscriber.relay.run(context))
    assert sorted(subscriber.told) == list(range(30))


async def test_old_events_go_and_open_ones_stay(context: Context, clock: Any) -> None:
    subscriber = Subscriber()
    subscriber.fails = {2}
    await send(context, 1, 2)
    await subscriber.relay.run(context)
    async with context.database.system() as connection:
        created = await connection.fetchval("SELECT max(created_at) FROM outbox")
    clock.advance(created + KEPT + timedelta(seconds=1) - clock.now())
    await subscriber.relay.prune(context)
    async with context.database.system() as connection:
        assert await connection.fetchval("SELECT array_agg((payload->>'n')::int) FROM outbox") == [2]


def test_one_handler_subscribed_twice_to_one_type_is_refused() -> None:
    subscription = Subscriber().relay._consumers["test.thing.done.handle"]
    with pytest.raises(LookupError, match="stands twice"):
        Relay([Domain("test", subscribes=(subscription, subscription))])


@asynccontextmanager
async def running(context: Context, *todo: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(jobs.run(context, todo))
        yield
        task.cancel()


async def test_a_commit_wakes_the_relay_long_before_its_interval(context: Context) -> None:
    subscriber = Subscriber()
    lazy = Job("lazy-relay", every_s=3600, run=subscriber.relay.run, wakes_on="outbox")
    async with running(context, lazy), asyncio.timeout(10):
        while not subscriber.told:
            await send(context, 1)
            await asyncio.sleep(0.05)
