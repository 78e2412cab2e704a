"""The loop in ingest that sends desired configurations to the gateways that are there, until they answer for them."""

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial

from fleet_server.domains.configuration.models import LOOK, Version, step
from fleet_server.domains.configuration.store import CHANNEL, DispatchStore
from fleet_server.ingest.rollups import to_ms
from fleet_server.kernel import downlink
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Publish
from fleet_server.kernel.ports import GatewayNow
from protocols.edge.desired import Desired

log = logging.getLogger(__name__)

NEVER_SENT = "never sent: the gateway was away until it expired"
NO_RESULT = "sent, and no result has come"


async def dispatcher(context: Context, publish: Publish) -> None:
    """A companion of ingest (`ingest.process.run`)."""
    await downlink.follow(context, CHANNEL, "configurations", partial(turn, context, publish))


async def turn(context: Context, publish: Publish) -> float:
    """Deal with what is due; the seconds until to look again."""
    now = context.clock.now()
    async with context.database.system() as connection:
        store = DispatchStore(connection)
        due = await store.due(now)
        present = await context.ports.telemetry.gateways_now([version.gateway for version in due]) if due else {}
        moved = [(await _move(store, version, present.get(version.gateway), now)) for version in due]
    for version in filter(None, moved):
        why = await downlink.send(context, publish, _message(version, present[version.gateway]))
        if why:
            async with context.database.system() as connection:
                await DispatchStore(connection).take_back(version, why, now + LOOK)
        else:
            log.info("gateway %s: configuration %d sent (%d)", version.gateway, version.number, version.sends)
    return LOOK.total_seconds() / 3


async def _move(store: DispatchStore, version: Version, gateway: GatewayNow | None, now: datetime) -> Version | None:
    """The version as it is noted now, if it is to be sent: noted first, so that two ingests do not send it at once."""
    send, expire, next_at = step(version, gateway, now)
    if expire:
        detail = version.detail or (NO_RESULT if version.sends else NEVER_SENT)
        await store.progress(replace(version, status="expired", detail=detail, next_at=None, finished_at=now))
        return None
    moved = replace(version, next_at=next_at)
    if send and gateway is not None:
        moved = replace(
            moved, status="sent", detail="", sends=version.sends + 1, sent_on=gateway.connection, sent_at=now
        )
    await store.progress(moved)
    return moved if send else None


def _message(version: Version, gateway: GatewayNow) -> Desired:
    return Desired(
        gateway=version.gateway,
        incarnation=gateway.incarnation or 1,
        number=version.number,
        issued=to_ms(version.created_at),
        text=version.text,
        trial_ms=1000 * version.trial_s,
        principal=version.principal,
        base=None if version.base is None else bytes.fromhex(version.base),
        expires=None if version.expires_at is None else to_ms(version.expires_at),
        dry=version.kind == "check",
    )
