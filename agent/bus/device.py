"""Asking one device for all it has: which spans, what their answers mean, and what it turned out to lack."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agent.bus import planner
from agent.bus.planner import Request
from drivers.base import (
    NO_READINGS,
    Described,
    DeviceError,
    Line,
    LineDown,
    Model,
    Nonsense,
    Reading,
    Readings,
    Refused,
    Unit,
)
from protocols.quality import Quality

ILLEGAL_ADDRESS = 2  # MODBUS Application Protocol 1.1b3, 7; drivers of other families give the same code
SILENCES = 3  # in a row, from a device that answers other requests: what it does not know, it may not even refuse
SILENT_EVERY = 20  # polls: how often that is asked again, so that it costs the others on the line next to nothing


M = TypeVar("M", bound=Described, covariant=True)


@dataclass(frozen=True)
class Device(Generic[M]):
    """`index` is the device's place in the pipeline and in the birth."""

    index: int
    code: str
    name: str
    unit: Unit
    period_ms: int
    model: M


@dataclass
class Outcome:
    """What asking gave. `quality` and `error` are of the last request without an answer.

    `faults` are (cause, what happened) for counters and log; `requests` counts what went out.
    """

    readings: Readings = NO_READINGS
    answered: bool = False  # by at least one answer, be it a refusal
    quality: Quality = Quality.GOOD
    error: DeviceError | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0

    def unanswered(self, request: Request, error: DeviceError, quality: Quality) -> None:
        self.readings += _bad(request.channels, quality)
        self.error, self.quality = error, quality

    def blame(self, cause: str, request: Request, error: DeviceError) -> None:
        span = request.span
        self.faults.append((cause, f"{span.space} {span.address} to {span.address + span.length - 1}: {error}"))


class Reader:
    """The plan for one device. Addresses that it refuses leave the plan, so that their neighbours keep their values.

    What was met with silence goes last the next time, so that one such request does not make the device look dead.
    """

    def __init__(self, device: Device[Model]) -> None:
        self._device = device
        self.start_over()

    def start_over(self) -> None:
        """It may be another device now: what the old one lacked is asked for again."""
        self._plan = planner.plan(self._device.model.points, self._device.model.limits)
        self._absent: frozenset[int] = frozenset()
        self._silences: Counter[Request] = Counter()  # in a row; none for a request that was answered
        self._polls = 0

    async def read(self, line: Line, timeout: float) -> Outcome:
        """Every channel, each with a value or the reason for none.

        The first silence ends it, since the next request would only cost another timeout.
        """
        outcome = Outcome()
        self._polls += 1
        todo = deque(self._plan if not self._silences else self._by_silence(outcome))
        while todo:
            request = todo.popleft()
            outcome.requests += 1
            try:
                outcome.readings += await self._ask(line, request, timeout)
                outcome.answered = True
                if self._silences:
                    self._silences.pop(request, None)
            except Refused as error:
                outcome.answered = True
                self._silences.pop(request, None)
                smaller = self._learn(request) if error.code == ILLEGAL_ADDRESS else ()
                todo.extendleft(reversed(smaller))
                if not smaller:
                    outcome.blame("refused", request, error)
                    outcome.readings += self._refused(request, error)
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
        if self._absent:
            outcome.readings += _bad(self._absent, Quality.BAD_CONFIGURATION_ERROR)
        return outcome

    async def probe(self, line: Line, timeout: float) -> Outcome:
        """Whether the device answers one request. Its values are not kept: its tick has been answered for already."""
        outcome = Outcome(requests=1)
        request = min(self._plan, key=self._silences.__getitem__)
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

    def _by_silence(self, outcome: Outcome) -> list[Request]:
        """The plan, what was answered last time first; without what has long been silent while others were answered."""
        order = sorted(self._plan, key=self._silences.__getitem__)
        if self._silences[order[0]] or self._polls % SILENT_EVERY == 0:
            return order
        for request in order:
            if self._silences[request] >= SILENCES:
                outcome.readings += _bad(request.channels, Quality.BAD_TIMEOUT)
        return [request for request in order if self._silences[request] < SILENCES]

    async def _ask(self, line: Line, request: Request, timeout: float) -> Readings:
        """The readings of the request's own points. Raises DeviceError."""
        raw = await line.read(self._device.unit, request.span, timeout)
        readings = self._device.model.decode(request.span, raw)
        if len(readings) == len(request.points):
            return readings
        channels = request.channels
        return Readings.of(reading for reading in readings if reading.channel in channels)

    def _learn(self, request: Request) -> tuple[Request, ...]:
        """The smaller requests that replace one of which the device lacks an address; they stay for this run.

        What cannot be made smaller is asked no more, but for the last request of all: a device is never given up.
        """
        smaller = planner.split(request)
        if smaller or len(self._plan) > 1:
            at = self._plan.index(request)
            self._plan = (*self._plan[:at], *smaller, *self._plan[at + 1 :])
            if not smaller:
                self._absent |= request.channels
        return smaller

    def _refused(self, request: Request, error: Refused) -> Readings:
        if request.channels <= self._absent:
            return NO_READINGS  # answered for with all that is absent
        absent = error.code == ILLEGAL_ADDRESS
        return _bad(request.channels, Quality.BAD_CONFIGURATION_ERROR if absent else Quality.BAD_DEVICE_FAILURE)


def _bad(channels: Iterable[int], quality: Quality) -> Readings:
    return Readings.of(Reading(channel, None, quality) for channel in channels)
