"""Captures: when a rule fires, what its channels were read as before and after goes to the fleet as bursts.

Each captured device has a ring; a firing only notes its moment, and what is wanted is cut out of the ring once its end
is there. So however many captures run at once, they hold no sample twice.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol

from agent.clock import Now
from agent.pipeline import Pipeline, outputs
from agent.pipeline.emit import COLUMN_BYTES, QUALITY_BYTES, TIME_BYTES
from agent.rules.ring import ChannelForm, Held, Ring, columns
from agent.site import Site
from protocols.edge.burst import Ending, Waveform
from protocols.edge.columns import DTYPES, Group
from protocols.rules import Capture, Rule

log = logging.getLogger(__name__)

BEHIND_MS = 1000  # what was read by then is on its way through the pipeline: agent.rules.engine
LATE_MS = 10_000  # a tick that nobody has told of by then is not waited for
LOOK_S = 0.5  # between two looks for a tick that is late
DISK_S = 5.0  # that one part waits for the disk before the next is handed over
PART_BYTES = 24_000  # of samples in one message: an NB-IoT link carries it within its time-out


class Outward(Protocol):
    """What a capture needs of a gateway: agent.supervisor.Agent."""

    gateway: str

    def now(self) -> Now: ...

    def keep(self, waveform: Waveform, t0_boot_ms: int) -> "asyncio.Future[int]":
        """As a burst in the spool; the future says when it is on disk."""
        ...

    def has_room(self, more: int) -> bool:
        """Whether the spool takes so many bytes of bursts more."""
        ...


@dataclass(frozen=True)
class Source:
    """A captured device: `forms` and `aliases` by channel name, under the birth of that hash."""

    index: int
    period_ms: int
    forms: dict[str, ChannelForm]
    aliases: dict[str, int]
    birth: bytes

    def goes_on_as(self, other: "Source | None") -> bool:
        return other is not None and (self.index, self.forms) == (other.index, other.forms)


@dataclass(frozen=True, eq=False)
class _Running:
    """A capture of one device that is waited for; `id` is that of the firing at `at`, CLOCK_BOOTTIME in ms."""

    id: bytes
    rule: Rule
    capture: Capture
    at: int

    @property
    def end(self) -> int:
        return self.at + self.capture.after_ms


class Recorder:
    """`begin` when a rule fires; `run` cuts what has come to its end."""

    def __init__(self, outward: Outward) -> None:
        self._outward = outward
        self._sources: dict[str, Source] = {}
        self._rings: dict[str, Ring] = {}
        self._running: list[_Running] = []
        self._changed = asyncio.Event()
        self.counts = Counter(dict.fromkeys(("kept", "overlapped", "refused", "empty", "cut_short"), 0))

    def prepare(self, site: Site) -> None:
        """Before another configuration runs: what that does not go on with is cut short, under its own birth."""
        sources = sources_of(site)
        for one in list(self._running):
            source = self._sources[one.capture.device]
            if not source.goes_on_as(sources.get(one.capture.device)):
                self._running.remove(one)
                self._keep_all(one, Ending.CONFIGURATION)
        self._rings = {
            device: self._ring(device, source, site.config.rings[device].ticks) for device, source in sources.items()
        }
        self._sources = sources
        self._changed.set()

    def attach(self, pipeline: Pipeline) -> None:
        """To the devices of the pipeline as they are now."""
        pipeline.watch(
            {source.index: partial(self._put, self._rings[device]) for device, source in self._sources.items()}
        )

    def begin(self, rule: Rule, at: int) -> bytes | None:
        """A firing at CLOCK_BOOTTIME `at`: the id that its bursts will bear; that of the one before, while it is still
        being captured; None where the spool has no room for more."""
        for one in self._running:
            if one.rule.name == rule.name:
                self.counts["overlapped"] += 1
                return one.id
        if not self._outward.has_room(sum(self._weight(capture) for capture in rule.captures)):
            self.counts["refused"] += 1
            log.warning(
                "gateway %s: rule %s captures nothing: what was captured before fills its share of the spool",
                *(self._outward.gateway, rule.name),
            )
            return None
        identity = secrets.token_bytes(16)
        self._running += [_Running(identity, rule, capture, at) for capture in rule.captures]
        self._changed.set()
        return identity

    async def run(self) -> NoReturn:
        while True:
            self._changed.clear()
            now = self._outward.now().boottime_ms
            for one in [one for one in self._running if self._is_due(one, now)]:
                if one in self._running:  # a change of configuration while another was kept may have cut it short
                    self._running.remove(one)
                    await self._keep(one)
            now = self._outward.now().boottime_ms
            waits = [max((one.end + BEHIND_MS - now) / 1000, LOOK_S) for one in self._running]
            try:
                async with asyncio.timeout(min(waits) if waits else None):
                    await self._changed.wait()
            except TimeoutError:
                pass  # one may be at its end

    def close(self) -> None:
        """At the end of the program: what there is is kept."""
        running, self._running = self._running, []
        for one in running:
            self._keep_all(one, Ending.STOPPED)

    def _put(self, ring: Ring, *read: object) -> None:
        ring.put(*read)  # type: ignore[arg-type]

    def _ring(self, device: str, source: Source, ticks: int) -> Ring:
        """The one there is, where it holds these channels and is as long, or somebody waits for what it holds."""
        old, forms = self._rings.get(device), tuple(source.forms.values())
        if old is None or not self._sources[device].goes_on_as(source):
            return Ring(forms, ticks)
        if old.ticks == ticks or (ticks < old.ticks and any(one.capture.device == device for one in self._running)):
            return old
        longer = Ring(forms, ticks)
        longer.add(old.all())
        return longer

    def _is_due(self, one: _Running, now: int) -> bool:
        if now < one.end + BEHIND_MS:
            return False
        newest = self._rings[one.capture.device].newest
        period = self._sources[one.capture.device].period_ms
        return now >= one.end + LATE_MS or (newest is not None and newest + period > one.end)

    def _weight(self, capture: Capture) -> int:
        source = self._sources[capture.device]
        ticks = (capture.before_ms + capture.after_ms) // source.period_ms + 1
        return ticks * sum(DTYPES[source.forms[name].tag].itemsize for name in capture.channels)

    async def _keep(self, one: _Running) -> None:
        parts = self._parts(one, Ending.WHOLE)
        try:
            for part in parts:
                # One after another: many captures that end together need not all be in memory.
                await asyncio.wait([self._outward.keep(*part)], timeout=DISK_S)
        finally:
            for part in parts:  # the program ends
                self._outward.keep(*part)

    def _keep_all(self, one: _Running, ending: Ending) -> None:
        self.counts["cut_short"] += 1
        for part in self._parts(one, ending):
            self._outward.keep(*part)

    def _parts(self, one: _Running, ending: Ending) -> Iterator[tuple[Waveform, int]]:
        """Each with CLOCK_BOOTTIME of its t0; cut out of the ring now, made one by one."""
        device, names = one.capture.device, one.capture.channels
        source, ring = self._sources[device], self._rings[device]
        places = list(source.forms)
        wanted = [(places.index(name), source.forms[name], source.aliases[name]) for name in names]
        held = ring.between(one.at - one.capture.before_ms, one.end, [place for place, _, _ in wanted])
        if not len(held.times):
            self.counts["empty"] += 1
            told = self._outward.gateway, one.rule.name, device
            log.warning("gateway %s: rule %s captured nothing of %s: nobody has read it", *told)
            return iter(())
        self.counts["kept"] += 1
        first = max(int(held.times[0]), 0)  # reported may be what is older than the boot
        t0 = max(self._outward.now().utc_of(first), 0)
        parts = split(held, [form for _, form, _ in wanted])
        return (
            (
                Waveform(
                    birth=source.birth,
                    t0=1000 * t0,
                    group=Group(1000 * (part.times - first), columns(part, wanted)),
                    capture=one.id,
                    rule=one.rule.name,
                    fired=1000 * (one.at - first),
                    period=1000 * source.period_ms,
                    part=number,
                    parts=len(parts),
                    ending=ending,
                ),
                first,
            )
            for number, part in enumerate(parts, 1)
        )


def split(held: Held, forms: Iterable[ChannelForm]) -> list[Held]:
    """In parts of at most PART_BYTES."""
    forms = list(forms)
    tick = TIME_BYTES + sum(DTYPES[form.tag].itemsize + QUALITY_BYTES for form in forms)
    ticks = max(1, (PART_BYTES - COLUMN_BYTES * len(forms)) // tick)
    count = len(held.times)
    return [held.rows(slice(start, min(start + ticks, count))) for start in range(0, count, ticks)]


def sources_of(site: Site) -> dict[str, Source]:
    """By device code."""
    aliases = {(one.device, one.channel): one.alias for one in outputs(site.plans) if one.derived is None}
    found = {}
    devices = [device for on_bus in site.devices for device in on_bus]
    for place, (device, plan) in enumerate(zip(devices, site.plans, strict=True)):
        if (ring := site.config.rings.get(device.code)) is None:
            continue
        members = {one.channel.name: index for index, one in enumerate(plan.channels)}
        channels = [(name, members[name], plan.channels[members[name]].channel) for name in ring.channels]
        found[device.code] = Source(
            index=device.index,
            period_ms=plan.period_ms,
            forms={name: ChannelForm(index, channel.tag, channel.scale) for name, index, channel in channels},
            aliases={name: aliases[place, index] for name, index, _ in channels},
            birth=site.description_hash,
        )
    return found
