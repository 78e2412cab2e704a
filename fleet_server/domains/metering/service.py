"""Use cases of metering: to record what became of meters, to say what they counted, to list those to look at."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID, uuid4

from fleet_server.domains.metering.checks import (
    Recorded,
    check_against_readings,
    check_not_twice,
    check_recorded,
    neighbours,
)
from fleet_server.domains.metering.counting import around, count
from fleet_server.domains.metering.models import (
    EARLIEST,
    LATEST,
    Consumption,
    Found,
    Replacement,
    StepSize,
    Suspicion,
    check_span,
    step_edges,
)
from fleet_server.domains.metering.readings import Reading
from fleet_server.ingest.rollups import from_ms, to_ms
from fleet_server.kernel.clock import Clock
from fleet_server.kernel.errors import Conflict, NotFound
from fleet_server.kernel.ports import ChannelNow, DeviceSummary, Ports
from fleet_server.kernel.principal import Principal

_LOOK = 200  # suspicions that are asked for at once, of which some may lie outside the scope


class Store(Protocol):
    """One transaction. `store.PostgresStore` is the one of the product."""

    async def lock(self, device: str, channel: str) -> None:
        """Holds off others that record of this counter."""
        ...

    async def in_force(self, device: str, channel: str) -> list[Replacement]:
        """The newest version of each that is not withdrawn, in order of `at`."""
        ...

    async def in_force_of(self, devices: Sequence[str]) -> list[Replacement]:
        """The same of all counters of these devices."""
        ...

    async def replacements(self, device: str, limit: int, after: UUID | None) -> list[Replacement]:
        """The newest versions, those recorded last first."""
        ...

    async def versions(self, device: str, id_: UUID) -> list[Replacement]:
        """The oldest first."""
        ...

    async def add(self, replacement: Replacement) -> None: ...
    async def suspicions(self, device: str | None, limit: int, before: int) -> list[Found]: ...
    async def suspicions_of(self, devices: Sequence[str]) -> list[Found]: ...
    async def set_suspicions(
        self, device: str, channel: str, start: int, end: int, found: Iterable[Suspicion], now: datetime
    ) -> None:
        """`found` takes the place of those whose later reading lies in [start, end) ms."""
        ...

    async def watched(self, devices: Sequence[str]) -> Mapping[tuple[str, str], Reading]:
        """Up to which reading each counter was looked through."""
        ...

    async def set_watched(self, device: str, channel: str, reading: Reading) -> None: ...
    async def record(
        self, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
    ) -> None: ...


class Transactions(Protocol):
    def __call__(self, principal: Principal) -> AbstractAsyncContextManager[Store]: ...


@dataclass(frozen=True)
class Known:
    """What people recorded and the watch found, of one counter."""

    replacements: tuple[Replacement, ...] = ()
    suspicions: tuple[Found, ...] = ()


@dataclass(frozen=True)
class Report:
    device: DeviceSummary
    channel: ChannelNow
    consumption: Consumption


class MeteringService:
    """`begin(principal)` opens one transaction."""

    def __init__(self, begin: Transactions, ports: Ports, clock: Clock) -> None:
        self._begin = begin
        self._ports = ports
        self._clock = clock

    async def consumption(
        self, principal: Principal, device: str, channel: str, start: datetime, end: datetime, size: StepSize | None
    ) -> Report:
        principal.require("telemetry:read")
        check_span(start, end)
        target = await self._ports.ledger.device(principal, device)
        counter = await self._ports.telemetry.counter(target.code, channel)
        edges = step_edges(from_ms(to_ms(start)), from_ms(to_ms(end)), size)
        async with self._begin(principal) as store:
            replacements = await store.in_force(target.code, channel)
        return Report(target, counter, await self._count(target.code, counter, edges, replacements))

    async def around_of(
        self, principal: Principal, device: str, channel: str, at: datetime
    ) -> tuple[Reading | None, Reading | None]:
        """The Good readings on either side: what a person who records a replacement compares with."""
        principal.require("telemetry:read")
        target = await self._ports.ledger.device(principal, device)
        return await around(self._ports.telemetry, target.code, channel, min(max(at, EARLIEST), LATEST))

    async def record(self, principal: Principal, device: str, new: Recorded) -> Replacement:
        return await self._write(principal, device, new, None)

    async def correct(self, principal: Principal, device: str, id_: UUID, new: Recorded) -> Replacement:
        """A new version; the old one stays. The channel stays: withdraw and record it where it belongs."""
        return await self._write(principal, device, new, id_)

    async def withdraw(self, principal: Principal, device: str, id_: UUID) -> Replacement:
        principal.require("metering:write")
        target = await self._ports.ledger.device(principal, device)
        async with self._begin(principal) as store:
            known = await self._newest(store, target.code, id_)
            await store.lock(target.code, known.channel)
            known = await self._newest(store, target.code, id_)
            gone = replace(known, version=known.version + 1, withdrawn=True, **self._signed(principal))
            await store.add(gone)
            await store.record(principal, "metering.withdraw", target.code, _told(gone))
        await self._look_again(principal, target.code, known.channel, [known.at])
        return gone

    async def replacements(
        self, principal: Principal, device: str, limit: int, after: UUID | None = None
    ) -> list[Replacement]:
        """The newest version of each, withdrawn ones too; those recorded last first."""
        principal.require("telemetry:read")
        target = await self._ports.ledger.device(principal, device)
        async with self._begin(principal) as store:
            return await store.replacements(target.code, limit, after)

    async def versions(self, principal: Principal, device: str, id_: UUID) -> list[Replacement]:
        principal.require("telemetry:read")
        target = await self._ports.ledger.device(principal, device)
        async with self._begin(principal) as store:
            found = await store.versions(target.code, id_)
        if not found:
            raise _no_replacement(target.code, id_)
        return found

    async def suspicions(
        self, principal: Principal, device: str | None, limit: int, before: int = 2**63 - 1
    ) -> list[Found]:
        """Of a device, or of all that the principal sees; those found last first, with ids below `before`."""
        principal.require("telemetry:read")
        if device is not None:
            device = (await self._ports.ledger.device(principal, device)).code
        kept: list[Found] = []
        while len(kept) < limit:
            async with self._begin(principal) as store:
                found = await store.suspicions(device, _LOOK, before)
            hidden = set(await self._ports.ledger.unseen(principal, sorted({item.device for item in found})))
            kept += [item for item in found if item.device not in hidden]
            if len(found) < _LOOK:
                break
            before = found[-1].id
        return kept[:limit]

    async def known(self, principal: Principal, devices: Sequence[str]) -> Mapping[tuple[str, str], Known]:
        """By device and channel, of devices that were read through the ledger."""
        principal.require("telemetry:read")
        async with self._begin(principal) as store:
            replacements = await store.in_force_of(devices)
            suspicions = await store.suspicions_of(devices)
        keys = {(one.device, one.channel) for one in replacements} | {(one.device, one.channel) for one in suspicions}
        return {
            key: Known(
                tuple(one for one in replacements if (one.device, one.channel) == key),
                tuple(one for one in suspicions if (one.device, one.channel) == key),
            )
            for key in keys
        }

    async def note_export(self, principal: Principal, detail: Mapping[str, Any]) -> None:
        """Before the first line leaves: a download that is broken off has given something away too."""
        async with self._begin(principal) as store:
            await store.record(principal, "metering.export", "meters", detail)

    async def look(self, principal: Principal, device: str, counter: ChannelNow, start: int, end: int) -> None:
        """Find what is suspicious in [start, end) ms, in place of what was found there before."""
        async with self._begin(principal) as store:
            replacements = await store.in_force(device, counter.name)
        found = (await self._count(device, counter, [start, end], replacements)).open
        async with self._begin(principal) as store:
            await store.set_suspicions(device, counter.name, start, end, found, self._clock.now())

    async def _write(self, principal: Principal, device: str, new: Recorded, id_: UUID | None) -> Replacement:
        principal.require("metering:write")
        target = await self._ports.ledger.device(principal, device)
        check_recorded(new, self._clock.now())
        new = replace(new, at=new.at.astimezone(UTC))
        counter = await self._ports.telemetry.counter(target.code, new.channel)
        before, after = await around(self._ports.telemetry, target.code, new.channel, new.at)
        moved = [new.at]
        async with self._begin(principal) as store:
            await store.lock(target.code, new.channel)
            known = await self._newest(store, target.code, id_) if id_ else None
            others = [other for other in await store.in_force(target.code, new.channel) if other.id != id_]
            if known:
                moved.append(known.at)
                if known.channel != new.channel:
                    raise Conflict(
                        f"This replacement is one of channel {known.channel}: withdraw it and record another.",
                        fields={"channel": known.channel},
                    )
            check_not_twice(new, others, before, after)
            check_against_readings(new, *neighbours(to_ms(new.at), before, after, others), counter)
            written = Replacement(
                id=known.id if known else uuid4(),
                version=known.version + 1 if known else 1,
                device=target.code,
                withdrawn=False,
                **vars(new),
                **self._signed(principal),
            )
            await store.add(written)
            await store.record(
                principal, "metering.correct" if known else "metering.replace", target.code, _told(written)
            )
        await self._look_again(principal, target.code, new.channel, moved)
        return written

    async def _newest(self, store: Store, device: str, id_: UUID) -> Replacement:
        """NotFound; Conflict for one that was withdrawn."""
        found = await store.versions(device, id_)
        if not found:
            raise _no_replacement(device, id_)
        if found[-1].withdrawn:
            raise Conflict("This replacement was withdrawn.")
        return found[-1]

    async def _look_again(self, principal: Principal, device: str, channel: str, moments: Iterable[datetime]) -> None:
        """What was recorded settles suspicions, or raises them."""
        counter = await self._ports.telemetry.counter(device, channel)
        for at in moments:
            before, after = await around(self._ports.telemetry, device, channel, at)
            start = before.t if before else to_ms(at)
            await self.look(principal, device, counter, start, (after.t if after else to_ms(at)) + 1)

    async def _count(
        self, device: str, counter: ChannelNow, edges: Sequence[int], replacements: Sequence[Replacement]
    ) -> Consumption:
        return await count(self._ports.telemetry, device, counter, edges, replacements, self._clock.now())

    def _signed(self, principal: Principal) -> dict[str, Any]:
        return {
            "principal": principal.id,
            "principal_name": principal.name,
            "recorded_at": self._clock.now(),
        }


def _told(replacement: Replacement) -> dict[str, Any]:
    said = ("id", "version", "channel", "removed_serial", "fitted_serial", "note")
    return {name: getattr(replacement, name) for name in said} | {
        "at": replacement.at.isoformat(),
        "end": f"{replacement.end:f}",
        "start": f"{replacement.start:f}",
    }


def _no_replacement(device: str, id_: UUID) -> NotFound:
    return NotFound(f"Device {device} has no replacement {id_}.")
