"""Use cases of the ledger. Every change joins its audit row in one transaction, seen through the principal's scope."""

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from fleet_server.domains.ledger.models import (
    KEY_BYTES,
    OLD_KEY_VALID,
    Device,
    Gateway,
    SealedKey,
    born,
    check_gateway_code,
    check_mount,
    check_status,
    check_text,
    described_again,
    difference,
    gives_up_devices,
    is_device_code,
)
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.divisions import known_path
from fleet_server.kernel.errors import Conflict, Forbidden, NotFound
from fleet_server.kernel.ports import DeviceSummary, GatewaySummary, LifeCycle
from fleet_server.kernel.principal import Principal, system
from fleet_server.kernel.secret_files import SecretsError, seal, unseal
from protocols.edge.birth import Description
from protocols.edge.cose import key_id

log = logging.getLogger(__name__)

_COMMAND_LINE = system("command-line")


class Store(Protocol):
    """One transaction; what lies outside its scope is not there. `store.PostgresStore` is the one of the product."""

    async def gateways(self, limit: int, after: str) -> list[Gateway]: ...
    async def gateway(self, code: str, *, lock: bool = False) -> Gateway | None: ...
    async def status(self, code: str) -> LifeCycle | None: ...
    async def add_gateway(self, gateway: Gateway) -> None: ...
    async def set_gateway(self, gateway: Gateway) -> None: ...
    async def keys(self, gateway: str) -> list[SealedKey]: ...
    async def add_key(self, gateway: str, key: SealedKey) -> None: ...
    async def retire_keys(self, gateway: str, at: datetime) -> None: ...
    async def devices(self, gateway: str | None, query: str, limit: int, after: str) -> list[Device]: ...
    async def device(self, code: str, *, lock: bool = False) -> Device | None: ...
    async def known(self, codes: Collection[str]) -> set[str]: ...
    async def devices_of(self, codes: Collection[str]) -> dict[str, Device]: ...
    async def put_device(self, device: Device, now: datetime) -> None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self, principal: Principal) -> AbstractAsyncContextManager[Store]: ...


@dataclass(frozen=True)
class Enrolled:
    """`key` is the gateway's present key; `created` says whether this call made the gateway."""

    gateway: Gateway
    key: bytes = field(repr=False)
    created: bool


