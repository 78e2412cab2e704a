"""One driver on one line with one device, and the judgement of what the driver says."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from drivers.base import DeviceError, Line, LineDown, Number, Span
from drivers.conformance.bench import Bench, NotApplicable, Script, beginning, honest, serving
from drivers.conformance.subject import Act, DriverUnderTest
from protocols.quality import is_bad

LONG_S = 3.0  # for answers that must come, on a machine that may be busy
SHORT_S = 0.2  # for those that must not
AT_ONCE = 12  # trials side by side
TRIES = 5  # half a frame may cost the next answer, the one after it shows that, and then the line is opened again


class NotConforming(AssertionError):
    """The driver did what no driver may; says what, and upon what."""


class Recorded(NamedTuple):
    """What the device answered when `span` was read. The last of `answers` is the one that scripts tamper with."""

    span: Span
    answers: tuple[bytes, ...]

    @property
    def last(self) -> bytes:
        return self.answers[-1]


class Trial:
    def __init__(self, subject: DriverUnderTest, bench: Bench, line: Line) -> None:
        self.subject, self.bench, self.line = subject, bench, line

    async def read(self, span: Span, timeout: float) -> dict[str, Number | None] | DeviceError:
        """The expected channels of `span` as the driver has them, or its error. Raises NotConforming for all else."""
        # Twice refused or fenced, and a line that is listened to first: a driver may need a few times its timeout.
        allowed = 4 * timeout + 2.0
        limit = asyncio.timeout(allowed)
        try:
            async with limit:
                raw = await self.line.read(self.subject.unit, span, timeout)
                readings = self.subject.model.decode(span, raw)
        except DeviceError as error:
            return error
        except Exception as error:
            if limit.expired():
                raise NotConforming(f"read with a timeout of {timeout:g} s had not ended after {allowed:g} s") from None
            raise NotConforming(f"read raised {error!r}; what a device does is told as a DeviceError") from error
        found = {}
        wanted = self.subject.expected_in(span)
        for channel, value, quality in readings:
            name = self.subject.model.channels[channel].name
            if name in wanted:
                if value is None and not is_bad(quality):
                    raise NotConforming(f"{name} has no value and quality {quality:#06x}, which is not Bad")
                found[name] = None if is_bad(quality) else value
        return found

    async def must(self, span: Span, when: str) -> None:
        """The read succeeds, and exactly."""
        found = await self.read(span, LONG_S)
        if isinstance(found, DeviceError):
            raise NotConforming(f"{when}: {span} failed: {found}") from found
        self._compare(span, found, when)

    async def may_fail(self, span: Span, when: str, timeout: float = SHORT_S) -> DeviceError | None:
        """The read fails, or succeeds exactly."""
        found = await self.read(span, timeout)
        if isinstance(found, DeviceError):
            return found
        self._compare(span, found, when)
        return None

    async def recovers(self, span: Span, when: str) -> None:
        """With the device honest again, one of a few reads succeeds, and none is wrong. A line that is down is opened
        again, as its owner would."""
        self.bench.script = honest
        for _ in range(TRIES):
            error = await self.may_fail(span, when, LONG_S)
            if error is None:
                return
            if isinstance(error, LineDown):
                await within(self.line.open(), f"{when}, open")
        raise NotConforming(f"{when}: {span} failed {TRIES} times: {error}")

    def turn_to(self, subject: DriverUnderTest) -> None:
        """The device has other values from now on."""
        self.subject = subject
        self.bench.turn_to(beginning(subject, Act.HONEST))

    async def record(self, span: Span) -> Recorded:
        before = len(self.bench.answers)
        await self.must(span, "with nothing wrong")
        return Recorded(span, tuple(self.bench.answers[before:]))

    def _compare(self, span: Span, found: dict[str, Number | None], when: str) -> None:
        for name, value in self.subject.expected_in(span).items():
            if name not in found:
                raise NotConforming(f"{when}: {span} was read, and {name} is not among its readings")
            if found[name] != value or isinstance(found[name], bool):
                raise NotConforming(f"{when}: {name} is {found[name]!r}, it must be {value!r}")


@asynccontextmanager
async def on_line(subject: DriverUnderTest, act: Act = Act.HONEST) -> AsyncIterator[Trial]:
    async with serving(subject, act) as bench:
        line = subject.connect(bench.address)
        await line.open()
        try:
            yield Trial(subject, bench, line)
        finally:
            await within(line.close(), "close")


async def within(action: Awaitable[None], what: str) -> None:
    """For what must neither fail nor last."""
    try:
        async with asyncio.timeout(LONG_S):
            await action
    except DeviceError as error:
        raise NotConforming(f"{what} failed: {error}") from error
    except TimeoutError:
        raise NotConforming(f"{what} had not ended after {LONG_S:g} s") from None


async def recorded(subject: DriverUnderTest) -> list[Recorded]:
    async with on_line(subject) as trial:
        return [await trial.record(span) for span in subject.spans()]


async def tampered(
    subject: DriverUnderTest, example: Recorded, script: Script, when: str, timeout: float = SHORT_S
) -> DeviceError | None:
    """On a line of its own: the answer to `example` goes through `script`, then the device is honest again."""
    async with on_line(subject) as trial:
        trial.bench.script = once(script, len(example.answers))
        error = await trial.may_fail(example.span, when, timeout)
        await trial.recovers(example.span, f"after that ({when})")
        return error


def once(script: Script, at: int) -> Script:
    """`script` for the answer with number `at` from now on, counted from 1; the others are honest."""
    count = 0

    def play(answer: bytes) -> Iterable[Any]:
        nonlocal count
        count += 1
        return script(answer) if count == at else honest(answer)

    return play


async def side_by_side(trials: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Raises the first failure."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(trial: Callable[[], Awaitable[object]]) -> None:
        async with room:
            await trial()

    try:
        async with asyncio.TaskGroup() as tasks:
            for trial in trials:
                tasks.create_task(one(trial))
    except BaseExceptionGroup as group:
        cause: BaseException = group
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise cause from None


def run(check: Callable[[DriverUnderTest], Awaitable[None]], subject: DriverUnderTest) -> None:
    """In an event loop of its own. Raises NotConforming, or NotApplicable."""
    complaints: list[str] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(f"{context['message']}: {context.get('exception')!r}")
        )
        await check(subject)
        gc.collect()  # futures that nobody asked about tell so when they go
        await asyncio.sleep(0)
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            raise NotConforming(f"a closed line has left {len(left)} tasks running")

    try:
        asyncio.run(watched())
    except NotApplicable:
        raise
    except NotConforming as error:
        raise NotConforming("; ".join([str(error), *complaints])) from error
    if complaints:
        raise NotConforming(f"an error came out of the event loop: {complaints[0]}")
