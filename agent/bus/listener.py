"""The one task that hears devices which report of themselves: each when it likes, with the age of what it measured.

A reading's tick is the moment of its measurement, not of its arrival. What arrives twice is taken once. No tick of a
silent device is answered for: it may yet send what it measured meanwhile, and the pipeline takes nothing that is older
than what it has.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from agent.bus.alarm import Alarm
from agent.bus.counters import BusCounters, DeviceCounters, Utilisation
from agent.bus.device import Device
from agent.bus.health import MAX_BACKOFF_MS, Change, backoff_ms
from agent.bus.owner import LONGEST_SLEEP_MS, OPEN_TIMEOUT_S, Sink
from agent.bus.quiet import RateLimit, more
from agent.bus.silence import Silence
from agent.clock import boottime_ms
from drivers.base import Described, LineDown, Listener, Nonsense, NotSent, Reading, Report, Stranger, Unit, Unreachable

log = logging.getLogger(__name__)

REMEMBERED = 64  # reports of one device: a sender repeats its last few, not those of yesterday
# An axis reaches 24 days from its batch's t0 (protocols.edge.columns), and one batch may hold old and new.
OLDEST_MS = 20 * 86_400_000


class ListeningBus:
    """To the rest of the gateway what agent.bus.owner.Bus is; nothing on it can be written."""

    def __init__(
        self,
        name: str,
        listener: Listener,
        devices: Sequence[Device[Described]],
        sink: Sink,
        on_change: Callable[[Change], None],
        alarm: Alarm | None = None,
    ) -> None:
        now = boottime_ms()
        self.name = name
        self.devices = tuple(devices)
        self.is_open = False
        self.fault = ""  # why nothing is heard
        self.counters = BusCounters(devices=tuple(DeviceCounters() for _ in devices))
        self.utilisation = Utilisation(now)
        self.health = Silence([device.period_ms for device in devices], now)
        self._listener = listener
        self._sink = sink
        self._on_change = on_change
        self._alarm = alarm or Alarm()
        self._quiet = RateLimit()
        self._opened_at = now
        self._watcher: asyncio.Future[None] | None = None
        self._places: dict[Unit, int] = {device.unit: place for place, device in enumerate(devices)}
        self._known: list[deque[bytes]] = [deque(maxlen=REMEMBERED) for _ in devices]

    async def run(self) -> None:
        """Never returns; cancelled to end. The listener is closed however it ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            await self._listen()

    async def write(self, device: int, channel: int, value: Decimal) -> Reading:  # noqa: ARG002
        raise NotSent(f"{self._name_of(device)} reports of itself and takes no commands")

    async def read_back(self, device: int, channel: int) -> Reading:  # noqa: ARG002
        raise Unreachable(f"{self._name_of(device)} reports of itself and cannot be asked")

    def retire(self) -> None:
        """Nobody waits here for anything."""

    def _name_of(self, index: int) -> str:
        return next((device.name for device in self.devices if device.index == index), "the device")

    async def _listen(self) -> None:
        attempt = 0
        while True:
            try:
                await self._open()
                while True:
                    await self._hear()
            except LineDown as error:
                held = self.is_open and boottime_ms() - self._opened_at > MAX_BACKOFF_MS
                attempt = 1 if held else attempt + 1
                self._failed(str(error), attempt)
            finally:
                self.is_open = False
                await self._listener.close()
            await asyncio.sleep(backoff_ms(attempt) / 1000)

    async def _open(self) -> None:
        """Raises LineDown."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._listener.open()
        except TimeoutError:
            raise LineDown(f"did not open within {OPEN_TIMEOUT_S:g} s") from None
        self._opened_at = boottime_ms()
        self.is_open, self.fault = True, ""
        self.counters.opened += 1
        self.health.listening_again(self._opened_at)
        self._look_again()
        if self._quiet.admit("open", self._opened_at) is not None:
            log.info("bus %s: listening", self.name)

    def _failed(self, cause: str, attempt: int) -> None:
        self.fault = cause
        if (kept := self._quiet.admit("line", boottime_ms())) is not None:
            pause = backoff_ms(attempt) / 1000
            log.warning("bus %s: %s; opened again in %.1f s%s", self.name, cause, pause, more(kept))

    async def _hear(self) -> None:
        """One report, or one that cannot be used. Raises LineDown."""
        try:
            report = await self._listener.next()
        except Stranger as error:
            self.counters.strangers += 1
            self._complain("stranger", str(error))
            return
        except Nonsense as error:
            self.counters.nonsense += 1
            self._complain("nonsense", str(error))
            return
        self.counters.requests += 1
        self._take(self._places[report.unit], report)

    def _take(self, place: int, report: Report) -> None:
        now = boottime_ms()
        if (change := self.health.heard(place, now)) is not None:
            self._report(change)
            self._look_again()
        known, counters = self._known[place], self.counters.devices[place]
        if report.identity in known:
            self.counters.repeats += 1
            return
        known.append(report.identity)
        counters.polls += 1
        for age_ms, readings in sorted(report.moments, key=lambda moment: -moment[0]):
            if age_ms > OLDEST_MS:
                self.counters.nonsense += 1
                self._complain("nonsense", f"{self.devices[place].name}: a reading of {age_ms // 86_400_000} days ago")
                continue
            tick = now - age_ms
            counters.values += len(readings) - readings.values.count(None)
            counters.last_tick = tick if counters.last_tick is None else max(tick, counters.last_tick)
            self._sink.add(self.devices[place].index, tick, readings)

    async def _watch(self) -> None:
        """Tells of devices that fall silent, while anything can be heard at all."""
        while True:
            now = boottime_ms()
            for change in self.health.fallen(now) if self.is_open else ():
                self._report(change)
            wake_at = now + LONGEST_SLEEP_MS
            if self.is_open and (due := self.health.next_at()) is not None:
                wake_at = min(wake_at, due)
            self._watcher = asyncio.get_running_loop().create_future()
            self._alarm.wake(self._watcher, max(wake_at, now + 1), now)
            await self._watcher

    def _look_again(self) -> None:
        """There is a device more that may fall silent."""
        if self._watcher is not None and not self._watcher.done():
            self._watcher.set_result(None)

    def _report(self, change: Change) -> None:
        device = self.devices[change.device]
        if change.reachable:
            log.info("bus %s: %s (%s, unit %s) reports again", self.name, device.name, device.code, device.unit)
        else:
            log.warning(
                "bus %s: %s (%s, unit %s) has fallen silent: %s",
                *(self.name, device.name, device.code, device.unit, change.detail),
            )
        self._on_change(change._replace(device=device.index))

    def _complain(self, cause: str, detail: str) -> None:
        if (kept := self._quiet.admit(cause, boottime_ms())) is not None:
            log.warning("bus %s: %s%s", self.name, detail, more(kept))
