"""The job that finds meters to look at: falls at the next run, leaps and what came late within six hours."""

from collections.abc import Mapping
from decimal import Decimal

from fleet_server.domains.metering.readings import Reading
from fleet_server.domains.metering.service import MeteringService, Transactions
from fleet_server.ingest.rollups import to_ms
from fleet_server.kernel.ports import ChannelNow, DeviceSummary, Ports
from fleet_server.kernel.principal import system

PAGE = 500  # devices
MOST_LOOKS = 200  # counters that one run reads: a new fleet is looked through in some minutes, not in one long run
EVERY_MS = 6 * 3_600_000
FIRST_MS = 31 * 24 * 3_600_000  # how far back a counter is looked through when it is new here
BACK_MS = 48 * 3_600_000  # how far behind the last look is looked again, for readings that came late


class Watch:
    def __init__(self, begin: Transactions, ports: Ports, metering: MeteringService) -> None:
        self._begin = begin
        self._ports = ports
        self._metering = metering
        self._left = MOST_LOOKS

    async def run(self) -> None:
        after = ""
        while self._left:
            devices = await self._ports.ledger.devices(system("metering"), limit=PAGE, after=after)
            await self._page(devices)
            if len(devices) < PAGE:
                return
            after = devices[-1].code

    async def _page(self, devices: list[DeviceSummary]) -> None:
        codes = [device.code for device in devices]
        present = await self._ports.telemetry.now(codes)
        async with self._begin(system("metering")) as store:
            watched = await store.watched(codes)
        for code in codes:
            for counter in present[code].channels:
                newest = newest_of(counter)
                if newest is None or not self._left or not is_due(newest, watched.get((code, counter.name))):
                    continue
                self._left -= 1
                await self._look(code, counter, newest, watched)

    async def _look(
        self, code: str, counter: ChannelNow, newest: Reading, watched: Mapping[tuple[str, str], Reading]
    ) -> None:
        last = watched.get((code, counter.name))
        since = newest.t - FIRST_MS if last is None else last.t - BACK_MS
        await self._metering.look(system("metering"), code, counter, since, newest.t + 1)
        async with self._begin(system("metering")) as store:
            await store.set_watched(code, counter.name, newest)


def newest_of(channel: ChannelNow) -> Reading | None:
    """A counter's present reading, if it is Good."""
    if channel.kind != "counter" or channel.at is None or not channel.text or channel.quality & 0xC000:
        return None
    return Reading(to_ms(channel.at), Decimal(channel.text), channel.scale)


def is_due(newest: Reading, looked: Reading | None) -> bool:
    """Whether to read what came since `looked`: at once when the counter stands lower than then, else now and then."""
    if looked is None:
        return True
    return newest.t > looked.t and (newest.value < looked.value or newest.t - looked.t >= EVERY_MS)
