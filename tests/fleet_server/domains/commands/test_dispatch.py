import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fleet_server.domains.commands.dispatch import dispatcher, turn
from fleet_server.domains.commands.models import GRACE, MAX_SENDS
from fleet_server.domains.ledger.wiring import create_enrolment
from fleet_server.kernel.database import Database
from protocols.edge import cose, envelope
from protocols.edge.messages import Command
from protocols.edge.requirement import Requirement


@dataclass
class Broker:
    """Takes what it is given while it is `up`."""

    up: bool = True
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, topic: str, sealed: bytes) -> bool:
        if self.up:
            self.taken.append((topic, sealed))
            self.changed.set()
        return self.up

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.taken) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def broker() -> Broker:
    return Broker()


def opened(city: Any, topic: str, sealed: bytes) -> Command:
    """As the gateway opens it."""
    message = envelope.open_sealed(envelope.parse_topic(topic), sealed, {cose.key_id(city.key): city.key}).message
    assert isinstance(message, Command)
    return message


async def test_a_queued_command_is_sent_sealed_under_its_gateways_key(city: Any, clock: Any, broker: Broker) -> None:
    body = (await city.send(value="40.5", channel="dim_setpoint")).json()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
    ((topic, sealed),) = broker.taken
    command = opened(city, topic, sealed)
    assert topic == f"hutong/1/{city.gateway}/cmd"
    assert (command.device, command.channel, str(command.value)) == (city.lamp, "dim_setpoint", "40.5")
    assert (command.incarnation, command.number, command.principal) == (city.incarnation, 1, "user:op")
    assert UUID(bytes=command.id) == UUID(body["id"])
    assert command.expires - command.issued == 30_000
    assert command.issued == round(clock.now().timestamp() * 1000)
    assert (await city.status())["status"] == "sent"


async def test_what_a_command_requires_reaches_the_gateway(city: Any, broker: Broker) -> None:
    await city.send(requires=[{"channel": "lamp_power", "low": "0", "high": "0.5"}])
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
    ((topic, sealed),) = broker.taken
    assert opened(city, topic, sealed).requires == (Requirement(city.lamp, "lamp_power", Decimal(0), Decimal("0.5")),)


async def test_while_a_key_is_being_replaced_the_gateway_can_open_the_command_with_the_one_it_has(
    city: Any, fleet_settings: Any, clock: Any, broker: Broker
) -> None:
    clock.advance(hours=1)
    async with Database(fleet_settings.database.owner) as database:
        enrolment = create_enrolment(database, clock, fleet_settings.secrets.dir)
        fresh = await enrolment.rotate_key(city.gateway)
    body = (await city.send()).json()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
    (topic, under_new), (_, under_old) = broker.taken
    assert opened(city, topic, under_old).id == UUID(body["id"]).bytes
    city.key = fresh
    assert opened(city, topic, under_new).id == UUID(body["id"]).bytes


async def test_a_command_without_an_answer_is_sent_a_few_times_and_then_unknown(
    city: Any, clock: Any, broker: Broker
) -> None:
    await city.send(expires_s=600)
    async with city.open_ingest() as ingest:
        for _ in range(620):
            await turn(ingest, broker.publish)
            clock.advance(seconds=1)
        assert len(broker.taken) == MAX_SENDS
        assert len({opened(city, *taken).id for taken in broker.taken}) == 1
        shown = await city.status()
        assert shown["status"] == "unknown"
        assert "no result has come" in shown["detail"]
        assert await city.sql("SELECT next_at FROM command") is None


async def test_a_result_that_comes_late_replaces_unknown(city: Any, clock: Any, broker: Broker) -> None:
    body = (await city.send(expires_s=5)).json()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
        clock.advance(timedelta(seconds=5) + GRACE)
        await turn(ingest, broker.publish)
    assert (await city.status())["status"] == "unknown"
    await city.result({"id": UUID(body["id"]).hex, "status": "done", "readback": "40"})
    assert (await city.status())["status"] == "done"


