"""Use cases of codes: to mint one, and to tell what one is."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fleet_server.domains.codes.divisions import is_district
from fleet_server.domains.codes.models import (
    MINTABLE,
    Known,
    Minted,
    Resolved,
    check_minting,
    check_purpose,
    compose,
    division_of,
    read,
    touches,
)
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import NotFound
from fleet_server.kernel.ports import Ports
from fleet_server.kernel.principal import Principal, system
from protocols.citycode import CityCode, Kind

_EVERYWHERE = system("codes")


class Store(Protocol):
    """One transaction. `store.PostgresStore` is the one of the product."""

    async def last_serial(self, kind: str, division: str, class_: str) -> int:
        """0 before the first."""
        ...

    async def take_serial(self, kind: str, division: str, class_: str, serial: int) -> bool:
        """False if it was taken meanwhile."""
        ...

    async def add(self, code: str, principal: str, minted: Minted) -> None: ...
    async def minted(self, code: str) -> Minted | None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self, principal: Principal) -> AbstractAsyncContextManager[Store]: ...


class CodeService:
    def __init__(self, begin: Transactions, ports: Ports, clock: Clock) -> None:
        self._begin = begin
        self._ports = ports
        self._clock = clock

    async def mint(self, principal: Principal, kind: str, division: str, class_: str, purpose: str) -> Resolved:
        """The next code of a division and class. One that the ledger has from elsewhere is passed over."""
        principal.require("codes:mint")
        wanted = check_minting(principal, kind, division, class_)
        purpose = check_purpose(purpose)
        while True:
            # The ledger is asked outside the transaction: inside, each of many that mint would hold one connection and
            # wait for a second.
            code = await self._next_free(principal, wanted, division, class_)
            async with self._begin(principal) as store:
                if not await store.take_serial(wanted, division, class_, int(code.body[-6:])):
                    continue
                minted = Minted(code.text, purpose, self._clock.now())
                await store.add(code.text, principal.id, minted)
                await store.record(principal, "codes.mint", code.text, {"purpose": purpose})
            return Resolved(code, division_of(code), None, minted)

    async def resolve(self, principal: Principal, text: str) -> Resolved:
        """Whatever the spelling. What the principal may not see of the ledger, and what another district minted a code
        for, stays unsaid."""
        code = read(text)
        minted = None
        if code.kind in MINTABLE and is_district(code.division) and touches(principal, code.division):
            async with self._begin(principal) as store:
                minted = await store.minted(code.text)
        known = await self._in_ledger(principal, code) if principal.may("ledger:read") else None
        return Resolved(code, division_of(code), known, minted)

    async def _next_free(self, principal: Principal, kind: Kind, division: str, class_: str) -> CityCode:
        async with self._begin(principal) as store:
            serial = await store.last_serial(kind, division, class_)
        while True:
            serial += 1
            code = compose(kind, division, class_, serial)
            if await self._in_ledger(_EVERYWHERE, code) is None:
                return code

    async def _in_ledger(self, principal: Principal, code: CityCode) -> Known | None:
        if code.kind is not Kind.DEVICE:
            return None  # poles and compartments are mounts, which the ledger does not list by themselves
        ledger = self._ports.ledger
        try:
            gateway = await ledger.gateway(principal, code.text)
            return Known("gateway", gateway.name, gateway.division, f"/gateways/{code}")
        except NotFound:
            pass
        try:
            device = await ledger.device(principal, code.text)
            return Known("device", device.name, device.division, f"/devices/{code}")
        except NotFound:
            return None
