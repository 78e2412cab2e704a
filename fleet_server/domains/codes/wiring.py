"""The service of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.codes.service import CodeService, Store
from fleet_server.domains.codes.store import PostgresStore
from fleet_server.kernel.context import InContext
from fleet_server.kernel.principal import Principal


def _of_request(context: InContext) -> CodeService:
    @asynccontextmanager
    async def begin(principal: Principal) -> AsyncIterator[Store]:
        async with context.database.scoped(principal) as connection:
            yield PostgresStore(connection)

    return CodeService(begin, context.ports, context.clock)


InCodes = Annotated[CodeService, Depends(_of_request)]