async def test_a_settled_command_is_not_sent_again(city: Any, clock: Any, broker: Broker) -> None:
    body = (await city.send(expires_s=60)).json()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
        await city.result({"id": UUID(body["id"]).hex, "status": "done"})
        for _ in range(80):
            clock.advance(seconds=1)
            await turn(ingest, broker.publish)
    assert len(broker.taken) == 1
    assert (await city.status())["status"] == "done"


async def test_while_the_broker_is_away_a_command_stays_queued_and_then_expires(
    city: Any, clock: Any, broker: Broker
) -> None:
    broker.up = False
    await city.send(expires_s=10)
    async with city.open_ingest() as ingest:
        for _ in range(9):
            await turn(ingest, broker.publish)
            assert (await city.status())["status"] == "queued"
            clock.advance(seconds=1)
        clock.advance(seconds=2)
        await turn(ingest, broker.publish)
    shown = await city.status()
    assert (shown["status"], shown["detail"]) == ("expired", "the broker does not answer")


async def test_when_the_broker_is_back_the_command_goes(city: Any, clock: Any, broker: Broker) -> None:
    broker.up = False
    await city.send()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
        broker.up = True
        clock.advance(seconds=1)
        await turn(ingest, broker.publish)
    assert len(broker.taken) == 1
    assert (await city.status())["status"] == "sent"


async def test_a_command_sent_once_stays_sent_when_the_second_time_fails(city: Any, clock: Any, broker: Broker) -> None:
    await city.send()
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
        broker.up = False
        clock.advance(seconds=4)
        await turn(ingest, broker.publish)
        assert (await city.status())["status"] == "sent"
        assert await city.sql("SELECT sends FROM command") == 1


async def test_a_retired_gateway_gets_nothing(city: Any, broker: Broker) -> None:
    await city.send()
    await city.sql("UPDATE gateway SET status = 'retired'")
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
    assert broker.taken == []
    assert "no key" in (await city.status())["detail"]


async def test_commands_go_in_the_order_of_their_numbers(city: Any, broker: Broker) -> None:
    for value in range(10):
        await city.send(value=str(value))
    async with city.open_ingest() as ingest:
        await turn(ingest, broker.publish)
    assert [int(opened(city, *taken).value) for taken in broker.taken] == list(range(10))


async def test_two_dispatchers_send_a_command_once(city: Any, broker: Broker) -> None:
    for value in range(20):
        await city.send(value=str(value))
    async with city.open_ingest() as one, city.open_ingest() as other:
        await asyncio.gather(*(turn(ingest, broker.publish) for ingest in (one, other) for _ in range(3)))
    assert sorted(int(opened(city, *taken).value) for taken in broker.taken) == list(range(20))


async def test_ingest_may_change_a_commands_progress_and_nothing_else_of_it(city: Any) -> None:
    await city.send()
    async with city.open_ingest() as ingest:
        for change in ("value = 100", "device = 'x'", "expires_at = now() + interval '1 year'", "incarnation = 1"):
            with pytest.raises(Exception, match="permission denied"):
                async with ingest.database.system() as connection:
                    await connection.execute(f"UPDATE command SET {change}")  # noqa: S608
        for statement in ("DELETE FROM command", "INSERT INTO command_number VALUES ('x', 1)"):
            with pytest.raises(Exception, match="permission denied"):
                async with ingest.database.system() as connection:
                    await connection.execute(statement)


async def test_the_loop_sends_within_moments_of_the_command_and_survives_a_lost_connection(
    city: Any, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with city.open_ingest() as ingest, asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(dispatcher(ingest, broker.publish))
        await city.send(value="1")
        await broker.holds(1)
        async with ingest.database.system() as connection:
            killed = await connection.fetchval(
                """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"""
            )
        assert killed >= 1
        await city.send(value="2")
        await broker.holds(2)
        loop.cancel()
