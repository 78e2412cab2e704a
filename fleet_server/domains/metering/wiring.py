"""The metering service of a request, and its job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.metering.service import MeteringService, Store, Transactions
from fleet_server.domains.metering.store import PostgresStore
from fleet_server.domains.metering.watch import Watch
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Database
from fleet_server.kernel.principal import Principal


def create_metering(context: Context) -> MeteringService:
    return MeteringService(_transactions(context.database), context.ports, context.clock)


async def watch(context: Context) -> None:
    """Look at the counters that moved on; see watch.py."""
    await Watch(_transactions(context.database), context.ports, create_metering(context)).run()


def _transactions(database: Database) -> Transactions:
    @asynccontextmanager
    async def begin(principal: Principal) -> AsyncIterator[Store]:
        async with database.scoped(principal) as connection:
            yield PostgresStore(connection)

    return begin


def _of_request(context: InContext) -> MeteringService:
    return create_metering(context)


InMetering = Annotated[MeteringService, Depends(_of_request)]
