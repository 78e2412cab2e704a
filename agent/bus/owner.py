"""The one task that uses a line: opens it, reads what is due, writes what is asked, and answers for every tick.

What a device does not answer becomes a Bad quality at the tick, a count and a line in the log; it never ends the task.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from agent.bus.alarm import Alarm
from agent.bus.counters import BusCounters, DeviceCounters, Utilisation
from agent.bus.device import Device, Outcome, Reader
from agent.bus.health import MAX_BACKOFF_MS, Change, Health, backoff_ms
from agent.bus.learned import NOTHING, Learned
from agent.bus.quiet import RateLimit, more
from agent.bus.schedule import Due, Schedule
from agent.clock import boottime_ms
from drivers.base import DeviceError, Line, LineDown, Model, NotSent, Reading, Readings, Unreachable
from protocols.quality import Quality

log = logging.getLogger(__name__)

CAUSES = ("timeout", "nonsense", "refused", "line down")
OPEN_TIMEOUT_S = 10.0
REOPEN_MS = 30_000
LONGEST_SLEEP_MS = 60_000


class Sink(Protocol):
    """Where readings go: agent.pipeline."""

    def add(self, device: int, tick: int, readings: Readings) -> None: ...

    def missed(self, device: int, tick: int, quality: int) -> None: ...


class Guest(Protocol):
    """Who may use the line while nobody else wants it: agent.diagnosis.polite."""

    def wake_at(self, now: int, idle_until: int | None) -> int | None: ...

    async def ask(self) -> None: ...


class _Job(NamedTuple):
    """What someone waits for; a `value` is written before the channel is read."""

    device: int
    channel: int
    value: Decimal | None
    done: asyncio.Future[Reading]


class Bus:
    """`on_change` is told of every device that stops or begins to answer; Change.device is its `Device.index`.
    `on_fault` is told when one that answers begins or ceases to do so with faults. `on_complaint` is told of each
    fault: of which device of this bus (None: of the line), its cause, what happened.

    Buses that share an `alarm` wake together.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        devices: Sequence[Device[Model]],
        timeout_s: float,
        sink: Sink,
        on_change: Callable[[Change], None],
        alarm: Alarm | None = None,
        on_fault: Callable[[], None] = lambda: None,
        recall: Callable[[Model], Learned] = lambda _: NOTHING,
        on_complaint: Callable[[int | None, str, str], None] = lambda *_: None,
    ) -> None:
        now = boottime_ms()
        self.name = name
        self.devices = tuple(devices)
        self.is_open = False
        self.fault = ""  # why the line is not open
        self.counters = BusCounters(devices=tuple(DeviceCounters() for _ in devices))
        self.utilisation = Utilisation(now)
        self.health = Health(len(devices), now)
        self._line = line
        self._timeout_s = timeout_s
        self._sink = sink
        self._on_change = on_change
        self._on_fault = on_fault
        self._alarm = alarm or Alarm()
        self._on_complaint = on_complaint
        self._guest: Guest | None = None
        self._readers = [
            Reader(device, recall(device.model), counters.latency)
            for device, counters in zip(devices, self.counters.devices, strict=True)
        ]
        self._recall = recall
        self._schedule = _schedule_of(devices, now)
        self._places = _places_of(devices)
        self._next: tuple[tuple[Device[Model], ...], Callable[[int | None, str, str], None]] | None = None
        self._retired = False
        self._jobs: deque[_Job] = deque()
        self._sleeper: asyncio.Future[None] | None = None
        self._quiet = RateLimit()
        self._opened_at = now

    async def run(self) -> None:
        """Never returns; cancelled to end. The line is closed however it ends."""
        attempt = 0
        while True:
            try:
                await self._open()
                await self._serve()
            except LineDown as error:
                held = self.is_open and boottime_ms() - self._opened_at > MAX_BACKOFF_MS
                attempt = 1 if held else attempt + 1
                self._line_failed(str(error), attempt)
            finally:
                self.is_open = False
                await self._line.close()
            await self._sit_out(boottime_ms() + backoff_ms(attempt))

    def exchange(self, devices: Sequence[Device[Model]], on_complaint: Callable[[int | None, str, str], None]) -> None:
        """From the next moment on at which nothing is under way, these are its devices; the line stays open. Those
        whose index is here already go on: their ticks, their health, their counters and what they taught."""
        self._next = tuple(devices), on_complaint
        if self._sleeper is not None:
            _wake(self._sleeper)

    def retire(self) -> None:
        """Nobody runs it any more: whoever waits, or asks later, is told so."""
        self._retired = True
        while self._jobs:
            _fail(self._jobs.popleft(), self._gone())

    def _gone(self) -> NotSent:
        return NotSent(f"bus {self.name}: the gateway's configuration has changed")

    def _exchange(self) -> None:
        if self._next is None:
            return
        (devices, self._on_complaint), self._next = self._next, None
        now, stood = boottime_ms(), self._places
        places = {stood[device.index]: place for place, device in enumerate(devices) if device.index in stood}
        old = dict(enumerate(zip(self.counters.devices, self._readers, strict=True)))
        kept = {place: old[was] for was, place in places.items()}
        counters = tuple(kept[place][0] if place in kept else DeviceCounters() for place in range(len(devices)))
        self._readers = [
            kept[place][1] if place in kept else Reader(device, self._recall(device.model), counters[place].latency)
            for place, device in enumerate(devices)
        ]
        health, self.health = self.health, Health(len(devices), now)
        self.health.go_on(health, places)
        schedule, self._schedule = self._schedule, _schedule_of(devices, now)
        self._schedule.go_on(schedule, places)
        self.devices, self.counters.devices, self._places = devices, counters, _places_of(devices)
        self._quiet = RateLimit()  # it goes by place
        log.info("bus %s: %d devices, of which %d go on as before", self.name, len(devices), len(places))

    def learned(self) -> Iterator[tuple[Model, Learned]]:
        """What each device taught of its kind."""
        return ((device.model, reader.learned) for device, reader in zip(self.devices, self._readers, strict=True))

    async def write(self, device: int, channel: int, value: Decimal) -> Reading:
        """Writes, reads back and returns what was read, ahead of all polling. `device` is its index.

        Raises NotSent where nothing went out; after any other DeviceError the write may have happened.
        """
        return await self._ask(device, channel, value)

    async def read_back(self, device: int, channel: int) -> Reading:
        """One channel, read now and ahead of all polling. Raises DeviceError."""
        return await self._ask(device, channel, None)

    def invite(self, guest: Guest) -> None:
        """It has a wish. There is one guest of a bus."""
        self._guest = guest
        if self._sleeper is not None:
            _wake(self._sleeper)

    async def _ask(self, device: int, channel: int, value: Decimal | None) -> Reading:
        if self._retired:
            raise self._gone()
        job = _Job(device, channel, value, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._sleeper is not None:
            _wake(self._sleeper)
        return await job.done

    async def _open(self) -> None:
        """Raises LineDown. Ticks and jobs are answered for while a peer that is not there lets us wait."""
        failure = ""
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(self._sit_out())
            try:
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await self._line.open()
            except Unreachable as error:
                failure = str(error)
            except TimeoutError:
                failure = f"did not open within {OPEN_TIMEOUT_S:g} s"
            finally:
                waiting.cancel()
        if failure:
            raise LineDown(failure)
        self._opened_at = boottime_ms()
        self.is_open, self.fault = True, ""
        self.counters.opened += 1
        self.health.line_returned(self._opened_at)
        if self._quiet.admit("open", self._opened_at) is not None:
            log.info("bus %s: open", self.name)

    def _line_failed(self, cause: str, attempt: int) -> None:
        self.fault = cause
        self._on_complaint(None, "line down", cause)
        now = boottime_ms()
        if (kept := self._quiet.admit("line", now)) is not None:
            pause = backoff_ms(attempt) / 1000
            log.warning("bus %s: %s; opened again in %.1f s%s", self.name, cause, pause, more(kept))

    async def _serve(self) -> None:
        """Reads and writes until the line is down (LineDown)."""
        timeout_ms = round(self._timeout_s * 1000)
        while True:
            self._exchange()
            if self._jobs:
                began = boottime_ms()
                try:
                    await self._execute_jobs()
                finally:
                    self.utilisation.add(began, boottime_ms())
            now = boottime_ms()
            probe = self.health.next_probe(now, self._schedule.next_at(), timeout_ms)
            if probe is not None:
                await self._probe(probe)
            elif (due := self._schedule.pop(now, self._takes_ms)) is not None:
                await self._poll(due, now)
            else:
                await self._rest(now)

    async def _rest(self, now: int) -> None:
        """Until something is due; a guest may use the line meanwhile."""
        next_at = self._schedule.next_at()
        guest_at = None if self._guest is None else self._guest.wake_at(now, next_at)
        if self._guest is not None and guest_at is not None and guest_at <= now:
            await self._guest.ask()
        else:
            await self._sleep(now, next_at, self.health.next_probe_at(now), guest_at)

    async def _sit_out(self, until: int | None = None) -> None:
        """Answers for ticks and jobs while the line is not open."""
        while (now := boottime_ms()) and (until is None or now < until):
            self._exchange()
            while self._jobs:
                _fail(self._jobs.popleft(), NotSent(f"bus {self.name} is not open: {self.fault or 'not yet'}"))
            if (due := self._schedule.pop(now)) is not None:
                counters = self.counters.devices[due.device]
                counters.missed += due.missed
                counters.errors["line down"] += 1
                self._sink.missed(self.devices[due.device].index, due.tick, Quality.BAD_NOT_CONNECTED)
                self._report(self.health.failed(due.device, now, self.fault))
            else:
                await self._sleep(now, self._schedule.next_at(), until)

    async def _sleep(self, now: int, *moments: int | None) -> None:
        """Until the first of `moments`, or until someone asks for a write."""
        wake_at = now + LONGEST_SLEEP_MS
        for moment in moments:
            if moment is not None and moment < wake_at:
                wake_at = moment
        sleeper = self._sleeper = asyncio.get_running_loop().create_future()
        self._alarm.wake(sleeper, wake_at, now)
        try:
            await sleeper
        finally:
            self._sleeper = None

    async def _poll(self, due: Due, now: int) -> None:
        device, counters = self.devices[due.device], self.counters.devices[due.device]
        if due.missed:
            self._overrun(due)
        if not self.health.devices[due.device].reachable:
            self._sink.missed(device.index, due.tick, Quality.BAD_NO_COMMUNICATION)
            return
        counters.polls += 1
        outcome = await self._readers[due.device].read(self._line, self._timeout_s, due.tick, self._execute_jobs)
        if outcome.answered:
            readings = outcome.readings
            counters.values += len(readings) - readings.values.count(None)
            counters.last_tick = due.tick
            self._sink.add(device.index, due.tick, readings)
        else:
            self._sink.missed(device.index, due.tick, outcome.quality)
        counters.recent.add(bool(outcome.faults))
        for cause, detail in outcome.faults:
            self._complain(due.device, cause, detail)
        self._judge(due.device, outcome, now, boottime_ms())

    async def _probe(self, device: int) -> None:
        started = boottime_ms()
        outcome = await self._readers[device].probe(self._line, self._timeout_s)
        ended = boottime_ms()
        if outcome.answered:
            self._readers[device].start_over()
        else:
            self.health.probed(started, ended)
        self._judge(device, outcome, started, ended)

    def _judge(self, device: int, outcome: Outcome, started: int, ended: int) -> None:
        """What an outcome says of device and line. Raises LineDown."""
        self.counters.requests += outcome.requests
        self.utilisation.add(started, ended)
        if outcome.answered:
            fault = outcome.faults[-1][1] if outcome.faults else ""
            self._report(self.health.answered(device, ended, fault))
        else:
            self._report(self.health.failed(device, ended, str(outcome.error)))
        if isinstance(outcome.error, LineDown):
            raise outcome.error
        if not self.health.any_reachable and ended - self._opened_at > REOPEN_MS:
            # A half-open connection or a wedged adapter gives no error: it only never answers again.
            raise LineDown("nothing on it answers; opening it again")

    def _takes_ms(self, device: int) -> float:
        return self._readers[device].predicted_ms

    async def _execute_jobs(self) -> None:
        """Writes go ahead of reads, between any two requests. Raises LineDown."""
        while self._jobs:
            await self._execute(self._jobs.popleft())

    async def _execute(self, job: _Job) -> None:
        """Raises LineDown, which whoever asked is told as well."""
        if job.done.cancelled():
            return
        place = self._places.get(job.device)
        if place is None:
            _fail(job, self._gone())
            return
        device = self.devices[place]
        try:
            if job.value is None:
                reading = await self._readers[place].read_channel(self._line, job.channel, self._timeout_s)
            else:
                self.counters.writes += 1
                reading = await self._line.write(device.unit, device.model, job.channel, job.value, self._timeout_s)
        except DeviceError as error:
            _fail(job, error)
            if isinstance(error, LineDown):
                raise
        except asyncio.CancelledError:
            _fail(job, Unreachable(f"bus {self.name}: stopped in the midst of it"))
            raise
        except Exception as error:
            _fail(job, error)
            raise
        else:
            if not job.done.done():
                job.done.set_result(reading)

    def _report(self, change: Change | None) -> None:
        if self.health.fault_news():
            self._on_fault()
        if change is None:
            return
        device = self.devices[change.device]
        if change.reachable:
            for cause in CAUSES:
                self._quiet.forget((change.device, cause))
            log.info("bus %s: %s (%s, unit %s) answers again", self.name, device.name, device.code, device.unit)
        else:
            log.warning(
                "bus %s: %s (%s, unit %s) is unreachable: %s",
                *(self.name, device.name, device.code, device.unit, change.detail),
            )
        self._on_change(change._replace(device=device.index))

    def _overrun(self, due: Due) -> None:
        self.counters.devices[due.device].missed += due.missed
        if (kept := self._quiet.admit("overrun", boottime_ms())) is not None:
            name = self.devices[due.device].name
            log.warning("bus %s: too slow for its devices: %s lost %d ticks%s", self.name, name, due.missed, more(kept))

    def _complain(self, device: int, cause: str, detail: str) -> None:
        """Counts a fault and logs it, at most once a minute for each device and cause."""
        one = self.devices[device]
        self.counters.devices[device].errors[cause] += 1
        self._on_complaint(device, cause, detail)
        kept = self._quiet.admit((device, cause), boottime_ms())
        if kept is not None:
            log.warning("bus %s: %s (%s, unit %s): %s%s", self.name, one.name, one.code, one.unit, detail, more(kept))


def _schedule_of(devices: Sequence[Device[Model]], now: int) -> Schedule:
    return Schedule([device.period_ms for device in devices], now, [device.priority for device in devices])


def _places_of(devices: Sequence[Device[Model]]) -> dict[int, int]:
    return {device.index: place for place, device in enumerate(devices)}


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _fail(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
