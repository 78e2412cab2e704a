"""What goes down to a gateway: sealed under its keys, and the loop of a companion of ingest that sends what is due."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import asyncpg

from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Publish
from fleet_server.kernel.errors import Unavailable
from protocols.edge import envelope
from protocols.edge import messages as wire
from protocols.errors import LocalProtocolError

log = logging.getLogger(__name__)

PAUSE_S = 1.0


async def send(context: Context, publish: Publish, message: wire.Message) -> str:
    """Why it could not be sent; "" if it was: under each valid key, for nobody knows which of them the gateway has
    while one is being replaced. It opens one of them."""
    address = envelope.address_of(message)
    keys = await context.ports.gateway_keys.keys(address.gateway)
    if not keys:
        return "the gateway has no key here: it was retired"
    try:
        sealed = [envelope.seal(address, wire.encode(message), key) for key in keys.values()]
    except LocalProtocolError as error:  # it must not end ingest
        log.error("gateway %s: a %s cannot be sent: %s", address.gateway, type(message).__name__, error)
        return str(error)
    if not all(publish(address.topic, one) for one in sealed):
        return "the broker does not answer"
    return ""


async def follow(context: Context, channel: str, what: str, turn: Callable[[], Awaitable[float]]) -> None:
    """Until cancelled: `turn` deals with what is due and gives the seconds until something is again; a NOTIFY on
    `channel` comes before that. Waits for a database that is away; `what` is what waits then."""
    while True:
        try:
            await _watch(context, channel, turn)
        except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("%s wait: %s: %s", what, type(error).__name__, error)
        await asyncio.sleep(PAUSE_S)


async def _watch(context: Context, channel: str, turn: Callable[[], Awaitable[float]]) -> None:
    """Until the connection that listens is lost."""
    wake = asyncio.Event()
    async with context.database.session() as listener:
        await listener.add_listener(channel, lambda *_: wake.set())
        while not listener.is_closed():
            wake.clear()
            wait_s = await turn()
            try:
                async with asyncio.timeout(wait_s):
                    await wake.wait()
            except TimeoutError:
                pass