class LedgerService:
    """Is the port `Ledger`. `begin(principal)` opens one transaction."""

    def __init__(self, begin: Transactions, clock: Clock) -> None:
        self._begin = begin
        self._clock = clock

    async def gateways(self, principal: Principal, *, limit: int = 10_000, after: str = "") -> list[GatewaySummary]:
        principal.require("ledger:read")
        async with self._begin(principal) as store:
            return [gateway.summary for gateway in await store.gateways(limit, after)]

    async def gateway(self, principal: Principal, code: str) -> GatewaySummary:
        principal.require("ledger:read")
        async with self._begin(principal) as store:
            return (await _gateway(store, code)).summary

    async def devices(
        self, principal: Principal, *, gateway: str | None = None, query: str = "", limit: int = 500, after: str = ""
    ) -> list[DeviceSummary]:
        principal.require("ledger:read")
        async with self._begin(principal) as store:
            return [device.summary for device in await store.devices(gateway, query.strip(), limit, after)]

    async def unseen(self, principal: Principal, devices: Collection[str]) -> list[str]:
        principal.require("ledger:read")
        async with self._begin(principal) as store:
            return sorted(set(devices) - await store.known(devices))

    async def device(self, principal: Principal, code: str) -> DeviceSummary:
        principal.require("ledger:read")
        async with self._begin(principal) as store:
            return (await _device(store, code)).summary

    async def change_gateway(
        self,
        principal: Principal,
        code: str,
        *,
        name: str | None = None,
        status: LifeCycle | None = None,
        division: str | None = None,
    ) -> GatewaySummary:
        """What is None stays. A retired gateway's keys open nothing any more."""
        principal.require("ledger:write")
        async with self._begin(principal) as store:
            before = await _gateway(store, code, lock=True)
            check_status(before.status, status or before.status)
            after = replace(
                before,
                name=before.name if name is None else check_text(name, "name"),
                status=status or before.status,
                division=before.division if division is None else _within(principal, known_path(division)),
            )
            names = ("name", "status", "division")
            changes = {
                n: [getattr(before, n), getattr(after, n)] for n in names if getattr(before, n) != getattr(after, n)
            }
            if changes:
                await store.set_gateway(after)
                await store.record(principal, "ledger.change-gateway", code, changes)
            return after.summary

    async def change_device(
        self,
        principal: Principal,
        code: str,
        *,
        name: str | None = None,
        status: LifeCycle | None = None,
        mount: str | None = None,
        division: str | None = None,
    ) -> DeviceSummary:
        """What is None stays; mount "" is none. What a person sets, a later birth does not change."""
        principal.require("ledger:write")
        async with self._begin(principal) as store:
            before = await _device(store, code, lock=True)
            check_status(before.status, status or before.status)
            after = replace(
                before,
                name=before.name if name is None else check_text(name, "name"),
                status=status or before.status,
                mount=before.mount if mount is None else check_mount(mount),
                division=before.division if division is None else _within(principal, known_path(division)),
                pinned=before.pinned
                | {
                    field
                    for field, given in {"name": name, "mount": mount, "division": division}.items()
                    if given is not None
                },
            )
            if after != before:
                await store.put_device(after, self._clock.now())
                await store.record(principal, "ledger.change-device", code, difference(before, after))
            return after.summary

    async def take_birth(self, store: Store, principal: Principal, code: str, description: Description) -> None:
        """Make and update the devices of a stored birth, inside the relay's transaction; telling it twice changes
        nothing more."""
        gateway = await store.gateway(code, lock=True)
        if gateway is None:
            log.warning("gateway %s: a birth of a gateway that is not enrolled", code)
            return
        now = self._clock.now()
        known = await store.devices_of([device.code for device in description.devices])
        for described in description.devices:
            before = known.get(described.code)
            if not is_device_code(described.code):
                log.warning("gateway %s: device %r is not a city code of a device", code, described.code[:64])
                detail = {"device": described.code[:64].replace("\0", " "), "reason": "not a city code of a device"}
                await store.record(principal, "ledger.refuse-device", code, detail)
            elif before is None:
                after = born(described, gateway, now)
                await store.put_device(after, now)
                detail = {"gateway": code, "name": after.name, "model": after.model, "division": after.division}
                await store.record(principal, "ledger.add-device", after.code, detail)
            elif before.gateway != code and not gives_up_devices(await store.status(before.gateway)):
                log.warning("gateway %s: device %s belongs to %s", code, described.code, before.gateway)
                detail = {"device": described.code, "reason": f"belongs to {before.gateway}, which is not retired"}
                await store.record(principal, "ledger.refuse-device", code, detail)
            elif (after := described_again(before, described, gateway)) != before:
                await store.put_device(after, now)
                await store.record(principal, "ledger.describe-device", after.code, difference(before, after))


