"""Use cases of commands: to issue one, to see the recent ones, to take a result."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from uuid import UUID, uuid4

from fleet_server.domains.commands.models import (
    GRACE,
    MAX_OPEN,
    NEXT,
    RESULTS,
    Command,
    Trigger,
    check_expiry,
    check_requirement,
    check_value,
)
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Conflict, Invalid, NotFound, TooMany
from fleet_server.kernel.ports import CommandView, Ports
from fleet_server.kernel.principal import Principal
from protocols.edge.messages import MAX_REQUIREMENTS
from protocols.edge.requirement import Requirement

log = logging.getLogger(__name__)

MAX_DETAIL = 200


class Store(Protocol):
    """One transaction. `store.PostgresStore` is the one of the product."""

    async def next_number(self, gateway: str) -> int:
        """Also locks the gateway's commands against others that are being issued."""
        ...

    async def count_open(self, gateway: str, now: datetime) -> int: ...
    async def add(self, command: Command) -> None: ...
    async def get(self, id_: UUID) -> Command | None: ...
    async def settle(self, command: Command) -> None: ...
    async def recent(self, device: str, limit: int, before: Command | None) -> list[Command]: ...
    async def of_device(self, device: str, id_: UUID) -> Command | None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self, principal: Principal) -> AbstractAsyncContextManager[Store]: ...


class CommandService:
    """Is the port `Commands`. `begin(principal)` opens one transaction."""

    def __init__(self, begin: Transactions, ports: Ports, clock: Clock) -> None:
        self._begin = begin
        self._ports = ports
        self._clock = clock

    async def send(
        self,
        principal: Principal,
        device: str,
        channel: str,
        value: Decimal,
        expires_s: int,
        requires: Sequence[Requirement] = (),
    ) -> CommandView:
        """Queue a write; ingest sends it at once. The gateway is the one that decides: it may refuse still."""
        principal.require("commands:send")
        waits = check_expiry(expires_s)
        target = await self._ports.ledger.device(principal, device)
        if target.status != "in-service":
            raise Conflict(f"Device {target.code} is {target.status}: only what is in service is written to.")
        present = (await self._ports.telemetry.now([target.code])).get(target.code)
        known = next((item for item in present.channels if item.name == channel), None) if present else None
        if known is None:
            raise NotFound(f"Device {target.code} has no channel {channel[:64]}.")
        check_value(known, value)
        await self._check_requirements(principal, target.gateway, requires)
        gateway = (await self._ports.telemetry.gateways_now([target.gateway])).get(target.gateway)
        if gateway is None or gateway.incarnation is None:
            raise Conflict(f"Gateway {target.gateway} has not been heard of yet: there is nobody to send this to.")
        async with self._begin(principal) as store:
            now = self._clock.now()
            number = await store.next_number(target.gateway)
            if await store.count_open(target.gateway, now) >= MAX_OPEN:
                raise TooMany(f"{MAX_OPEN} commands wait for gateway {target.gateway} already.", retry_after_s=30)
            command = Command(
                id=uuid4(),
                gateway=target.gateway,
                incarnation=gateway.incarnation,
                number=number,
                device=target.code,
                channel=known.name,
                value=value,
                principal=principal.id,
                principal_name=principal.name,
                issued_at=now,
                expires_at=now + waits,
                next_at=now,
                requires=tuple(requires),
            )
            await store.add(command)
            detail = {
                "id": command.id,
                "channel": command.channel,
                "value": str(value),
                "expires_s": expires_s,
                "requires": [[need.device, need.channel, str(need.low), str(need.high)] for need in requires],
            }
            await store.record(principal, "commands.send", target.code, detail)
        log.info("gateway %s: command %s of %s: %s %s := %s", command.gateway, command.id, principal.id, target.code,
                 command.channel, value)  # fmt: skip
        return command.view

    async def _check_requirements(self, principal: Principal, gateway: str, requires: Sequence[Requirement]) -> None:
        """They are of devices that the sender may see, on the same gateway: it alone can look at both."""
        if len(requires) > MAX_REQUIREMENTS:
            raise Invalid(f"A command requires at most {MAX_REQUIREMENTS} things.", fields={"requires": "too many"})
        for need in requires:
            device = await self._ports.ledger.device(principal, need.device)
            if device.gateway != gateway:
                raise Conflict(f"Device {device.code} is on another gateway, which cannot look at it in time.")
            present = (await self._ports.telemetry.now([device.code])).get(device.code)
            known = next((one for one in present.channels if one.name == need.channel), None) if present else None
            check_requirement(known, need)

    async def recent(self, principal: Principal, device: str, limit: int, *, after: str = "") -> list[CommandView]:
        """The newest first; those issued before the command with id `after`, when given."""
        principal.require("telemetry:read")
        target = await self._ports.ledger.device(principal, device)
        async with self._begin(principal) as store:
            before = await store.of_device(target.code, _uuid(after)) if after else None
            if after and before is None:
                raise NotFound(f"Device {target.code} has no command {after[:64]}.")
            return [command.view for command in await store.recent(target.code, limit, before)]

    async def take_result(
        self, store: Store, principal: Principal, gateway: str, data: Mapping[str, object], at: datetime
    ) -> None:
        """Note what a gateway says became of a command, inside the relay's transaction. Twice is as good as once.

        `at` is the gateway's time of the event. What names no command of this gateway is logged and left: there is
        nobody to tell.
        """
        result = _result(data)
        command = await store.get(result[0]) if result else None
        if result is None or command is None or command.gateway != gateway:
            log.warning("gateway %s: a result for no command of it: %.200r", gateway, dict(data))
            return
        _, trigger, detail, readback = result
        status = NEXT.get((command.status, trigger))
        if status is None:
            if command.status != RESULTS[trigger]:
                log.warning(
                    "gateway %s: command %s is %s already, not %s", gateway, command.id, command.status, trigger
                )
            return
        finished = min(max(at, command.issued_at), command.expires_at + GRACE)
        await store.settle(
            replace(command, status=status, detail=detail, readback=readback, next_at=None, finished_at=finished)
        )
        told = {
            "id": command.id,
            "status": status,
            "detail": detail,
            "readback": None if readback is None else str(readback),
        }
        await store.record(principal, "commands.result", command.device, told)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{text[:64]!r} is not the id of a command.") from None


def _result(data: Mapping[str, object]) -> tuple[UUID, Trigger, str, Decimal | None] | None:
    match data:
        case {"id": str(id_), "status": str(status), **rest} if status in set(RESULTS):
            try:
                known = UUID(hex=id_)
            except ValueError:
                return None
            detail = rest.get("detail", "")
            return known, Trigger(status), str(detail)[:MAX_DETAIL], _number(rest.get("readback"))
    return None


def _number(value: object) -> Decimal | None:
    """Decimals come as text, so that JSON does not round them; see ingest."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None
