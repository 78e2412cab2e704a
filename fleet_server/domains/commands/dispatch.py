"""The loop in ingest that sends queued commands, sends them again, and gives up those whose time is over.

It notes "sent" before it sends: a crash between the two makes a command unknown that was never sent, where the other
order would call expired what was executed.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from fleet_server.domains.commands.models import NEXT, Command, Trigger, step
from fleet_server.domains.commands.store import CHANNEL, DispatchStore
from fleet_server.kernel import downlink
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Publish
from protocols.edge import messages as wire

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 1.0  # NOTIFY only wakes: what it missed is found by looking
_DETAILS: Mapping[str, str] = {
    "expired": "never sent: the broker or the gateway's key was missing until it expired",
    "unknown": "sent, and no result has come: the gateway reports it when it is back",
}


async def dispatcher(context: Context, publish: Publish) -> None:
    """A companion of ingest (`ingest.process.run`)."""
    await downlink.follow(context, CHANNEL, "commands", partial(turn, context, publish))


async def turn(context: Context, publish: Publish) -> float:
    """Deal with what is due; the seconds until something is again."""
    now = context.clock.now()
    async with context.database.system() as connection:
        store = DispatchStore(connection)
        to_send = [moved for command in await store.due(now) if (moved := await _move(store, command, now))]
        next_at = await store.next_at()
    unsent = [(command, why) for command in to_send if (why := await _send(context, publish, command))]
    if unsent:
        async with context.database.system() as connection:
            for command, why in unsent:
                await DispatchStore(connection).take_back(command.id, why, now)
    if next_at is None:
        return LONGEST_WAIT_S
    return min(max((next_at - now).total_seconds(), 0.01), LONGEST_WAIT_S)


async def _move(store: DispatchStore, command: Command, now: datetime) -> Command | None:
    """The command as it is noted now, if it is to be sent."""
    trigger, next_at = step(command, now)
    if trigger is None:
        await store.progress(replace(command, next_at=next_at))
        return None
    status = NEXT[command.status, trigger]
    if trigger is Trigger.SENT:
        moved = replace(command, status=status, detail="", sends=command.sends + 1, next_at=next_at)
        await store.progress(moved)
        return moved
    detail = command.detail or _DETAILS[status]
    log.info("gateway %s: command %s is %s: %s", command.gateway, command.id, status, detail)
    await store.progress(replace(command, status=status, detail=detail, next_at=None, finished_at=now))
    return None


async def _send(context: Context, publish: Publish, command: Command) -> str:
    """Why it could not be sent; "" if it was."""
    why = await downlink.send(context, publish, _message(command))
    if not why:
        log.info("gateway %s: command %s sent (%d)", command.gateway, command.id, command.sends)
    return why


def _message(command: Command) -> wire.Command:
    return wire.Command(
        gateway=command.gateway,
        incarnation=command.incarnation,
        number=command.number,
        id=command.id.bytes,
        issued=_ms(command.issued_at),
        expires=_ms(command.expires_at),
        device=command.device,
        channel=command.channel,
        value=command.value,
        principal=command.principal,
        requires=command.requires,
    )


def _ms(at: datetime) -> int:
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
