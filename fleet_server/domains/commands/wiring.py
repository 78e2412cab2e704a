"""The service of a process, and its subscriber."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.commands.service import CommandService, Store, Transactions
from fleet_server.domains.commands.store import PostgresStore
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Connection, Database
from fleet_server.kernel.events import Event
from fleet_server.kernel.principal import Principal, system

RESULT = "command-result"


def create_commands(context: Context) -> CommandService:
    return CommandService(_transactions(context.database), context.ports, context.clock)


def open_ports(context: Context) -> dict[str, object]:
    return {"commands": create_commands(context)}


async def on_event_stored(context: Context, connection: Connection, event: Event) -> None:
    """`event.stored` {gateway, kind, t, data, ...}: ingest has stored an event of a gateway."""
    if event.payload["kind"] != RESULT:
        return
    at = datetime.fromtimestamp(event.payload["t"] / 1000, UTC)
    store = PostgresStore(connection)
    service = create_commands(context)
    await service.take_result(store, system("results"), event.payload["gateway"], event.payload["data"], at)


def _transactions(database: Database) -> Transactions:
    @asynccontextmanager
    async def begin(principal: Principal) -> AsyncIterator[Store]:
        async with database.scoped(principal) as connection:
            yield PostgresStore(connection)

    return begin


def _of_request(context: InContext) -> CommandService:
    return create_commands(context)


InCommands = Annotated[CommandService, Depends(_of_request)]
