"""Commands of the server and of rules: what may be executed, and that it is executed at most once ever.

The order is fixed: the seal and the addressee (agent.uplink), an id never seen, then, with the intent on disk, expiry,
device, channel, value and what must hold for it; then the write, the read-back and the result, which is a spooled
event. A command that a crash interrupted is read back and reported; it is never executed again (contracts.md, Rules and
safety). Expiry comes behind the id, so that a command that is sent again, late, gets no second result; and close before
the write.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from enum import StrEnum
from functools import partial
from typing import NamedTuple, NoReturn, Protocol

from agent.clock import Now
from agent.interlocks import Interlock, Interlocks
from agent.spool import SpoolRefused
from agent.wording import detail
from drivers.base import Channel, DeviceError, NotSent, Reading, Refused
from protocols.edge.columns import I32LE, I64LE
from protocols.edge.messages import ClockState, Command, Event, Origin, Scalar, decode, encode
from protocols.errors import ProtocolError
from protocols.quality import is_bad

log = logging.getLogger(__name__)

MAX_AHEAD_MS = 300_000  # a command issued this far in our future: one of the two clocks is wrong
MAX_VALUE = 2**64  # beyond every register; keeps 1E+999999 from becoming a million digits
MAX_WAITING = 256
RECOVERY_ATTEMPTS, RECOVERY_PAUSE_S = 15, 1.0  # a line may open later than the program
SEVERITY_DONE, SEVERITY_NOT_DONE = 0, 2
RULE = "rule:"  # begins the principal of a command that a rule of this gateway gave
INTERRUPTED = "the gateway was interrupted; "


class Status(StrEnum):
    DONE = "done"
    FAILED = "failed"  # the device did not do it
    REFUSED = "refused"  # we did not ask it to
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # asked, and cut off from the answer; the device does not show the value


class Dated(Protocol):
    """What is valid for a time: UTC in ms."""

    @property
    def issued(self) -> int: ...

    @property
    def expires(self) -> int: ...


class Actuator(Protocol):
    """A line that can be written: agent.bus.owner.Bus."""

    async def write(self, device: int, channel: int, value: Decimal) -> Reading: ...

    async def read_back(self, device: int, channel: int) -> Reading: ...


class Target(NamedTuple):
    """Where a command goes: channel `number` of the device with that index, on the bus with that number. Both stay with
    what they name as long as it is there, and come to nobody else."""

    bus: int
    device: int
    number: int
    channel: Channel


Targets = Mapping[str, Mapping[str, Target]]  # by device code and channel name


class Result(NamedTuple):
    status: Status
    detail: str = ""
    readback: Scalar = None


def expired(command: Dated, now: Now) -> Result | None:
    """Why the time of the command is not now; None if it is.

    A clock that was never set cannot tell, so nothing is executed by it: a stale command to open a valve is worse than
    one refused.
    """
    if now.clock.state is ClockState.UNSET:
        return Result(Status.REFUSED, "the gateway's clock is not set: it cannot tell whether the command has expired")
    if now.utc_ms >= command.expires:
        return Result(Status.EXPIRED, f"expired {now.utc_ms - command.expires} ms ago by the gateway's clock")
    if command.issued > now.utc_ms + MAX_AHEAD_MS:
        return Result(Status.REFUSED, "issued in the gateway's future: its clock and the server's disagree")
    return None


def overdue(until_ms: int, now: Now) -> Result | None:
    """The expiry of a command that was given in this gateway, by CLOCK_BOOTTIME: no clock need be set for it."""
    late = now.boottime_ms - until_ms
    return Result(Status.EXPIRED, f"expired {late} ms ago") if late >= 0 else None


def gate(command: Command, targets: Targets) -> Target | Result:
    """Where to write, or why not: device and channel are known, the channel is writable, the value allowed. Pure."""
    channels = targets.get(command.device)
    if channels is None:
        return Result(Status.REFUSED, f"this gateway has no device {command.device}")
    target = channels.get(command.channel)
    if target is None:
        return Result(Status.REFUSED, f"device {command.device} has no channel {command.channel!r}")
    channel, value = target.channel, command.value
    if abs(value) > MAX_VALUE:
        return Result(Status.REFUSED, "no channel has a value this large")
    if not channel.writable:
        return Result(Status.REFUSED, f"channel {channel.name!r} cannot be written")
    if channel.limits is not None and not channel.limits[0] <= value <= channel.limits[1]:
        low, high = channel.limits
        return Result(Status.REFUSED, f"{value} is not between {low} and {high} {channel.unit}".rstrip())
    if channel.states and value not in channel.states:
        words = ", ".join(map(str, sorted(channel.states)))
        return Result(Status.REFUSED, f"{value} is none of the states of {channel.name!r}: {words}")
    if channel.tag in (I32LE, I64LE) and not _is_whole(value, channel.scale):
        return Result(Status.REFUSED, f"{value} is finer than the channel's step of {Decimal(1).scaleb(channel.scale)}")
    return target


def result_event(command: Command, result: Result, origin: Origin, now: Now) -> Event:
    severity = SEVERITY_DONE if result.status is Status.DONE else SEVERITY_NOT_DONE
    data: dict[str, Scalar] = {"id": command.id, "status": str(result.status), "detail": detail(result.detail)}
    if result.readback is not None:
        data["readback"] = result.readback
    if not command.principal.startswith(RULE):
        return Event(origin, now.utc_ms, "command-result", command.device, severity, data)
    data |= {"rule": command.principal.removeprefix(RULE), "channel": command.channel, "value": command.value}
    return Event(origin, max(now.utc_ms, 0), "rule-command", command.device, severity, data)


class Record(Protocol):
    @property
    def id(self) -> bytes: ...

    @property
    def intent(self) -> bytes: ...


class Store(Protocol):
    """What is kept of commands on disk: agent.spool."""

    async def begin_command(self, id: bytes, intent: bytes, now_ms: int) -> bool: ...  # noqa: A002

    async def finish_command(self, id: bytes, result: Event) -> int: ...  # noqa: A002

    async def unfinished_commands(self) -> Iterable[Record]: ...


@dataclass
class Counters:
    """`repeated` counts ids that had been seen before, of which nothing was executed."""

    done: int = 0
    failed: int = 0
    refused: int = 0
    expired: int = 0
    unknown: int = 0
    repeated: int = 0
    overflowed: int = 0


class _Given(NamedTuple):
    command: Command
    until_ms: int | None


class Executor:
    """Executes commands in the order they came, those of each bus on their own."""

    def __init__(
        self,
        store: Store,
        buses: Mapping[int, Actuator],
        targets: Targets,
        now: Callable[[], Now],
        origin: Callable[[], Origin],
        interlocks: Mapping[str, Sequence[Interlock]] | None = None,
    ) -> None:
        self.counters = Counters()
        self._store = store
        self._buses = buses
        self._targets = targets
        self._now = now
        self._origin = origin
        self._interlocks = Interlocks(interlocks or {}, now().boottime_ms)
        self._tasks: asyncio.TaskGroup | None = None
        self._queues: dict[int, asyncio.Queue[_Given]] = {bus: asyncio.Queue(MAX_WAITING) for bus in (*buses, -1)}

    def submit(self, command: Command, until_ms: int | None = None) -> None:
        """Takes a command whose seal and addressee are right. What finds its queue full expires at the server.

        One that was given in this gateway is not begun at or after `until_ms` of CLOCK_BOOTTIME, whatever UTC is.
        """
        try:
            self._queues[self._bus_of(command)].put_nowait(_Given(command, until_ms))
        except asyncio.QueueFull:
            self.counters.overflowed += 1
            log.warning("command %s: %d others wait for its line; dropped", command.id.hex(), MAX_WAITING)

    def exchange(
        self, buses: Mapping[int, Actuator], targets: Targets, interlocks: Mapping[str, Sequence[Interlock]]
    ) -> None:
        """From now on these; what waits for a bus that is gone is refused when its turn comes."""
        self._buses = {**self._buses, **buses}
        self._targets = targets
        self._interlocks.exchange(interlocks, self._now().boottime_ms)
        for bus in buses:
            if bus not in self._queues:
                self._queues[bus] = asyncio.Queue(MAX_WAITING)
                if self._tasks is not None:
                    self._tasks.create_task(self._work(self._queues[bus], []))

    async def run(self) -> None:
        """Never returns. First settles what a crash interrupted, then executes what is submitted."""
        interrupted: dict[int, list[Command]] = {bus: [] for bus in self._queues}
        for record in await self._store.unfinished_commands():
            command = _intent(record)
            if command is not None:
                interrupted.setdefault(self._bus_of(command), []).append(command)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for bus, queue in self._queues.items():
                    self._tasks.create_task(self._work(queue, interrupted.get(bus, [])))
        finally:
            self._tasks = None

    async def _work(self, queue: "asyncio.Queue[_Given]", interrupted: list[Command]) -> NoReturn:
        for command in interrupted:
            await self._guard(command, self._settle_and_report)
        while True:
            given = await queue.get()
            await self._guard(given.command, partial(self._handle, until_ms=given.until_ms))

    async def _guard(self, command: Command, step: Callable[[Command], Awaitable[None]]) -> None:
        """A disk that refuses ends one command, not those behind it: without its intent on disk none is executed."""
        try:
            await step(command)
        except SpoolRefused as error:
            log.error("command %s: not on disk, so not executed or not reported: %s", command.id.hex(), error)

    async def _handle(self, command: Command, until_ms: int | None) -> None:
        if not await self._store.begin_command(command.id, encode(command), self._now().utc_ms):
            self.counters.repeated += 1
            log.warning("command %s: seen before, not executed again", command.id.hex())
            return
        late = expired(command, self._now()) if until_ms is None else overdue(until_ms, self._now())
        await self._finish(command, late or await self._execute(command))

    async def _settle_and_report(self, command: Command) -> None:
        await self._finish(command, await self._settle(command))

    async def _execute(self, command: Command) -> Result:
        while True:
            targets = self._targets
            target = gate(command, targets)
            if isinstance(target, Result):
                return target
            if (refusal := await self._refusal(command)) is not None:
                return refusal
            if targets is self._targets:
                break  # else the configuration changed while what must hold was read
        self._interlocks.written(command, self._now().boottime_ms)
        try:
            reading = await self._buses[target.bus].write(target.device, target.number, command.value)
        except NotSent as error:
            return Result(Status.REFUSED, str(error))
        except Refused as error:
            return Result(Status.FAILED, str(error))
        except DeviceError as error:  # the answer is lost, not the write: the device may have done it
            return await self._look(command, target, f"{error}; ", attempts=1)
        return _compare(command, target, reading)

    async def _refusal(self, command: Command) -> Result | None:
        """Why the device is in no state to be written: read from it, not remembered. What cannot be read does not
        hold."""
        if rest := self._interlocks.rest_ms(command, self._now().boottime_ms):
            return Result(Status.REFUSED, f"it was written lately and must rest for {rest / 1000:g} s more")
        for need in self._interlocks.needs(command):
            target = self._targets.get(need.device, {}).get(need.channel)
            what = f"{need.channel} of {need.device}"
            if target is None:
                return Result(Status.REFUSED, f"{what} is required, and this gateway does not have it")
            try:
                reading = await self._buses[target.bus].read_back(target.device, target.number)
            except DeviceError as error:
                return Result(Status.REFUSED, f"{what} is required, and cannot be read: {error}")
            shown = _shown(target, reading)
            if shown is None:
                return Result(Status.REFUSED, f"{what} is required, and has no value")
            if not need.low <= shown <= need.high:
                wanted = need.low if need.low == need.high else f"{need.low} to {need.high}"
                return Result(Status.REFUSED, f"{what} is {shown} and must be {wanted}")
        return None

    async def _settle(self, command: Command) -> Result:
        """What became of a command whose result a crash swallowed. Its line may take a while to open."""
        target = gate(command, self._targets)
        if isinstance(
            target, Result
        ):  # by the present configuration: under the one before the crash it may have gone out
            return Result(Status.UNKNOWN, f"{INTERRUPTED}it cannot look now: {target.detail}")
        return await self._look(command, target, INTERRUPTED, attempts=RECOVERY_ATTEMPTS)

    async def _look(self, command: Command, target: Target, before: str, attempts: int) -> Result:
        """The result by what the device shows now; `before` is what led to looking."""
        for attempt in range(1, attempts + 1):
            try:
                reading = await self._buses[target.bus].read_back(target.device, target.number)
            except DeviceError as error:
                if attempt == attempts:
                    return Result(Status.UNKNOWN, f"{before}reading back failed: {error}")
                await asyncio.sleep(RECOVERY_PAUSE_S)
            else:
                shown = _compare(command, target, reading)
                if shown.status is Status.DONE:
                    return shown._replace(detail=f"{before}the device shows the value")
                return Result(Status.UNKNOWN, f"{before}the device shows another value", shown.readback)
        raise AssertionError("attempts is at least 1")

    async def _finish(self, command: Command, result: Result) -> None:
        now = self._now()
        name = str(result.status)
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        log.info(
            "command %s of %s: %s %s := %s: %s%s",
            *(command.id.hex(), command.principal, command.device, command.channel, command.value, result.status),
            f" ({result.detail})" if result.detail else "",
        )
        await self._store.finish_command(command.id, result_event(command, result, self._origin(), now))

    def _bus_of(self, command: Command) -> int:
        target = self._targets.get(command.device, {}).get(command.channel)
        return -1 if target is None else target.bus


def _compare(command: Command, target: Target, reading: Reading) -> Result:
    shown = _shown(target, reading)
    if shown is None:
        return Result(Status.FAILED, "written, but reading back gave no value")
    if isinstance(shown, Decimal):
        same = shown == command.value
    else:
        same = abs(shown - float(command.value)) <= 1e-6 * max(1.0, abs(shown))  # a float register rounds
    if same:
        return Result(Status.DONE, readback=shown)
    return Result(Status.FAILED, f"written, but reading back gave {shown}", shown)


def _shown(target: Target, reading: Reading) -> Decimal | float | None:
    """A reading in the channel's unit; None where it has no value, or none that may be used."""
    if reading.value is None or is_bad(reading.quality):
        return None
    if target.channel.tag in (I32LE, I64LE):
        return Decimal(int(reading.value)).scaleb(target.channel.scale)
    return float(reading.value)


def _is_whole(value: Decimal, scale: int) -> bool:
    try:
        scaled = value.scaleb(-scale)
        return scaled == scaled.to_integral_value()
    except DecimalException:
        return False


def _intent(record: Record) -> Command | None:
    try:
        message = decode(record.intent)
    except ProtocolError as error:
        log.error("command %s: its intent on disk cannot be read: %s", record.id.hex(), error)
        return None
    return message if isinstance(message, Command) else None