class Enrolment:
    """Gateways and their keys, with the owner's role: the web server has no access to keys."""

    def __init__(self, begin: Transactions, clock: Clock, key_encryption_key: Callable[[], bytes]) -> None:
        """The key-encryption key is read when it is first needed: never, in the web server."""
        self._begin = begin
        self._clock = clock
        self._kek = key_encryption_key

    async def enrol(self, code: str, name: str, division: str, key: bytes | None = None) -> Enrolled:
        """Makes the gateway, or finds it again and gives its present key. `key` is one the gateway has already: it
        is taken for a new gateway, and must be valid for a known one, else Conflict."""
        code, name, division = check_gateway_code(code), check_text(name, "name"), known_path(division)
        async with self._begin(_COMMAND_LINE) as store:
            known = await store.gateway(code, lock=True)
            now = self._clock.now()
            if known is None:
                gateway = Gateway(code, name, division, "in-service", now)
                await store.add_gateway(gateway)
                key = key or secrets.token_bytes(KEY_BYTES)
                await store.add_key(code, self._sealed(code, key, now))
                await store.record(_COMMAND_LINE, "ledger.enrol", code, {"name": name, "division": division})
                return Enrolled(gateway, key, True)
            valid = [self._opened(code, key) for key in await self._valid(store, code, now)]
            if known.status == "retired" or not valid:
                raise Conflict(f"Gateway {code} is retired; what replaces it gets a code of its own.")
            if key is not None and key not in valid:
                raise Conflict(
                    f"The key file holds another key than gateway {code} has; move it away and run this again."
                )
            if (known.name, known.division) != (name, division):
                changes = {"name": [known.name, name], "division": [known.division, division]}
                known = replace(known, name=name, division=division)
                await store.set_gateway(known)
                await store.record(_COMMAND_LINE, "ledger.change-gateway", code, changes)
            return Enrolled(known, key or valid[0], False)

    async def rotate_key(self, code: str, *, at_once: bool = False) -> bytes:
        """A new key; the old ones stay valid for OLD_KEY_VALID, or `at_once` not at all: they were stolen."""
        async with self._begin(_COMMAND_LINE) as store:
            gateway = await _gateway(store, check_gateway_code(code), lock=True)
            if gateway.status == "retired":
                raise Conflict(f"Gateway {code} is retired.")
            key, now = secrets.token_bytes(KEY_BYTES), self._clock.now()
            await store.retire_keys(gateway.code, now if at_once else now + OLD_KEY_VALID)
            await store.add_key(gateway.code, self._sealed(gateway.code, key, now))
            detail = {"key_id": key_id(key).hex(), "at_once": at_once}
            await store.record(_COMMAND_LINE, "ledger.rotate-key", gateway.code, detail)
            return key

    async def keys(self, gateway: str) -> dict[bytes, bytes]:
        """The port `GatewayKeys`, with the ingest role. A key that does not open is left out and logged: one altered
        row must not stop the whole city's ingest."""
        async with self._begin(_COMMAND_LINE) as store:
            found = await self._valid(store, gateway, self._clock.now())
        keys = {}
        for key in found:
            try:
                keys[key.key_id] = self._opened(gateway, key)
            except SecretsError as error:
                log.error("gateway %s: key %s: %s", gateway, key.key_id.hex(), error)
        return keys

    async def gives_up_devices(self, gateway: str) -> bool:
        """The port `GatewayKeys`, with the ingest role."""
        async with self._begin(_COMMAND_LINE) as store:
            return gives_up_devices(await store.status(gateway))

    async def _valid(self, store: Store, gateway: str, now: datetime) -> list[SealedKey]:
        return [key for key in await store.keys(gateway) if key.is_valid(now)]

    def _opened(self, gateway: str, key: SealedKey) -> bytes:
        return unseal(self._kek(), key.sealed, _purpose(gateway, key.key_id))

    def _sealed(self, gateway: str, key: bytes, now: datetime) -> SealedKey:
        name = key_id(key)
        return SealedKey(name, seal(self._kek(), key, _purpose(gateway, name)), now, None)


def _purpose(gateway: str, name: bytes) -> bytes:
    return b"gateway key " + gateway.encode() + b" " + name


def _within(principal: Principal, division: str) -> str:
    if not principal.covers(division):
        raise Forbidden("The division is outside your scope.")
    return division


async def _gateway(store: Store, code: str, *, lock: bool = False) -> Gateway:
    found = await store.gateway(code, lock=lock)
    if found is None:
        raise NotFound(f"There is no gateway {code[:64]}.")
    return found


async def _device(store: Store, code: str, *, lock: bool = False) -> Device:
    found = await store.device(code, lock=lock)
    if found is None:
        raise NotFound(f"There is no device {code[:64]}.")
    return found
