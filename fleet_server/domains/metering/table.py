"""Gathers the table of meters: a few questions for all of them, and a few more for those that are shown."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet_server.domains.metering.figures import Counted, lead_ms, refined, to_refine
from fleet_server.domains.metering.registers import chief_counters
from fleet_server.domains.metering.rows import FIGURES, Row, Window, in_order, matches, row_of, window_of, with_figures
from fleet_server.domains.metering.service import Known, MeteringService
from fleet_server.ingest.rollups import HOUR_MS, from_ms
from fleet_server.kernel.ports import CounterEnds, CounterSpan, DeviceSummary, Ledger, Ports, Telemetry
from fleet_server.kernel.principal import Principal
from fleet_server.web.i18n import Translate
from fleet_server.web.places import component_name

PAGE = 200  # rows; their figures take half a second
MOST_SORTED = 500  # rows that are ordered by their figures: all of them have to be counted for it
_HOUR = timedelta(hours=1)
_DEVICES = 500
_NOTHING = Known()


@dataclass(frozen=True)
class Asked:
    query: str = ""
    kind: str = ""
    sort: str = "name"
    page: int = 1


@dataclass(frozen=True)
class Table:
    """`rows` are those of the page. `every` says how many meters there are in scope, `found` how many were asked for.
    `too_many`: they are in order of their names, being too many to be ordered by what they consumed."""

    rows: tuple[Row, ...]
    found: int
    every: int
    pages: int
    too_many: bool


class Meters:
    """For one request."""

    def __init__(self, ports: Ports, metering: MeteringService, principal: Principal, now: datetime) -> None:
        self._ports = ports
        self._metering = metering
        self._principal = principal
        self._now = now
        self._window = window_of(now)
        self._known: Mapping[tuple[str, str], Known] = {}

    async def table(self, asked: Asked, t: Translate) -> Table:
        every = await self._rows(t)
        found = [row for row in every if matches(row, asked.query, asked.kind)]
        of_figures = asked.sort.removeprefix("-") in FIGURES
        too_many = of_figures and len(found) > MOST_SORTED
        if of_figures and not too_many:
            found = in_order(await self.counted(found), asked.sort)
        else:
            found = in_order(found, "name" if too_many else asked.sort)
        rows = found[(asked.page - 1) * PAGE : asked.page * PAGE]
        if not of_figures or too_many:
            rows = await self.counted(rows)
        return Table(tuple(rows), len(found), len(every), -(-len(found) // PAGE), too_many)

    async def found(self, asked: Asked, t: Translate) -> list[Row]:
        """All that were asked for, without their figures, in order as far as that needs none."""
        found = [row for row in await self._rows(t) if matches(row, asked.query, asked.kind)]
        return in_order(found, "name" if asked.sort.removeprefix("-") in FIGURES else asked.sort)

    async def counted(self, rows: Sequence[Row]) -> list[Row]:
        """With their figures, by two questions and, where hours must be looked at closely, a third."""
        window = self._window
        spans = [_span(row, window) for row in rows]
        ends = await self._ports.telemetry.counter_ends(spans, "hour")
        known = [self._known.get(row.key, _NOTHING) for row in rows]
        counted = [
            Counted(row.counter, found, of.replacements, [one.suspicion.after.t for one in of.suspicions])
            for row, found, of in zip(rows, ends, known, strict=True)
        ]
        counted = await _closer(self._ports.telemetry, rows, counted, window)
        # In a thread, or every page and stream of the process would stand still meanwhile.
        return await asyncio.to_thread(
            lambda: [with_figures(row, one, window) for row, one in zip(rows, counted, strict=True)]
        )

    async def _rows(self, t: Translate) -> list[Row]:
        devices = await _devices(self._ports.ledger, self._principal)
        present = await self._ports.telemetry.now([device.code for device in devices])
        gateways = {one.code: one.name for one in await self._ports.ledger.gateways(self._principal)}
        meters = [(device, chief) for device in devices for chief in chief_counters(present[device.code].channels)]
        self._known = await self._metering.known(self._principal, sorted({device.code for device, _ in meters}))
        suspect = {device for (device, _), of in self._known.items() if of.suspicions}
        return [
            row_of(
                device,
                kind,
                counter,
                component_name(device.mount, t) if device.mount else "",
                gateways.get(device.gateway, ""),
                is_suspect=device.code in suspect,
                now=self._now,
            )
            for device, (kind, counter) in meters
        ]


async def _devices(ledger: Ledger, principal: Principal) -> list[DeviceSummary]:
    found: list[DeviceSummary] = []
    while True:
        page = await ledger.devices(principal, limit=_DEVICES, after=found[-1].code if found else "")
        found += page
        if len(page) < _DEVICES:
            return found


def _span(row: Row, window: Window) -> CounterSpan:
    lead = -(-lead_ms(row.counter.period_ms) // HOUR_MS) * HOUR_MS
    return CounterSpan(*row.key, from_ms(window.days - lead), from_ms(window.end))


async def _closer(
    telemetry: Telemetry, rows: Sequence[Row], counted: Sequence[Counted], window: Window
) -> list[Counted]:
    """With the minutes of the hours that need them."""
    wanted = [(place, hour) for place, one in enumerate(counted) for hour in to_refine(one, window.starts, window.end)]
    spans = [CounterSpan(*rows[place].key, from_ms(hour), from_ms(hour) + _HOUR) for place, hour in wanted]
    closer: dict[int, dict[int, CounterEnds]] = {}
    for (place, hour), minutes in zip(wanted, await telemetry.counter_ends(spans, "minute"), strict=True):
        closer.setdefault(place, {})[hour] = minutes
    return [
        Counted(one.counter, refined(one.ends, closer[place]), one.replacements, one.open_at)
        if place in closer
        else one
        for place, one in enumerate(counted)
    ]
