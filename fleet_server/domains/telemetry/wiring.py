"""The telemetry service of a process: pages, API and other domains ask through the port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends

from fleet_server.domains.telemetry.live import Listener
from fleet_server.domains.telemetry.service import Store, TelemetryService
from fleet_server.domains.telemetry.store import TelemetryStore
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.context import Context, InContext
from fleet_server.kernel.database import Database


def create_telemetry(database: Database, clock: Clock) -> TelemetryService:
    @asynccontextmanager
    async def begin() -> AsyncIterator[Store]:
        async with database.system() as connection:
            yield TelemetryStore(connection)

    return TelemetryService(begin, clock, Listener(database))


def open_ports(context: Context) -> dict[str, object]:
    return {"telemetry": create_telemetry(context.database, context.clock)}


def _of_context(context: InContext) -> TelemetryService:
    service = context.ports.telemetry
    assert isinstance(service, TelemetryService)  # noqa: S101  # this domain opens the port
    return service


InTelemetry = Annotated[TelemetryService, Depends(_of_context)]
