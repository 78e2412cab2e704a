"""The identity service of a process: pages and API ask for `InIdentity`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.identity.service import Identity, Passwords, Store
from fleet_server.domains.identity.store import PostgresStore
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Database

_PASSWORDS = Passwords()  # one for the process: it bounds how many are hashed at once


def create_identity(database: Database, clock: Clock, passwords: Passwords = _PASSWORDS) -> Identity:
    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        async with database.system() as connection:
            yield PostgresStore(connection)

    return Identity(begin, clock, passwords)


def open_ports(context: Context) -> dict[str, object]:
    return {"authenticator": create_identity(context.database, context.clock)}


def _of_request(context: InContext) -> Identity:
    return create_identity(context.database, context.clock)


InIdentity = Annotated[Identity, Depends(_of_request)]


async def prune(context: Context) -> None:
    await create_identity(context.database, context.clock).prune()
