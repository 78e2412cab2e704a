"""The gateway process: makes every part, runs them in one task group, and drains them.

A bus or the uplink that fails with an error nobody foresaw is logged and started again; the others do not notice. On
the way out the last readings are committed and the server is told that the gateway goes.
"""

import asyncio
import fcntl
import gc
import hashlib
import logging
import os
import select
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import clock, control, metrics, report, site
from agent.bus.alarm import Alarm
from agent.bus.device import Device
from agent.bus.health import Change, backoff_ms
from agent.bus.listener import ListeningBus
from agent.bus.memory import Memory
from agent.bus.owner import Bus
from agent.bus.quiet import RateLimit
from agent.commands import Executor
from agent.config import read_key, read_password
from agent.configuration import boot
from agent.configuration.change import Changer
from agent.configuration.diff import Diff, Fate
from agent.configuration.remote import Remote
from agent.diagnosis.desk import Desk
from agent.pipeline import Pipeline
from agent.settings import BusConfig, Config, UplinkConfig
from agent.site import Site, make_line, make_listener, memory_file, rules_file
from agent.spool import DiskRefused, Row, Spool, SpoolInUse, SpoolRefused
from agent.uplink import KINDS, Broker, Uplink, Way
from agent.version import version
from agent.wording import detail
from drivers.base import Active, Family, Line, Readings, ReportingFamily
from protocols.edge import cose
from protocols.edge.birth import decode_description
from protocols.edge.burst import Waveform
from protocols.edge.messages import Batch, Birth, Burst, Command, DeviceHealth, Event, Origin, Scalar, Spooled, State
from protocols.rules import Rule

if TYPE_CHECKING:
    from agent.inference.runner import Models
    from agent.pipeline.inferred import Verdict
    from agent.rules.engine import Engine
    from agent.rules.recorder import Recorder

log = logging.getLogger(__name__)

# A batch is on disk 0.85 s after its first reading: a SIGKILL costs less than the last second. And no multiple of the
# usual periods, or each flush would come upon the middle of a tick: devices are filtered abreast that are at the same.
FLUSH_S = 0.75
CLOCK_S = 5.0
DROPS_S, LONGEST_DROPS_S = 30.0, 86_400.0
MEMORY_S = 300.0  # what was learned in less is learned again
DRAIN_S = 4.0  # for what reads, and again for what sends, to end
INSIST_S = 1.5  # longer than the uplink's farewell
STOP_S = 10.0  # from the signal to the end of the process, whatever hangs
CALM_MS = 60_000
CAPTURED_SHARE = 8  # of the spool's quota all bursts together take an eighth at most
REPORT_S = 1.0
INFO, WARNING = 0, 2  # severities of events
FAILED = 1  # exit status


class CannotRun(Exception):
    """Another process works in this data directory, or its disk takes nothing: at the start, or what was left."""


