"""Lines that are not open, are lost, or are asked for what they must not do."""

import socket
from decimal import Decimal
from functools import partial

from drivers.base import DeviceError, LineDown, NotSent
from drivers.conformance.bench import HANG_UP, NotApplicable, Piece, serving
from drivers.conformance.checks.check import Check
from drivers.conformance.subject import DriverUnderTest
from drivers.conformance.trial import LONG_S, NotConforming, Recorded, Trial, on_line, once, recorded, side_by_side


async def not_open(subject: DriverUnderTest) -> None:
    span = subject.spans()[0]
    async with serving(subject) as bench:
        line = subject.connect(bench.address)
        trial = Trial(subject, bench, line)
        if not isinstance(error := await trial.read(span, LONG_S), LineDown):
            raise NotConforming(f"reading before open is {error!r}, it must be LineDown")
        await line.close()
        await line.open()
        await trial.must(span, "once it is open")
        await line.close()
        await line.close()
        if not isinstance(error := await trial.read(span, LONG_S), LineDown):
            raise NotConforming(f"reading after close is {error!r}, it must be LineDown")
        await line.open()
        await trial.must(span, "opened again")
        await line.close()
    line = subject.connect(_nowhere(subject))
    try:
        await line.open()
    except DeviceError:
        await line.close()
    except Exception as error:
        raise NotConforming(f"open where nothing is raised {error!r}, not LineDown") from error
    else:
        await line.close()
        raise NotConforming("open where nothing is raised nothing")


def _nowhere(subject: DriverUnderTest) -> str:
    if subject.on_pty:
        return "/dev/null/nothing"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


async def reconnect(subject: DriverUnderTest) -> None:
    async def lose(example: Recorded, other: Recorded, share: float, more: bytes) -> None:
        async with on_line(subject) as trial:

            def hang_up(answer: bytes) -> list[Piece]:
                return [answer[: int(share * len(answer))] + more, 0.05, HANG_UP]

            when = f"with the line lost behind {share:.0%} of its answer"
            trial.bench.script = once(hang_up, len(example.answers))
            error = await trial.may_fail(example.span, when, LONG_S)
            if share < 1 and error is None:
                raise NotConforming(f"{when}, {example.span} was read all the same")
            if share == 1:  # the loss comes behind the answer
                trial.bench.script = lambda _: []
                error = await trial.may_fail(example.span, f"{when}, asked again", LONG_S)
            if not isinstance(error, LineDown):
                raise NotConforming(f"{when} the error is {error!r}, it must be LineDown")
            await trial.line.open()
            trial.bench.script = lambda answer: [answer]
            # What came over the old connection is nothing to the new one: no second try is needed here.
            await trial.must(other.span, f"opened again, {when}")
            await trial.must(example.span, f"opened again, {when}")

    examples = await recorded(subject)
    first, last = examples[0], examples[-1]
    await side_by_side(
        partial(lose, first, last, share, more)
        for share, more in ((0.0, b""), (0.5, b""), (1.0, b""), (1.0, last.last[:-1]), (1.0, first.last))
    )


async def read_only(subject: DriverUnderTest) -> None:
    fixed = [index for index, channel in enumerate(subject.model.channels) if not channel.writable]
    if not fixed:
        raise NotApplicable(f"every channel of {subject.model.name} is writable")
    async with on_line(subject) as trial:
        try:
            await trial.line.write(subject.unit, subject.model, fixed[0], Decimal(1), LONG_S)
        except NotSent:
            pass
        except Exception as error:
            raise NotConforming(f"writing a channel that is only read raised {error!r}, not NotSent") from error
        else:
            raise NotConforming("a channel that is only read was written")
        if trial.bench.answers:
            raise NotConforming("writing a channel that is only read sent something")


CHECKS = (
    Check("not-open", "a line that is not open says LineDown, and open says so where nothing is", not_open),
    Check("reconnect", "a lost line says LineDown, is opened again, and nothing of before is in its answers",
          reconnect),
    Check("read-only", "a channel that is only read is not written, and nothing is sent", read_only),
)  # fmt: skip
