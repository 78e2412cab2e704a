"""The ledger's services of a process, and its subscriber."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.ledger.service import Enrolment, LedgerService, Store, Transactions
from fleet_server.domains.ledger.store import PostgresStore
from fleet_server.kernel import secret_files
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Connection, Database
from fleet_server.kernel.events import Event
from fleet_server.kernel.principal import Principal, system
from protocols.edge.birth import decode_description

KEY_FILE = "key-encryption-key"


def create_ledger(database: Database, clock: Clock) -> LedgerService:
    return LedgerService(_transactions(database), clock)


def create_enrolment(database: Database, clock: Clock, secrets_dir: Path) -> Enrolment:
    """`database` is the owner's, or ingest's for reading keys alone. Makes the key-encryption key when it is absent and
    needed."""
    return Enrolment(_transactions(database), clock, cache(partial(secret_files.keep, secrets_dir / KEY_FILE)))


def open_ports(context: Context) -> dict[str, object]:
    return {
        "ledger": create_ledger(context.database, context.clock),
        "gateway_keys": create_enrolment(context.database, context.clock, context.settings.secrets.dir),
    }


async def on_birth_stored(context: Context, connection: Connection, event: Event) -> None:
    """`birth.stored` {gateway, hash}: telemetry has stored a description for the first time, or again."""
    encoded = await context.ports.telemetry.description(bytes.fromhex(event.payload["hash"]))
    ledger = create_ledger(context.database, context.clock)
    await ledger.take_birth(
        PostgresStore(connection), system("births"), event.payload["gateway"], decode_description(encoded)
    )


def _transactions(database: Database) -> Transactions:
    @asynccontextmanager
    async def begin(principal: Principal) -> AsyncIterator[Store]:
        async with database.scoped(principal) as connection:
            yield PostgresStore(connection)

    return begin


def _of_request(context: InContext) -> LedgerService:
    return create_ledger(context.database, context.clock)


InLedger = Annotated[LedgerService, Depends(_of_request)]
