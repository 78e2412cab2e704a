"""The service of a process, and its subscriber."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.configuration.service import ConfigurationService, Store, Transactions
from fleet_server.domains.configuration.store import PostgresStore
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Connection, Database
from fleet_server.kernel.events import Event
from fleet_server.kernel.principal import Principal, system

RESULT, TEXT = "configuration-result", "configuration-text"


def create_configuration(context: Context) -> ConfigurationService:
    return ConfigurationService(_transactions(context.database), context.ports, context.clock)


async def on_event_stored(context: Context, connection: Connection, event: Event) -> None:
    """`event.stored` {gateway, kind, t, data, ...}: ingest has stored an event of a gateway."""
    kind, gateway, data = event.payload["kind"], event.payload["gateway"], event.payload["data"]
    if kind not in (RESULT, TEXT):
        return
    service, store = create_configuration(context), PostgresStore(connection)
    at = datetime.fromtimestamp(event.payload["t"] / 1000, UTC)
    if kind == RESULT:
        await service.take_result(store, system("results"), gateway, data, at)
    else:
        await service.take_text(store, system("results"), gateway, data)


def _transactions(database: Database) -> Transactions:
    @asynccontextmanager
    async def begin(principal: Principal) -> AsyncIterator[Store]:
        async with database.scoped(principal) as connection:
            yield PostgresStore(connection)

    return begin


def _of_request(context: InContext) -> ConfigurationService:
    return create_configuration(context)


InConfiguration = Annotated[ConfigurationService, Depends(_of_request)]
