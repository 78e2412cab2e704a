"""A counter's readings, asked of telemetry and counted. Devices were read through the ledger first."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime

from fleet_server.domains.metering.models import Consumption, Replacement
from fleet_server.domains.metering.readings import Reading, runs, value_of
from fleet_server.domains.metering.tally import Tally
from fleet_server.ingest.rollups import from_ms, to_ms
from fleet_server.kernel.ports import ChannelNow, CounterReading, Telemetry

DEFAULT_PERIOD_MS = 1000  # of a channel whose birth tells none
GAP_PERIODS = 3


async def count(
    telemetry: Telemetry,
    device: str,
    counter: ChannelNow,
    edges: Sequence[int],
    replacements: Sequence[Replacement],
    now: datetime,
) -> Consumption:
    """Between the first and the last of `edges` (ms), a step between any two."""
    start, end = from_ms(edges[0]), from_ms(edges[-1])
    before, _ = await around(telemetry, device, counter.name, start)
    longest = GAP_PERIODS * (counter.period_ms or DEFAULT_PERIOD_MS)
    tally = Tally(edges, replacements, counter.rollovers, longest, before=before, now=to_ms(now))
    async with aclosing(telemetry.counter_readings(device, counter.name, start, end)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            for run in runs(piece, tally.cuts, counter.rollovers, longest):
                tally.add(run)
    return tally.result()


async def around(
    telemetry: Telemetry, device: str, channel: str, at: datetime
) -> tuple[Reading | None, Reading | None]:
    """The last Good reading before `at`, and the first at or after it."""
    before, after = await telemetry.counter_around(device, channel, at)
    return _reading(before), _reading(after)


def _reading(found: CounterReading | None) -> Reading | None:
    return None if found is None else Reading(found.t, value_of(found.mantissa, found.scale), found.scale)
