"""A running gateway's configuration: tries the file's, keeps what proves itself, and goes back where it does not."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from agent import admission, config, site
from agent.clock import boottime_ms
from agent.configuration import files, guard
from agent.configuration.diff import Diff, compare, render
from agent.configuration.store import INTERRUPTED, Asked, Record, Refused, Store
from agent.configuration.trial import LONGEST_S, TRIAL_S, Evidence, objection
from agent.configuration.versions import Content, Version, content_of, hash_of
from agent.control import Declined, Handler, Request
from agent.settings import Config
from agent.toml import ConfigError
from agent.wording import detail
from drivers.base import Family, ReportingFamily
from protocols.edge.desired import Desired
from protocols.edge.messages import Configuration

if TYPE_CHECKING:
    from agent.supervisor import Agent

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOOK_S = 0.2
GIVE_WAY_S = 0.0002
INFO, WARNING = 0, 2  # severities of events


@dataclass(frozen=True)
class Trial:
    """`before`, of that `content`, is what is gone back to. `judged` are (bus, code) of the devices that must answer;
    `acknowledged` is how many messages the server had when it began, None where it was not there. Of what the server
    desired, `desired` is its number there, and `found` the hash of what the gateway's file held."""

    version: Version
    before: Config
    content: Content
    text: str
    until: int  # CLOCK_BOOTTIME in ms
    judged: frozenset[tuple[str, str]]
    acknowledged: int | None
    crashes: Mapping[str, int]
    confirmed: bool
    desired: int = 0
    found: str = ""


