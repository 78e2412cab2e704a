"""Use cases of configurations: to see how a gateway stands, to desire or check one, to take what gateways say."""

import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from fleet_server.domains.configuration.models import (
    CHECK_FOR,
    NEXT,
    TRIAL_S,
    Kind,
    Standing,
    Version,
    check_text,
    check_trial,
    standing,
    tag,
)
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Conflict, Invalid, NotFound
from fleet_server.kernel.ports import GatewayNow, GatewaySummary, Ports
from fleet_server.kernel.principal import Principal
from protocols.edge.desired import Desired, unpack
from protocols.edge.messages import encode
from protocols.errors import LocalProtocolError, RemoteProtocolError

log = logging.getLogger(__name__)

PERMISSION = "configuration:write"
MAX_DETAIL, MAX_LINES = 400, 20_000


class Store(Protocol):
    """One transaction. `store.PostgresStore` is the one of the product."""

    async def next_number(self, gateway: str) -> int: ...
    async def add(self, version: Version) -> None: ...
    async def supersede(self, gateway: str, now: datetime) -> None: ...
    async def get(self, gateway: str, number: int) -> Version | None: ...
    async def version(self, gateway: str, number: int) -> Version | None: ...
    async def before(self, gateway: str, number: int) -> Version | None: ...
    async def last(self, gateway: str) -> Version | None: ...
    async def last_desired(self, gateway: str) -> Version | None: ...
    async def last_check(self, gateway: str) -> Version | None: ...
    async def running(self, gateway: str, running: str) -> Version | None: ...
    async def history(self, gateway: str, limit: int, below: int | None) -> list[Version]: ...
    async def settle(self, version: Version) -> None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self, principal: Principal) -> AbstractAsyncContextManager[Store]: ...


@dataclass(frozen=True)
class Overview:
    """`reported` is the version whose text the gateway runs, None where it never told that text. `tag` names what was
    seen here, for who changes it."""

    gateway: GatewaySummary
    present: GatewayNow
    reported: Version | None
    desired: Version | None
    check: Version | None
    standing: Standing
    tag: str


