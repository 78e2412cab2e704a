"""The one shape of a platform function. `fleet_server.domains.ALL` lists them; `create_app` mounts them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fastapi import APIRouter

from fleet_server.kernel.context import Context
from fleet_server.kernel.database import Connection
from fleet_server.kernel.events import Event

Publish: TypeAlias = Callable[[str, bytes], bool]
"""Topic and sealed payload; False when the broker is away."""
Companion: TypeAlias = Callable[[Context, Publish], Awaitable[None]]
Handler: TypeAlias = Callable[[Context, Connection, Event], Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """Run in `serve`, one server at a time (an advisory lock by name), again `every_s` after it ended.

    `wakes_on` names a NOTIFY channel that starts the next run at once; the interval alone must suffice.
    """

    name: str
    every_s: float
    run: Callable[[Context], Awaitable[None]]
    wakes_on: str = ""


@dataclass(frozen=True)
class Subscription:
    """`handler` runs at least once per event, in order per key, as the system principal on `connection`.

    What it writes commits together with the note that the event is done; an exception rolls both back and the event
    is tried again later.
    """

    event_type: str
    handler: Handler


@dataclass(frozen=True)
class Domain:
    """`router` is mounted under /api/v1, `pages` at the root; `ports` opens the domain's doors by name (`ports.Ports`).

    `tables` are those the domain owns: no other domain's SQL names them. `companions` run beside the workers of the
    ingest process as long as it lives, on its database role. Templates are not declared: they lie in templates/ beside
    the package, under its name.
    """

    name: str
    router: APIRouter | None = None
    pages: APIRouter | None = None
    tables: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    subscribes: tuple[Subscription, ...] = ()
    companions: tuple[Companion, ...] = ()
    ports: Callable[[Context], Mapping[str, object]] | None = None