class Changer:
    """`run()` watches trials until it is cancelled; everything is asked for through answers() or reload()."""

    def __init__(self, agent: "Agent", catalog: Mapping[str, Family | ReportingFamily]) -> None:
        self._agent = agent
        self._catalog = catalog
        self._store: Store | None = None
        self._content = content_of(agent.site.config)
        self._running = Version(0, hash_of(self._content))
        self._trial: Trial | None = None
        self._busy = asyncio.Lock()
        self._wanted = False
        self._news = asyncio.Event()
        self._settled: Callable[[], None] = lambda: None

    def on_settled(self, heard: Callable[[], None]) -> None:
        """`heard` is called when a trial is over, and when the running text may be another."""
        self._settled = heard

    def begin(self) -> None:
        """At the start, when this process alone works in the data directory. Raises OSError."""
        self._store = Store(self._agent.data_dir)
        before = self._store.record
        if before.installing:
            before = self._install(before)
        self._keep(before.started(self._running.hash, self._agent.site.config.text, self._utc_ms()))
        self._running = self.record.good or self._running
        if before.trial is not None:
            self._tell_refused(before.trial, INTERRUPTED)

    @property
    def record(self) -> Record:
        return Record() if self._store is None else self._store.record

    @property
    def on_trial(self) -> bool:
        return self._trial is not None

    async def note(self, **changes: Any) -> None:
        """Of the record, what the server's configurations need. Raises OSError."""
        async with self._busy:
            await asyncio.to_thread(self._keep, replace(self.record, **changes))

    def _keep(self, record: Record) -> None:
        """Raises OSError."""
        if self._store is not None:
            self._store.keep(record)

    def reload(self) -> None:
        """Takes the file soon, as SIGHUP asks; what becomes of it stands in the log."""
        self._wanted = True
        self._news.set()

    def answers(self) -> Mapping[str, Handler]:
        return {"apply": self._asked_to_apply, "confirm": self._confirm, "configuration": self._tell}

    def told(self) -> Configuration:
        """For the fleet."""
        refused = self.record.refused
        reason = "" if refused is None else detail(refused.reason)
        return Configuration(self._running.number, bytes.fromhex(self._running.hash), self._trial is not None, reason)

    def report(self) -> dict[str, Any]:
        record, trial = self.record, self._trial
        refused = record.refused
        return {
            "number": self._running.number,
            "hash": self._running.hash,
            "good": None if record.good is None else record.good.number,
            "trial_left_s": None if trial is None else max(0.0, round((trial.until - boottime_ms()) / 1000, 1)),
            "confirmed": None if trial is None else trial.confirmed,
            "refused": None
            if refused is None
            else {
                "number": refused.version and refused.version.number,
                "hash": refused.version and refused.version.hash,
                "reason": refused.reason,
                "utc_ms": refused.utc_ms,
            },
        }

    async def run(self) -> None:
        while True:
            if self._trial is None:
                await self._news.wait()
                self._news.clear()
            else:
                await asyncio.sleep(LOOK_S)
                async with self._busy:
                    await self._look(self._trial)
            if self._wanted:
                self._wanted = False
                await self._reload()

    async def _reload(self) -> None:
        try:
            answer = await self.apply(TRIAL_S, confirmed=True)
        except Declined as declined:
            log.error("gateway %s: the configuration is not taken: %s", self._agent.gateway, declined)
            return
        for line in (*answer["problems"], *answer["lines"]):
            log.warning("gateway %s: %s", self._agent.gateway, line)

    async def _tell(self, _: Request) -> object:
        return self.report()

    async def _confirm(self, request: Request) -> object:
        trial = self._trial
        if trial is None or trial.version.number != request.get("number"):
            raise Declined("this configuration is not on trial any more")
        self._trial = replace(trial, confirmed=True)
        return self.report()

    async def _asked_to_apply(self, request: Request) -> object:
        try:
            path, seconds = Path(request["path"]), float(request.get("trial_s", TRIAL_S))
        except (KeyError, TypeError, ValueError):
            raise Declined("which file, and for how long on trial?") from None
        if not 1 <= seconds <= LONGEST_S:
            raise Declined(f"a trial takes 1 to {LONGEST_S:g} s")
        own = self._agent.site.config.path.resolve()
        dry = bool(request.get("dry_run"))
        if not dry and path != own:
            raise Declined(f"this gateway runs with {own}: change that file, and apply it")
        return await self.apply(seconds, confirmed=not request.get("confirm"), path=path, dry=dry)

    async def apply(
        self,
        trial_s: float,
        *,
        confirmed: bool,
        path: Path | None = None,
        dry: bool = False,
        desired: Desired | None = None,
    ) -> dict[str, Any]:
        """Begins a trial of the file, or of what is desired to take its place, unless it is wrong, changes nothing, or
        `dry`. Raises Declined."""
        dry = dry if desired is None else desired.dry
        async with self._busy:
            if self._trial is not None:
                raise Declined(f"configuration {self._trial.version} is on trial; wait until it is over")
            answer: dict[str, Any] = {"problems": [], "lines": [], "number": None, "trial_s": None}
            try:
                path = path or self._agent.site.config.path
                settings, content = await _aside(self._load, path, None if desired is None else desired.text)
                change = compare(self._content, content, self._reporting())
                self._refuse_restart(change)
                after = await _aside(site.build, settings, self._agent.site, change.keeps)
            except ConfigError as error:
                if not dry:
                    self._refuse(None, error.problems[0])
                return answer | {"problems": list(error.problems)}
            answer["lines"] = [*render(change), *await self._weigh(after, change)]
            if dry:
                return answer
            found = "" if desired is None else await _aside(self._stage, desired)
            if change.same:
                if desired is not None:
                    await self._adopt(desired.text)
                return answer
            record, version = self.record.number(hash_of(content))
            begun = (desired.number, found) if desired is not None else (0, "")
            await self._begin_trial(record, version, after, content, change, round(trial_s * 1000), confirmed, *begun)
            return answer | {"number": version.number, "trial_s": trial_s}

    async def _weigh(self, after: site.Site, change: Diff) -> Sequence[str]:
        """Whether the lines that change have the time for it."""
        self._agent.note_learned()
        try:
            weighed = await _aside(admission.weigh, after, self._catalog, self._agent.memory, change.touched)
        except Exception as error:  # a driver that cannot make its line: the trial says so, and goes back
            log.exception("gateway %s: the lines' use cannot be told", self._agent.gateway)
            return [f"the lines' use cannot be told: {error}"]
        return [line for use in weighed for line in admission.render(use)]

    def _stage(self, desired: Desired) -> str:
        """Puts the text beside the gateway's file, and gives the hash of what the file holds; raises Declined where the
        file could not be exchanged, or where a technician has changed it and nobody has applied that."""
        running = self._agent.site.config
        known = {
            self._running.hash,
            *(one.hash for one in (self.record.refused and self.record.refused.version,) if one),
        }
        try:
            found = self._running.hash
            if running.path.read_text("utf-8") != running.text:
                found = self._found(running.path)
                if found not in known and desired.base is not None:
                    raise Declined(f"{running.path} was changed at the gateway, and not applied: what holds?")
            files.stage(running.path, desired.text)
        except (OSError, UnicodeDecodeError) as error:
            raise Declined(f"{running.path} cannot be exchanged for it: {error}") from None
        return found

    def _found(self, path: Path) -> str:
        """ "?" for a file that cannot be read as a configuration."""
        try:
            return hash_of(content_of(config.load(path, os.environ, self._catalog)))
        except ConfigError:
            return "?"

    async def _adopt(self, text: str) -> None:
        """In other words the same. Raises Declined."""
        try:
            await asyncio.to_thread(files.exchange, self._agent.site.config.path)
            await asyncio.to_thread(self._keep, replace(self.record, text=text))
        except OSError as error:
            raise Declined(f"the gateway's file is not exchanged: {error}") from None

    def _install(self, record: Record) -> Record:
        """What a crash left half done, if the good configuration is what runs."""
        running = self._agent.site.config
        try:
            if running.text == record.text and running.path.read_text("utf-8") != record.text:
                files.stage(running.path, record.text)
                files.exchange(running.path)
        except (OSError, UnicodeDecodeError) as error:
            log.error("%s is not exchanged for what runs: %s", running.path, error)
            return record
        return replace(record, installing="")

    def _load(self, path: Path, text: str | None = None) -> tuple[Config, Content]:
        """In a thread: it reads files and may take longer than a tick. `text` came over the network, and stands in for
        what the file holds. Raises ConfigError."""
        if text is not None:
            guard.check(path, text, self._agent.site.config.text)
        settings = config.load(path, os.environ, self._catalog, text)
        ours = self._agent.site.config.outsiders
        strange = [name for name in settings.outsiders if name not in ours]
        if strange:
            raise ConfigError(
                [f"{path}: driver: {name} is another distribution's and begins at a start only" for name in strange]
            )
        try:
            return replace(settings, path=self._agent.site.config.path, outsiders=ours), content_of(settings)
        except OSError as error:
            raise ConfigError([f"{error.filename}: {error.strerror}"]) from None

    def _refuse_restart(self, change: Diff) -> None:
        if change.needs_restart:
            path = self._agent.site.config.path
            raise ConfigError(
                f"{path}: {key}: cannot be changed while the gateway runs; restart it to take the file as it is"
                for key in change.needs_restart
            )

    async def _begin_trial(
        self,
        record: Record,
        version: Version,
        after: site.Site,
        content: Content,
        change: Diff,
        trial_ms: int,
        confirmed: bool,
        desired: int = 0,
        found: str = "",
    ) -> None:
        """What is tried is on disk before it is: a power cut in between leads back. Raises Declined."""
        agent, before, was = self._agent, self._agent.site.config, self._content
        record = replace(record, trial=version, last=max(record.last, version.number))
        try:
            await asyncio.to_thread(self._keep, _answered(record, desired, "returned", INTERRUPTED))
        except OSError as error:
            raise Declined(f"not tried, since the way back cannot be kept: {error}") from None
        dead = {device.code for bus in agent.buses for device, health in _health(bus) if not health.reachable}
        judged = frozenset(
            (bus.name, device.code)
            for bus in after.config.buses
            for device in bus.devices
            if (bus.name, device.code) in change.begins
            and device.code not in dead
            and 2 * device.period_ms <= trial_ms
            and bus.driver not in self._reporting()
        )
        uplink = agent.uplink
        acknowledged = uplink.counters.acknowledged if uplink.connected else None
        crashes = dict(agent.crashes)
        trial = Trial(
            *(version, before, was, after.config.text, 0, judged, acknowledged, crashes, confirmed, desired, found)
        )
        try:
            await self._switch(after, content, version, change)
        except Exception as error:
            log.exception("gateway %s: configuration %s cannot be begun", agent.gateway, version)
            await self._go_back(trial, f"it could not be begun: {error}")
            raise Declined(f"it could not be begun, and the one before runs: {error}") from error
        self._trial = replace(trial, until=boottime_ms() + trial_ms)
        self._news.set()

    async def _switch(self, after: site.Site, content: Content, version: Version, change: Diff) -> None:
        log.info("gateway %s: configuration %s", self._agent.gateway, version)
        try:
            await self._agent.switch(after, change)
        finally:
            if self._agent.site is after:
                self._content, self._running = content, version

    async def _look(self, trial: Trial) -> None:
        over = boottime_ms() >= trial.until
        why = objection(self._evidence(trial), over=over, confirmed=trial.confirmed)
        if why:
            await self._go_back(trial, why)
        elif over:
            refused = self.record.refused
            if refused is not None and refused.version in (None, trial.version):
                refused = None
            record = replace(self.record, good=trial.version, text=trial.text, trial=None, refused=refused)
            if trial.desired and (why := await self._take_over(trial, record)):
                await self._go_back(trial, why)
                return
            if not trial.desired:
                await self._try_to_keep(record)
            self._trial = None
            self._settled()
            self._agent.tell("configuration-changed", self._agent.gateway, INFO, _named(trial.version))
            self._agent.uplink.state_changed()
            log.info("gateway %s: configuration %s has proven itself", self._agent.gateway, trial.version)

    async def _take_over(self, trial: Trial, record: Record) -> str:
        """It stays: the record first, then the file; in between, a start finishes it. Why it cannot stay, or ""."""
        path = self._agent.site.config.path
        try:
            if await _aside(self._unsettled, trial):
                return f"{path} was changed at the gateway while it was on trial"
            record = _answered(record, trial.desired, "applied", "")
            await asyncio.to_thread(self._keep, replace(record, installing=trial.found))
        except OSError as error:
            return f"it cannot be kept: {error}"
        try:
            await asyncio.to_thread(files.exchange, path)
            await asyncio.to_thread(self._keep, replace(record, installing=""))
        except OSError as error:
            log.error("%s is exchanged at the next start only: %s", path, error)
        return ""

    def _unsettled(self, trial: Trial) -> bool:
        """Whether the gateway's file is another than when the trial began."""
        path = trial.before.path
        if path.read_text("utf-8", "replace") == trial.before.text:
            return trial.found != hash_of(trial.content)
        return self._found(path) != trial.found

    async def _go_back(self, trial: Trial, why: str) -> None:
        change = compare(self._content, trial.content, self._reporting())
        if not change.same:
            after = await _aside(site.build, trial.before, self._agent.site, change.keeps)
            good = self.record.good or Version(0, hash_of(trial.content))
            await self._switch(after, trial.content, good, change)
        self._refuse(trial.version, why)
        await self._try_to_keep(_answered(replace(self.record, trial=None), trial.desired, "returned", why))
        self._trial = None
        if trial.desired:
            await self._discard(trial.before.path)
        self._settled()

    async def _discard(self, path: Path) -> None:
        try:
            await asyncio.to_thread(files.discard, path)
        except OSError as error:
            log.warning("gateway %s: what was staged beside %s stays there: %s", self._agent.gateway, path, error)

    def _refuse(self, version: Version | None, reason: str) -> None:
        try:
            self._keep(replace(self.record, refused=Refused(version, reason, self._utc_ms())))
        except OSError as error:
            log.error("gateway %s: a refused configuration is not kept: %s", self._agent.gateway, error)
        self._tell_refused(version, reason)

    def _tell_refused(self, version: Version | None, reason: str) -> None:
        log.warning("gateway %s: configuration %s is refused: %s", self._agent.gateway, version or "", reason)
        told = {} if version is None else _named(version)
        self._agent.tell("configuration-refused", self._agent.gateway, WARNING, {**told, "detail": detail(reason)})
        self._agent.uplink.state_changed()

    async def _try_to_keep(self, record: Record) -> None:
        try:
            await asyncio.to_thread(self._keep, record)
        except OSError as error:
            log.error("gateway %s: what became of the trial is not kept: %s", self._agent.gateway, error)

    def _evidence(self, trial: Trial) -> Evidence:
        agent = self._agent
        silent = [
            f"{device.name} ({device.code}): {health.detail or 'not asked yet'}"
            for bus in agent.buses
            for device, health in _health(bus)
            if (bus.name, device.code) in trial.judged and health.last_answer is None
        ]
        crashed = [name for name, count in agent.crashes.items() if count > trial.crashes.get(name, 0)]
        waits = agent.spool.snapshot.rows > 0  # else there was nothing that it could have acknowledged
        lost = waits and trial.acknowledged is not None and agent.uplink.counters.acknowledged <= trial.acknowledged
        return Evidence(tuple(silent), tuple(crashed), lost)

    def _reporting(self) -> Sequence[str]:
        return [name for name, family in self._catalog.items() if isinstance(family, ReportingFamily)]

    def _utc_ms(self) -> int:
        return max(self._agent.now().utc_ms, 0)


async def _aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread that gives way often. With the usual 5 ms the event loop waits that long after each of its own waits:
    twenty requests one after another, and a line at 10 Hz has lost a tick."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(GIVE_WAY_S)
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    finally:
        sys.setswitchinterval(usual)


def _health(bus: Any) -> Any:
    return zip(bus.devices, bus.health.devices, strict=True)


def _answered(record: Record, desired: int, status: str, why: str) -> Record:
    """What came of the server's configuration of that number; 0: it is a technician's."""
    return replace(record, asked=Asked(desired, status, why)) if desired else record


def _named(version: Version) -> dict[str, Any]:
    return {"number": version.number, "hash": version.hash}