class ConfigurationService:
    """`begin(principal)` opens one transaction. NotFound for a gateway outside the principal's scope."""

    def __init__(self, begin: Transactions, ports: Ports, clock: Clock) -> None:
        self._begin = begin
        self._ports = ports
        self._clock = clock

    async def overview(self, principal: Principal, code: str) -> Overview:
        gateway, present = await self._gateway(principal, code)
        async with self._begin(principal) as store:
            running = _running(present)
            reported = await store.running(code, running) if running else None
            desired, check = await store.last_desired(code), await store.last_check(code)
            last = await store.last(code)
        seen = tag(last.number if last else 0, running)
        return Overview(gateway, present, reported, desired, check, standing(desired, present), seen)

    async def desire(
        self,
        principal: Principal,
        code: str,
        text: str,
        seen: str,
        *,
        trial_s: int = TRIAL_S,
        force: bool = False,
        reverts: int | None = None,
    ) -> Version:
        """`seen` is the tag of what the author saw; Conflict where it is that no more, unless `force`."""
        return await self._make(principal, code, "desired", text, seen, trial_s, force, reverts)

    async def check(self, principal: Principal, code: str, text: str, seen: str) -> Version:
        """A dry run on the gateway. Conflict while it is away: then it stays unchecked."""
        return await self._make(principal, code, "check", text, seen, TRIAL_S, False, None)

    async def revert(self, principal: Principal, code: str, number: int, seen: str) -> Version:
        """Desire an earlier text again."""
        earlier = await self.version(principal, code, number)
        return await self.desire(principal, code, earlier.text, seen, reverts=number)

    async def history(self, principal: Principal, code: str, limit: int, *, after: str = "") -> list[Version]:
        """The newest first."""
        await self._gateway(principal, code)
        if after and not (after.isascii() and after.isdigit() and len(after) < 19):
            raise NotFound(f"{after[:64]!r} is not the number of a version.")
        async with self._begin(principal) as store:
            return await store.history(code, limit, int(after) if after else None)

    async def version(self, principal: Principal, code: str, number: int) -> Version:
        return (await self.with_before(principal, code, number))[0]

    async def with_before(self, principal: Principal, code: str, number: int) -> tuple[Version, Version | None]:
        """A version, and the one that it follows."""
        await self._gateway(principal, code)
        async with self._begin(principal) as store:
            found = await store.version(code, number)
            if found is None:
                raise NotFound(f"Gateway {code} has no configuration {number}.")
            return found, await store.before(code, number)

    async def _gateway(self, principal: Principal, code: str) -> tuple[GatewaySummary, GatewayNow]:
        principal.require(PERMISSION)
        gateway = await self._ports.ledger.gateway(principal, code)
        return gateway, (await self._ports.telemetry.gateways_now([code]))[code]

    async def _make(
        self,
        principal: Principal,
        code: str,
        kind: Kind,
        text: str,
        seen: str,
        trial_s: int,
        force: bool,
        reverts: int | None,
    ) -> Version:
        gateway, present = await self._gateway(principal, code)
        text, trial_s, now = check_text(text), check_trial(trial_s), self._clock.now()
        if gateway.status == "retired":
            raise Conflict(f"Gateway {code} is retired.")
        if present.incarnation is None:
            raise Conflict(f"Gateway {code} has not been heard of yet: there is nobody to send this to.")
        if kind == "check" and not present.online:
            raise Conflict(f"Gateway {code} is away, so this is not checked.")
        running = _running(present)
        async with self._begin(principal) as store:
            number = await store.next_number(code)
            last = await store.last(code)
            if kind == "desired":
                if last is not None and last.is_tried(now):
                    raise Conflict(f"Configuration {last.number} is on trial: wait until that is over.")
                if not force and seen != tag(last.number if last else 0, running):
                    raise Conflict("Somebody desired another configuration, or the gateway runs another one by now.")
                await store.supersede(code, now)
            version = Version(
                gateway=code,
                number=number,
                kind=kind,
                text=text,
                principal=principal.id,
                principal_name=principal.name,
                created_at=now,
                status="waiting",
                base=None if force or not running else running,
                expires_at=now + CHECK_FOR if kind == "check" else None,
                trial_s=trial_s,
                reverts=reverts,
                next_at=now,
            )
            _must_fit(version)
            await store.add(version)
            told = {"number": number, "base": version.base, "trial_s": trial_s, "reverts": reverts, "force": force}
            await store.record(principal, f"configuration.{'desire' if kind == 'desired' else 'check'}", code, told)
        log.info("gateway %s: configuration %d of %s (%s)", code, number, principal.id, kind)
        return version

    async def take_result(
        self, store: Store, principal: Principal, gateway: str, data: Mapping[str, object], at: datetime
    ) -> None:
        """What the gateway says of a desired one. Its first last word stands."""
        number, said = data.get("desired"), data.get("status")
        version = await store.get(gateway, number) if type(number) is int and 0 < number < 2**63 else None
        if version is None or not isinstance(said, str):
            log.warning("gateway %s: a result of a configuration that was never desired", gateway)
            return
        if (status := NEXT.get((version.status, said))) is None:
            log.info("gateway %s: configuration %d is %s: not %s", gateway, version.number, version.status, said[:20])
            return
        on_trial = status == "on-trial"
        running, now = data.get("hash"), self._clock.now()
        detail = str(data.get("detail", ""))[:MAX_DETAIL]
        settled = replace(
            version,
            status=status,
            detail=detail,
            lines=str(data.get("lines", version.lines))[:MAX_LINES],
            running=str(running)[:64] if status == "applied" and isinstance(running, str) else "",
            sent_at=now if on_trial else version.sent_at,
            finished_at=None if on_trial else at,
        )
        await store.settle(settled)
        if version.kind == "desired":
            told = {"number": version.number, "status": status, "detail": detail}
            await store.record(principal, "configuration.result", gateway, told)

    async def take_text(self, store: Store, principal: Principal, gateway: str, data: Mapping[str, object]) -> None:
        """What the gateway runs, in its own words: a version of the history, unless it came from here."""
        running, packed = data.get("hash"), data.get("text")
        try:
            text = unpack(bytes.fromhex(packed)) if isinstance(packed, str) else ""
        except (ValueError, RemoteProtocolError) as error:
            log.warning("gateway %s: its configuration cannot be read: %s", gateway, error)
            return
        if not text or "\0" in text or not isinstance(running, str) or len(running) != 64:
            log.warning("gateway %s: a configuration without text or hash", gateway)
            return
        number, now = await store.next_number(gateway), self._clock.now()
        known = await store.running(gateway, running)
        if known is not None and known.text == text:
            return
        await store.add(
            Version(
                gateway=gateway,
                number=number,
                kind="reported",
                text=text,
                principal=f"gateway:{gateway}",
                principal_name=gateway,
                created_at=now,
                status="applied",
                running=running,
                finished_at=now,
            )
        )
        await store.record(principal, "configuration.reported", gateway, {"number": number, "hash": running})


def _running(present: GatewayNow) -> str:
    return present.configuration.hash if present.configuration else ""


def _must_fit(version: Version) -> None:
    """Invalid for a text that no message can carry."""
    wire = Desired(version.gateway, 2**64 - 1, version.number, 0, version.text, 1000, version.principal, bytes(32))
    try:
        encode(wire)
    except LocalProtocolError as error:
        raise Invalid(str(error), fields={"text": "too long"}) from None
