"""The table of meters: its rows, what of them is found, in which order they stand. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from fleet_server.domains.metering.chart import Bar, bars_of
from fleet_server.domains.metering.counting import DEFAULT_PERIOD_MS, GAP_PERIODS
from fleet_server.domains.metering.figures import Counted, Figure, figure, hours
from fleet_server.domains.metering.models import BEIJING
from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.registers import Kind
from fleet_server.domains.metering.watch import newest_of
from fleet_server.ingest.rollups import HOUR_MS, to_ms
from fleet_server.kernel.ports import ChannelNow, DeviceSummary
from fleet_server.web.places import component_order
from protocols.quality import is_bad

PATH_ALLOWANCE = timedelta(seconds=2)  # from a gateway to the store, as the console allows it
DAYS = 30  # of which the present one is the last
_NUMBER = re.compile(r"(\d+)")


class Standing(StrEnum):
    """The order is that of concern."""

    LOOK = "look"
    SILENT = "silent"
    OK = "ok"


@dataclass(frozen=True)
class Row:
    """A meter by one counter of it. `place` is its mount in people's words. `reading` is the newest that is not Bad;
    it, the figures and the bars are filled in by `with_figures`."""

    device: DeviceSummary
    kind: Kind
    counter: ChannelNow
    place: str
    gateway: str
    standing: Standing
    reading: Reading | None
    today: Figure | None = None
    days: Figure | None = None
    bars: tuple[Bar, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.device.code, self.counter.name


@dataclass(frozen=True)
class Window:
    """The intervals that a table shows, in ms: thirty of Beijing's days, today, and the last 24 hours."""

    days: int
    today: int
    hours: tuple[int, ...]
    end: int

    @property
    def starts(self) -> tuple[int, int]:
        return self.days, self.today


def window_of(now: datetime) -> Window:
    hour = now.astimezone(BEIJING).replace(minute=0, second=0, microsecond=0)
    today, end = hour.replace(hour=0), to_ms(hour) + HOUR_MS
    days = today - timedelta(days=DAYS - 1)
    return Window(to_ms(days), to_ms(today), tuple(range(end - 24 * HOUR_MS, end + 1, HOUR_MS)), end)


def standing_of(counter: ChannelNow, is_suspect: bool, now: datetime) -> Standing:
    """Silent also where it answers with failures only."""
    if is_suspect:
        return Standing.LOOK
    longest = GAP_PERIODS * timedelta(milliseconds=counter.period_ms or DEFAULT_PERIOD_MS) + PATH_ALLOWANCE
    is_silent = counter.at is None or now - counter.at > longest or is_bad(counter.quality)
    return Standing.SILENT if is_silent else Standing.OK


def row_of(
    device: DeviceSummary, kind: Kind, counter: ChannelNow, place: str, gateway: str, *, is_suspect: bool, now: datetime
) -> Row:
    reading = newest_of(counter)
    return Row(device, kind, counter, place, gateway, standing_of(counter, is_suspect, now), reading)


def with_figures(row: Row, counted: Counted, window: Window) -> Row:
    days = figure(counted, window.days, window.end)
    return replace(
        row,
        # What is open here the watch may find hours later.
        standing=Standing.LOOK if days and days.open else row.standing,
        reading=row.reading or counted.newest,
        today=figure(counted, window.today, window.end),
        days=days,
        bars=bars_of(hours(counted, window.hours)),
    )


def matches(row: Row, query: str, kind: str) -> bool:
    """Every word of `query` stands in what the row shows."""
    if kind and row.kind != kind:
        return False
    device = row.device
    text = " ".join(
        (device.name, device.code, device.model, device.mount or "", row.place, row.gateway, device.gateway)
    ).lower()
    return all(word in text for word in query.lower().split())


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts "Pole 2" before "Pole 10"."""
    parts = _NUMBER.split(text.lower())
    return tuple((0, int(part), "") if at % 2 else (1, 0, part) for at, part in enumerate(parts) if part)


_KINDS: Mapping[Kind, int] = {kind: at for at, kind in enumerate(Kind)}
_STANDINGS: Mapping[Standing, int] = {standing: at for at, standing in enumerate(Standing)}


def _reading(row: Row) -> Decimal | None:
    return row.reading.value if row.reading else None


def _amount(of: Figure | None) -> Decimal | None:
    return of.amount if of else None


SORTS: Mapping[str, Callable[[Row], Any]] = {
    "name": lambda row: natural(row.device.name),
    "kind": lambda row: _KINDS[row.kind],
    "place": lambda row: (not row.device.mount, component_order(row.device.mount or "")),
    "reading": _reading,
    "today": lambda row: _amount(row.today),
    "days": lambda row: _amount(row.days),
    "state": lambda row: _STANDINGS[row.standing],
}
NUMBERS = frozenset({"reading", "today", "days"})  # kWh and m3 have no order: each kind and unit by itself
FIGURES = frozenset({"today", "days"})


def in_order(rows: Sequence[Row], sort: str) -> list[Row]:
    """`sort` is a name of SORTS, with "-" before it from the greatest on. What has no number is last either way."""
    name = sort.removeprefix("-")
    ordered = sorted(rows, key=lambda row: (natural(row.device.name), row.device.code, _KINDS[row.kind]))
    told = [row for row in ordered if SORTS[name](row) is not None]
    told.sort(key=SORTS[name], reverse=sort.startswith("-"))
    ordered = told + [row for row in ordered if SORTS[name](row) is None]
    if name in NUMBERS:
        ordered.sort(key=lambda row: (_KINDS[row.kind], row.counter.unit))
    return ordered