class Agent:
    """`await Agent(site, catalog, key, password).run(stop)` returns once `stop` is set and all is drained."""

    def __init__(self, site: Site, catalog: Mapping[str, Family | ReportingFamily], key: bytes, password: str) -> None:
        settings = site.config
        catalog = {**catalog, **settings.outsiders}
        self.site = site
        self.gateway = settings.gateway.code
        self.data_dir = settings.gateway.data_dir
        self.boot = clock.boot_id()
        self.version = version()
        self.started_ms = clock.boottime_ms()
        self.clock = clock.SystemClock()
        self.pipeline = Pipeline(site.plans)
        self.memory = Memory(memory_file(settings))
        self.desk = Desk(settings)
        self.crashes: Counter[str] = Counter()  # by task
        self._catalog, self._alarm = catalog, Alarm()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._beside: dict[str, Callable[[], Awaitable[object]]] = {}  # what buses and uplink stand on, by name
        self._lines: dict[str, Line] = {}  # by bus
        self.buses = tuple(
            self._make_bus(bus, devices) for bus, devices in zip(settings.buses, site.devices, strict=True)
        )
        self.spool = Spool(self.data_dir / "spool.db", settings.spool.quota_bytes)
        ways = [
            self._way_up(number, link, password if number == 0 else read_password(link))
            for number, link in enumerate((settings.uplink, *settings.uplink.others))
        ]
        self.uplink = Uplink(
            gateway=self.gateway,
            keys={cose.key_id(key): key},
            spool=self.spool,
            state=self._state,
            origin=self._origin,
            on_command=self._on_command,
            on_desired=lambda desired: self.desired.take(desired),
            broker=ways[0].broker,
            ways=ways,
            traffic_file=self.data_dir / "links.json",
        )
        self.executor = Executor(*(self.spool, self._numbered(), site.targets, self.now, self._origin), site.interlocks)
        self.recorder: Recorder | None = None
        self._prepare_captures(site)
        self._attach_captures()
        self.models: Models | None = None
        self._prepare_models(site)
        self.rules: Engine | None = None
        self.rules = self._make_rules()
        self._by_index = {device.index: device for bus in self.buses for device in bus.devices}
        self.configuration = Changer(self, catalog)
        self.desired = Remote(self, self.configuration)
        self._fresh = asyncio.Event()
        self._quiet = RateLimit()
        self._watch_outsiders()

    def _make_rules(self) -> "Engine | None":
        """None where no rule is: nothing is imported or looked at for them then."""
        if not self.site.config.rules:
            return None
        from agent.rules.engine import Engine
        from agent.rules.memory import RuleMemory

        described = decode_description(self.site.description)
        return Engine(
            rules=self.site.config.rules,
            channels=described.channels,
            codes=[device.code for device in described.devices],
            outward=self,
            memory=RuleMemory(rules_file(self.site.config), self.boot),
            before=None if self.rules is None else self.rules.known,
        )

    def _prepare_captures(self, after: Site) -> None:
        if self.recorder is None and after.config.rings:
            from agent.rules.recorder import Recorder

            self.recorder = Recorder(self)
        if self.recorder is not None:
            self.recorder.prepare(after)

    def _attach_captures(self) -> None:
        if self.recorder is not None:
            self.recorder.attach(self.pipeline)

    def _prepare_models(self, after: Site) -> None:
        if self.models is None and after.config.nets:
            from agent.inference.runner import Models

            self.models = Models(self)
        if self.models is not None:
            self.models.prepare(after)

    def _watch_outsiders(self) -> None:
        settings = self.site.config
        for name, family in settings.outsiders.items():
            config = repr((settings.drivers, [bus for bus in settings.buses if bus.driver == name]))
            family.watch.settle(
                self.data_dir / "drivers" / f"{name}.json",
                hashlib.sha256(config.encode()).hexdigest(),
                settings.drivers.reload,
                partial(self._driver_changed, name),
            )
            self._beside[f"driver {name}"] = family.watch.run

    def _numbered(self) -> dict[int, Bus | ListeningBus]:
        return {self.site.numbers[bus.name]: bus for bus in self.buses}

    def _make_bus(self, bus: BusConfig, devices: Sequence[Device[Any]]) -> Bus | ListeningBus:
        family = self._catalog[bus.driver]
        if isinstance(family, ReportingFamily):
            listener = make_listener(bus, family, devices)
            return ListeningBus(bus.name, listener, devices, self, self._device_changed, self._alarm)
        line = self._lines[bus.name] = make_line(bus, self._catalog, self.desk.tap(bus.name))
        if isinstance(line, Active):
            self._beside[f"line {bus.name}"] = line.run
        return Bus(
            *(bus.name, line, devices, bus.timeout_s, self, self._device_changed, self._alarm, self._fault_changed),
            recall=self.memory.recall,
            on_complaint=self.desk.complaints(bus.name, devices),
        )

    def _way_up(self, number: int, link: UplinkConfig, password: str) -> Way:
        """To a broker through the machine's network, or through the modem on that bus."""
        name = "uplink" if number == 0 else f"uplink.other[{number - 1}]"
        broker = Broker(link.host, link.port, link.tls, link.ca_file, username=self.gateway, password=password)
        policy = replace(KINDS[link.kind], budget=link.budget_bytes, windows=link.windows)
        if not link.modem:
            return Way(name, broker, policy)
        from agent.uplink.modem_tunnel import ModemTunnel
        from drivers.nbiot.line import ModemLine

        line = self._lines[link.modem]
        if not isinstance(line, ModemLine):
            raise TypeError(f"bus {link.modem} has no modem")  # agent.config has refused that
        tunnel = ModemTunnel(line.modem, broker.host, broker.port)
        self._beside[f"modem tunnel of {name}"] = tunnel.run
        return Way(name, replace(broker, reach=tunnel.reach), policy)

    async def run(self, stop: asyncio.Event) -> None:
        """Raises CannotRun, at the end as well: where the disk did not take the last messages."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _lock(self.data_dir):
                async with self.spool:
                    await self._introduce()
                    self.configuration.begin()
                    await self._work(stop)
        except (DiskRefused, SpoolInUse, OSError) as error:
            raise CannotRun(f"{self.data_dir}: {error}") from error

    def add(self, device: int, tick: int, readings: Readings) -> None:
        self.pipeline.add(device, tick, readings)
        self._fresh.set()

    def missed(self, device: int, tick: int, quality: int) -> None:
        self.pipeline.missed(device, tick, quality)
        self._fresh.set()

    def now(self) -> clock.Now:
        return self.clock.now()

    async def _introduce(self) -> None:
        """Spools the birth, unless it was sent before with these very channels."""
        self.spool.on_recovered(self._begin_anew)
        if self.spool.recovered is not None:
            self._begin_anew(self.spool.recovered)
        elif await self.spool.description(self.site.description_hash) is None:
            self._put(self._birth(), urgent=True)

    def _begin_anew(self, why: str) -> None:
        """A damaged spool was moved aside: the new one knows no birth yet."""
        self._put(self._birth(), urgent=True)
        self.tell("spool-incarnation", self.gateway, WARNING, {"detail": detail(why)})

    def _birth(self) -> Birth:
        return Birth(self._origin(), self.site.description)

    async def _work(self, stop: asyncio.Event) -> None:
        reading: dict[str, Callable[[], Awaitable[object]]] = {f"bus {bus.name}": bus.run for bus in self.buses}
        reading["commands"] = self.executor.run
        around: dict[str, Callable[[], Awaitable[object]]] = {
            "flush": self._flush_loop,
            "uplink": self.uplink.run,
            "clock": self._clock_loop,
            "drops": self._drops_loop,
            "memory": self._memory_loop,
            "configuration": self.configuration.run,
            "desired": self.desired.run,
            "control": lambda: control.serve(self.data_dir, self._answers()),
        }
        if self.rules is not None:
            around["rules"] = self.rules.run
        if self.recorder is not None:
            around["captures"] = self.recorder.run
        if self.models is not None:
            around["models"] = self.models.run
        if (port := self.site.config.metrics.port) is not None:
            around["metrics"] = lambda: metrics.serve(self.data_dir, port, self._report)
        log.info("gateway %s: %d devices on %d buses", self.gateway, len(self.site.plans), len(self.buses))
        async with asyncio.TaskGroup() as tasks:
            self._group = tasks
            for name, run in {**reading, **around, **self._beside}.items():
                self._start(name, run)
            await stop.wait()
            log.info("gateway %s: stopping", self.gateway)
            await self._finish("desired", "configuration")
            # A modem carries the uplink's farewell.
            carriers = [name for name in self._tasks if name in self._beside]
            await self._finish(*(name for name in self._tasks if name == "commands" or name.startswith("bus ")))
            self._flush()
            self.note_learned()
            if self.rules is not None:
                self.rules.close()
            if self.recorder is not None:
                self.recorder.close()
            await self._finish(*(name for name in self._tasks if name not in carriers))
            await self._finish(*carriers)
        log.info("gateway %s: stopped", self.gateway)

    def _start(self, name: str, run: Callable[[], Awaitable[object]]) -> None:
        assert self._group is not None  # noqa: S101 - only ever called while it runs
        self._tasks[name] = self._group.create_task(_keep(name, run, self.crashes), name=name)

    async def _finish(self, *names: str) -> None:
        await _end([self._tasks.pop(name) for name in list(names) if name in self._tasks])

    async def switch(self, after: Site, change: Diff) -> None:
        """From one configuration to another while everything runs: what `change` says stays does not notice.

        All that is decided is decided without a pause, so that no reading meets half of it; then lines that are gone
        are closed, and new ones opened. Where a driver's new line cannot even be made, nothing has changed.
        """
        before, fates = self.site, {bus.name: bus.fate for bus in change.buses}
        old = {bus.name: bus for bus in self.buses}
        ended = [bus for name, bus in old.items() if fates[name] is not Fate.STAYS]
        here = list(zip(after.config.buses, after.devices, strict=True))
        beside, lines = dict(self._beside), dict(self._lines)
        self.desk.exchange(after.config)
        for bus in ended:
            self._beside.pop(f"line {bus.name}", None)
        try:
            opened = {
                one.name: self._make_bus(one, devices) for one, devices in here if fates[one.name] is not Fate.STAYS
            }
        except Exception:
            self._beside, self._lines = beside, lines
            raise
        self._flush()
        self._prepare_captures(after)
        self.site = after
        self.pipeline.exchange(after.plans, after.indices)
        self._attach_captures()
        self._prepare_models(after)
        if after.description_hash != before.description_hash:
            self._put(self._birth(), urgent=True)
        for bus in ended:
            bus.retire()
        self.buses = tuple(opened.get(bus.name) or old[bus.name] for bus, _ in here)
        for bus, (_, devices) in zip(self.buses, here, strict=True):
            if isinstance(bus, Bus) and bus.name not in opened and bus.devices != devices:
                bus.exchange(devices, self.desk.complaints(bus.name, devices))
        self._by_index |= {device.index: device for _, devices in here for device in devices}
        self.executor.exchange(self._numbered(), after.targets, after.interlocks)
        if self.rules is not None:
            self.rules.close()
        self.rules = self._make_rules()
        await self._finish("rules", *(f"{kind} {bus.name}" for bus in ended for kind in ("bus", "line")))
        self._by_index = {device.index: device for _, devices in here for device in devices}
        if self.rules is not None:
            self._start("rules", self.rules.run)
        if self.recorder is not None and "captures" not in self._tasks:
            self._start("captures", self.recorder.run)
        if self.models is not None and "models" not in self._tasks:
            self._start("models", self.models.run)
        for name, bus in opened.items():
            self._start(f"bus {name}", bus.run)
            if (active := self._beside.get(f"line {name}")) is not None:
                self._start(f"line {name}", active)
        self.uplink.state_changed()

    async def _flush_loop(self) -> None:
        while True:
            await self._fresh.wait()
            await asyncio.sleep(FLUSH_S)
            self._fresh.clear()
            self._flush()

    def _flush(self) -> None:
        """Hands what has come out of the pipeline to the spool."""
        while (part := self.pipeline.drain()) is not None:
            now = self.now()
            origin = replace(self._origin(), boottime_ms=part.t0_boot_ms)
            t0 = max(now.utc_of(part.t0_boot_ms), 0)  # a clock that starts in 1970 would be before it
            self._put(Batch(origin, self.site.description_hash, t0, part.groups))
            if self.rules is not None:
                self.rules.see(part)
        if self.models is not None:
            self.models.take(self.pipeline.windows())

    def judged(self, device: int, number: int, verdicts: "Sequence[Verdict]") -> None:
        self.pipeline.judged(device, number, verdicts)
        self._fresh.set()

    def _put(self, message: Spooled, *, urgent: bool = False) -> asyncio.Future[int]:
        """Not waited for: a disk that takes nothing must not stop the polling. The spool keeps some for it."""
        committed = self.spool.submit(message, urgent=urgent)
        committed.add_done_callback(self._is_on_disk)
        return committed

    def _is_on_disk(self, committed: asyncio.Future[int]) -> None:
        error = None if committed.cancelled() else committed.exception()
        if error is None:
            return
        kept = self._quiet.admit("spool", clock.boottime_ms())
        if kept is not None:
            log.error("gateway %s: a message was dropped (%d before this): %s", self.gateway, kept, error)

    async def _clock_loop(self) -> None:
        fix = self.clock.first_fix
        while True:
            if fix is not None:
                data: dict[str, Scalar] = {
                    "boot": self.boot,
                    "boottime_ms": fix.boottime_ms,
                    "utc_ms": fix.utc_ms,
                    "bound_ms": fix.bound_ms,
                }
                self.tell("clock-fix", self.gateway, INFO, data)
                log.info("gateway %s: the clock is synchronised to within %d ms", self.gateway, fix.bound_ms)
            await asyncio.sleep(CLOCK_S)
            fix = self.clock.look()

    async def _drops_loop(self) -> None:
        """Tells of what was given up: the State declares which, this is for people.

        Less and less often while it goes on, down to once a day: events are kept longer than data, and months without
        the server would else fill the spool with them.
        """
        told, wait = self._drops(), DROPS_S
        while True:
            await asyncio.sleep(wait)
            now = self._drops()
            if now == told:
                wait = DROPS_S
                continue
            self.tell("spool-drop", self.gateway, WARNING, {cause: now[cause] - told[cause] for cause in now})
            told, wait = now, min(2 * wait, LONGEST_DROPS_S)

    async def _memory_loop(self) -> None:
        while True:
            await asyncio.sleep(MEMORY_S)
            self.note_learned()

    def note_learned(self) -> None:
        """What the devices taught up to now, for who plans with it."""
        self.memory.note(pair for bus in self.buses if isinstance(bus, Bus) for pair in bus.learned())

    def _drops(self) -> dict[str, int]:
        counters = self.spool.snapshot.counters
        return {
            "quota": counters.dropped_quota,
            "disk": counters.dropped_disk,
            "damaged": counters.dropped_damaged,
            "thinned": counters.thinned,
        }

    async def _on_command(self, command: Command) -> None:
        self.executor.submit(command)

    def execute(self, command: Command, until_ms: int) -> None:
        self.executor.submit(command, until_ms)

    def capture(self, rule: Rule, at: int) -> bytes | None:
        return None if self.recorder is None else self.recorder.begin(rule, at)

    def keep(self, waveform: Waveform, t0_boot_ms: int) -> asyncio.Future[int]:
        return self._put(Burst(replace(self._origin(), boottime_ms=t0_boot_ms), waveform))

    def has_room(self, more: int) -> bool:
        snapshot = self.spool.snapshot
        return snapshot.captured + more <= snapshot.quota // CAPTURED_SHARE

    def incarnation(self) -> int:
        return self.spool.snapshot.incarnation

    def _device_changed(self, change: Change) -> None:
        device = self._by_index.get(change.device)
        if device is None:
            return  # exchanged while it was being read
        now = self.now()
        data: dict[str, Scalar] = {"since_ms": now.utc_of(change.since), "detail": detail(change.detail)}
        kind, severity = ("device-back", INFO) if change.reachable else ("device-unreachable", WARNING)
        self.tell(kind, device.code, severity, data)
        self.uplink.state_changed()

    def _fault_changed(self) -> None:
        self.uplink.state_soon()

    def _driver_changed(self, driver: str, kind: str, words: str) -> None:
        self.tell(kind, self.gateway, WARNING, {"driver": driver, "detail": detail(words)})

    def tell(self, kind: str, source: str, severity: int, data: Mapping[str, Scalar]) -> None:
        self._put(self.event(kind, source, severity, data), urgent=True)

    def event(self, kind: str, source: str, severity: int, data: Mapping[str, Scalar]) -> Event:
        return Event(self._origin(), self.now().utc_ms, kind, source, severity, data)

    def _origin(self) -> Origin:
        """Of this moment. The spool writes its incarnation and the seq in when it keeps a message."""
        now = self.now()
        return Origin(self.gateway, 0, 0, self.boot, now.boottime_ms, now.clock)

    def _state(self, connection: int, number: int, online: bool) -> State:
        now, snapshot = self.now(), self.spool.snapshot
        return State(
            gateway=self.gateway,
            incarnation=snapshot.incarnation,
            boot=self.boot,
            connection=connection,
            number=number,
            online=online,
            t=now.utc_ms,
            clock=now.clock,
            first_kept=snapshot.first_kept,
            next_seq=snapshot.next_seq,
            dropped=snapshot.dropped,
            devices=tuple(
                DeviceHealth(device.code, health.reachable, max(now.utc_of(health.since), 0), detail(health.detail))
                for bus in self.buses
                for device, health in zip(bus.devices, bus.health.devices, strict=True)
            ),
            spool_bytes=snapshot.bytes,
            spool_quota=snapshot.quota,
            version=self.version,
            configuration=self.configuration.told(),
        )

    def _answers(self) -> Mapping[str, control.Handler]:
        return {
            "report": lambda _: self._report(),
            **self.configuration.answers(),
            **self.desk.answers(self.now, lambda: self.buses),
        }

    async def _report(self) -> report.Report:
        """Comes without the oldest message where the disk does not give it at once: just then it is asked for."""
        oldest: list[Row] = []
        with suppress(SpoolRefused, TimeoutError):
            async with asyncio.timeout(REPORT_S):
                oldest = await self.spool.read(0, 1)
        return report.build(self, oldest[0] if oldest else None)


def run(settings: Config, catalog: Mapping[str, Family | ReportingFamily]) -> None:
    """Runs a gateway in this process until SIGTERM or SIGINT. Raises ConfigError or CannotRun.

    STOP_S after the signal the process ends with status 1 even where something hangs.
    """
    # What was imported stays: the collector need not look at it again, nor at readings every few milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    key, password = read_key(settings.uplink), read_password(settings.uplink)
    agent = Agent(site.build(boot.choose(settings, os.environ, catalog)), catalog, key, password)
    heard, tell = os.pipe()
    threading.Thread(target=_watch, args=(heard, agent), name="last resort", daemon=True).start()
    try:
        asyncio.run(_run(agent, tell))
    finally:
        os.write(tell, b"ended")


async def _run(agent: Agent, tell: int) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal(*_: object) -> None:
        if not stop.is_set():
            os.write(tell, b".")
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)  # not the loop's: it may hang
    loop.add_signal_handler(signal.SIGHUP, agent.configuration.reload)
    await agent.run(stop)


def _watch(heard: int, agent: Agent) -> None:
    """A thread that ends the process where the event loop cannot: in a driver that blocks it, in a TLS handshake."""
    if os.read(heard, 1) != b".":
        return
    if not select.select([heard], [], [], STOP_S)[0]:
        log.critical(
            "gateway %s: not stopped within %g s, so ended as it stands; %d messages were not on disk and are lost",
            *(agent.gateway, STOP_S, agent.spool.waiting),
        )
        os._exit(FAILED)


async def _keep(name: str, run: Callable[[], Awaitable[object]], crashes: Counter[str]) -> None:
    """Runs `run` until cancelled. An error nobody foresaw is logged, and `run` started again after a pause."""
    attempt = 0
    while True:
        started = clock.boottime_ms()
        try:
            await run()
        except Exception:
            crashes[name] += 1
            attempt = 1 if clock.boottime_ms() - started > CALM_MS else attempt + 1
            log.exception("%s: failed unexpectedly; started again in %.1f s", name, backoff_ms(attempt) / 1000)
        await asyncio.sleep(backoff_ms(attempt) / 1000)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for them, but not for ever: a dead network must not hold up a shutdown.

    More than once: until Python 3.13 a task group whose child fails while the group is cancelled tells of the failure
    alone, and whoever starts again after failures would never end.
    """
    deadline = clock.boottime_ms() + round(DRAIN_S * 1000)
    late: set[asyncio.Task[None]] = set(tasks)
    while late and clock.boottime_ms() < deadline:
        for task in late:
            task.cancel()
        _, late = await asyncio.wait(late, timeout=INSIST_S)
    for task in late:
        log.warning("%s did not end within %g s", task.get_name(), DRAIN_S)


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another hutong-agent works in {data_dir}") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
