"""Asking one device for all it has: which spans, what their answers mean, and what it turned out to lack."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from agent.bus import planner
from agent.bus.gather import Reads, gathered, takes_many
from agent.bus.learned import NOTHING, Learned, Place, Split, Turnaround, conclude
from agent.bus.planner import FEWEST, Request
from agent.bus.schedule import Priority
from agent.diagnosis.latency import Latency
from drivers.base import (
    NO_READINGS,
    Cost,
    Described,
    DeviceError,
    Learning,
    Line,
    LineDown,
    Model,
    Nonsense,
    Reading,
    Readings,
    Refused,
    Timed,
    Unit,
)
from protocols.quality import Quality

ILLEGAL_ADDRESS = 2  # MODBUS Application Protocol 1.1b3, 7; drivers of other families give the same code
SILENCES = 3  # in a row, from a device that answers other requests: what it does not know, it may not even refuse
AGAIN_MS = 60_000  # what was refused is asked for again, one place each time: a device that starts refuses all it has
SILENT_EVERY = 20  # polls: how often that is asked again, so that it costs the others on the line next to nothing


REPLAN_AT = 0.3  # the share by which a device's turnaround must have moved before its requests are planned anew
REPLAN_MS = 1.0  # and by how much at least


M = TypeVar("M", bound=Described, covariant=True)


@dataclass(frozen=True)
class Device(Generic[M]):
    """`index` is the device's place in the pipeline and in the birth. `slower` are the periods of those channels that
    are not read as often as the rest; they are multiples of `period_ms`."""

    index: int
    code: str
    name: str
    unit: Unit
    period_ms: int
    model: M
    priority: Priority = Priority.NORMAL
    slower: Mapping[int, int] = field(default_factory=dict)


@dataclass
class Outcome:
    """What asking gave. `quality` and `error` are of the last request without an answer, `lost` the channels of all.

    `faults` are (cause, what happened) for counters and log; `requests` counts what went out.
    """

    readings: Readings = NO_READINGS
    answered: bool = False  # by at least one answer, be it a refusal
    quality: Quality = Quality.GOOD
    error: DeviceError | None = None
    lost: frozenset[int] = frozenset()
    faults: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0

    def add(self, readings: Readings) -> None:
        self.readings = self.readings + readings if self.readings else readings

    def unanswered(self, request: Request, error: DeviceError, quality: Quality) -> None:
        self.readings += _bad(request.channels, quality)
        self.error, self.quality = error, quality
        self.lost |= request.channels

    def blame(self, cause: str, request: Request, error: DeviceError) -> None:
        span = request.span
        self.faults.append((cause, f"{span.space} {span.address} to {span.address + span.length - 1}: {error}"))


class Reader:
    """The plan for one device. Addresses that it refuses leave the plan, so that their neighbours keep their values.

    What was met with silence goes last the next time, so that one such request does not make the device look dead.
    """

    def __init__(self, device: Device[Model], learned: Learned = NOTHING, latency: Latency | None = None) -> None:
        self._device = device
        self._latency = Latency() if latency is None else latency
        self._all_periods = frozenset((device.period_ms, *device.slower.values()))
        self._met: Line | None = None
        self._learning: Learning | None = None  # a line that measures better than we: it knows what else it sent
        self._takes_many = False
        self._slots: dict[int, int] = {}  # by period: the last one of them that was read
        self._asked_apart = learned.absent  # places that another of this kind lacked, until this one was asked
        self._begin(learned)

    def start_over(self) -> None:
        """It may be another device now: what the old one lacked is asked for again."""
        self._asked_apart = frozenset()
        self._begin(Learned(turnaround_ms=self._turnaround.learned))

    def _begin(self, learned: Learned) -> None:
        self._learned = learned
        self._turnaround = Turnaround(learned.turnaround_ms)
        self._absent: frozenset[int] = frozenset()  # channels
        self._again: Place | None = None  # the last that was refused, and is asked for once more
        self._again_at, self._turn = 0, 0
        self._addresses_cost = False
        self._wire: dict[str, Cost] | None = None  # by space, of a line that tells
        self._planned_for = self._turnaround.expected
        self._plans: dict[frozenset[int], tuple[Request, ...]] = {}  # by the periods that are due
        self._silences: Counter[Request] = Counter()  # in a row; none for a request that was answered
        self._polls = 0

    async def read(
        self, line: Line, timeout: float, tick: int, between: Callable[[], Awaitable[None]] | None = None
    ) -> Outcome:
        """Every channel that is due at `tick`, each with a value or the reason for none.

        The first silence ends it, since the next request would only cost another timeout. `between` is done before
        each request but the first: what cannot wait for all of them. A LineDown of it is one of the line.
        """
        outcome = Outcome()
        self._polls += 1
        self._reckon(line)
        if self._absent and tick >= self._again_at:
            self._ask_again(tick)
        plan = self._plan(self._due(tick))
        todo = deque(plan if not self._silences else self._by_silence(plan, outcome))
        splits: list[Split] = []
        answered: list[Request] = []
        reads = gathered(line, self._device.unit, [one.span for one in todo]) if self._takes_many else line
        while todo:
            request = todo.popleft()
            try:
                if outcome.requests and between is not None:
                    await between()
                outcome.requests += 1
                outcome.add(await self._ask(reads, request, timeout))
                outcome.answered = True
                answered.append(request)
                if self._silences:
                    self._silences.pop(request, None)
            except Refused as error:
                outcome.answered = True
                self._silences.pop(request, None)
                smaller: tuple[Request, ...] = ()
                if error.code == ILLEGAL_ADDRESS:
                    smaller = planner.split(request)
                    splits.append(Split(request, smaller))
                    todo.extendleft(reversed(smaller))
                if not smaller:
                    if request.points[0][:3] != self._again:  # that is no news
                        outcome.blame("refused", request, error)
                    absent = error.code == ILLEGAL_ADDRESS
                    quality = Quality.BAD_CONFIGURATION_ERROR if absent else Quality.BAD_DEVICE_FAILURE
                    outcome.readings += _bad(request.channels, quality)
            except Nonsense as error:
                outcome.blame("nonsense", request, error)
                outcome.unanswered(request, error, Quality.BAD_COMMUNICATION_ERROR)
            except DeviceError as error:
                down = isinstance(error, LineDown)
                self._silences[request] += not down
                outcome.blame("line down" if down else "timeout", request, error)
                for lost in (request, *todo):
                    outcome.unanswered(lost, error, Quality.BAD_NOT_CONNECTED if down else Quality.BAD_TIMEOUT)
                break
        if self._absent and (lacking := self._channels_due(tick) - frozenset(outcome.readings.channels)):
            outcome.readings += _bad(lacking, Quality.BAD_CONFIGURATION_ERROR)
        if outcome.answered:
            if self._device.slower.keys().isdisjoint(outcome.lost):  # else they would wait for their next slot
                self._read_at(tick)
            self._learn(splits, answered, tick)
        return outcome

    async def probe(self, line: Line, timeout: float) -> Outcome:
        """Whether the device answers one request. Its values are not kept: its tick has been answered for already."""
        outcome = Outcome(requests=1)
        request = min(self._plan(self._all_periods), key=self._silences.__getitem__)
        try:
            await self._ask(line, request, timeout)
            outcome.answered = True
        except Refused:
            outcome.answered = True
        except DeviceError as error:
            self._silences[request] += 1
            outcome.error = error
        return outcome

    async def read_channel(self, line: Line, channel: int, timeout: float) -> Reading:
        """One channel. Raises DeviceError."""
        points = [point for point in self._device.model.points if point.channel == channel]
        (request,) = planner.plan(points, self._device.model.limits)
        (reading,) = await self._ask(line, request, timeout)
        return reading

    @property
    def learned(self) -> Learned:
        return replace(self._learned, turnaround_ms=self._turnaround.learned)

    @property
    def predicted_ms(self) -> float:
        """How long a poll of all channels takes, by what is known of line and device."""
        return self._takes_ms(self._plan(self._all_periods))

    @property
    def requests(self) -> int:
        """How many a poll of all channels takes."""
        return len(self._plan(self._all_periods))

    def rehearse(self, line: Line, tick: int) -> float:
        """As if it had been read at `tick`: how long that takes, in ms."""
        self._reckon(line)
        plan = self._plan(self._due(tick))
        self._read_at(tick)
        return self._takes_ms(plan)

    def _takes_ms(self, plan: Iterable[Request]) -> float:
        return sum(self._cost(request.span.space).of(request.span) for request in plan)

    def _due(self, tick: int) -> frozenset[int]:
        """The periods in which the last reading lies further back than `tick` does."""
        if not self._device.slower:
            return self._all_periods
        return frozenset(period for period in self._all_periods if tick // period != self._slots.get(period))

    def _read_at(self, tick: int) -> None:
        for period in self._device.slower.values():
            self._slots[period] = tick // period

    def _channels_due(self, tick: int) -> frozenset[int]:
        """Of those that the device lacks."""
        due = self._due(tick)
        return frozenset(channel for channel in self._absent if self._period_of(channel) in due)

    def _period_of(self, channel: int) -> int:
        return self._device.slower.get(channel, self._device.period_ms)

    def _reckon(self, line: Line) -> None:
        """Plans anew where the device turned out to think longer, or less long, than was planned for; on a line where
        addresses cost nothing that changes no plan."""
        if self._learning is not None and (measured := self._learning.turnaround_ms(self._device.unit)) is not None:
            self._turnaround.learned = measured
        thinks = self._turnaround.expected
        if line is not self._met:
            self._met, self._wire, self._takes_many = line, None, takes_many(line)
            self._learning = line if isinstance(line, Learning) else None
        if self._wire is not None:
            moved = abs(thinks - self._planned_for)
            if not self._addresses_cost or moved < max(REPLAN_MS, REPLAN_AT * self._planned_for):
                return
        if not isinstance(line, Timed):
            return
        spaces = {point.space for point in self._device.model.points}
        self._wire = {space: line.cost(self._device.unit, space) for space in spaces}
        self._addresses_cost = any(cost.address for cost in self._wire.values())
        self._planned_for = thinks
        self._plans.clear()

    def _cost(self, space: str) -> Cost:
        """What a request takes, from its first byte to the answer's last."""
        if self._wire is None:
            return FEWEST
        wire = self._wire[space]
        return Cost(wire.request + self._planned_for, wire.address)

    def _plan(self, periods: frozenset[int]) -> tuple[Request, ...]:
        found = self._plans.get(periods)
        if found is None:
            found = self._plans[periods] = tuple(self._make_plan(periods))
        return found

    def _make_plan(self, periods: frozenset[int]) -> Iterable[Request]:
        """What may be absent stands alone, so that its refusal is nobody else's. A device that lacks all that it was
        ever asked for is asked for the first of it: it is never given up."""
        model = self._device.model
        due = [point for point in model.points if self._period_of(point.channel) in periods]
        present = [point for point in due if point.channel not in self._absent] or due[:1]
        doubtful = [point for point in present if point[:3] in self._asked_apart]
        sure = [point for point in present if point[:3] not in self._asked_apart]
        yield from planner.plan(sure, model.limits, self._cost, self._learned.barriers)
        for place in dict.fromkeys(point[:3] for point in doubtful):
            yield from planner.plan([point for point in doubtful if point[:3] == place], model.limits, self._cost)

    def _ask_again(self, tick: int) -> None:
        """For one of the places that it lacked, apart from all others."""
        channel = sorted(self._absent)[self._turn % len(self._absent)]
        self._again = next(point[:3] for point in self._device.model.points if point.channel == channel)
        self._again_at, self._turn = tick + AGAIN_MS, self._turn + 1
        self._doubt(frozenset((self._again,)))

    def _doubt(self, places: frozenset[Place]) -> None:
        """Whether it lacks these is asked at the next tick."""
        self._asked_apart |= places
        self._absent -= {point.channel for point in self._device.model.points if point[:3] in places}
        self._plans.clear()

    def _learn(self, splits: list[Split], requests: list[Request], tick: int) -> None:
        """What this poll taught stays: for this run, and for others of the kind by whoever asks for `learned`. Who has
        one of the places that he lacked before may have all of them."""
        lacked = (self._absent or self._again) and any(
            request.points[0].channel in self._absent or request.points[0][:3] == self._again for request in requests
        )
        if not splits and not self._asked_apart and not lacked:
            return
        answered = set(requests)
        learned = conclude(self._learned, splits, answered.__contains__)
        there = {point[:3] for request in answered for point in request.points}
        self._learned = replace(learned, absent=learned.absent - there)
        self._asked_apart -= there | {point[:3] for split in splits for point in split.request.points}
        refused = {point.channel for split in splits if not split.parts for point in split.request.points}
        if refused and not self._absent:
            self._again_at = tick + AGAIN_MS
        self._absent |= refused
        if lacked:
            self._again = None
            self._doubt(frozenset(point[:3] for point in self._device.model.points if point.channel in self._absent))
        self._plans.clear()

    def _by_silence(self, plan: tuple[Request, ...], outcome: Outcome) -> list[Request]:
        """The plan, what was answered last time first; without what has long been silent while others were answered."""
        order = sorted(plan, key=self._silences.__getitem__)
        if self._silences[order[0]] or self._polls % SILENT_EVERY == 0:
            return order
        for request in order:
            if self._silences[request] >= SILENCES:
                outcome.readings += _bad(request.channels, Quality.BAD_TIMEOUT)
        return [request for request in order if self._silences[request] < SILENCES]

    async def _ask(self, line: Reads, request: Request, timeout: float) -> Readings:
        """The readings of the request's own points. Raises DeviceError."""
        clock = asyncio.get_running_loop().time
        began = clock()
        raw = await line.read(self._device.unit, request.span, timeout)
        took_ms = (clock() - began) * 1000
        self._latency.add(took_ms)
        if self._wire is not None and self._learning is None:
            self._turnaround.heard(took_ms - self._wire[request.span.space].of(request.span))
        readings = self._device.model.decode(request.span, raw)
        if len(readings) == len(request.points):
            return readings
        channels = request.channels
        return Readings.of(reading for reading in readings if reading.channel in channels)


def _bad(channels: Iterable[int], quality: Quality) -> Readings:
    return Readings.of(Reading(channel, None, quality) for channel in channels)
