"""When answers come: late, twice, slowly, to nobody any more, or never."""

import asyncio
import random
from functools import partial
from itertools import permutations

from drivers.base import LineDown, Unreachable
from drivers.conformance.bench import NotApplicable, Piece, silent
from drivers.conformance.checks.check import Check
from drivers.conformance.checks.meaning import SEED
from drivers.conformance.subject import DriverUnderTest
from drivers.conformance.trial import (
    LONG_S,
    SHORT_S,
    NotConforming,
    Recorded,
    on_line,
    once,
    recorded,
    side_by_side,
    within,
)

MOST_PAIRS = 6
BABBLE_S, BURSTS = 3.2, 80  # longer than a read with SHORT_S may last
SLOW_S = 1.0  # of a timeout of LONG_S


def pairs(
    subject: DriverUnderTest, examples: list[Recorded], *, needed: bool = True
) -> list[tuple[Recorded, Recorded]]:
    """Two requests with different answers, those that look most alike first. Raises NotApplicable if `needed`."""
    found = [
        (one, other)
        for one, other in permutations(examples, 2)
        if list(subject.expected_in(one.span).values()) != list(subject.expected_in(other.span).values())
    ]
    if needed and not found:
        raise NotApplicable("`expect` leads to one request only: there is no next answer to mistake another for")
    found.sort(key=lambda pair: abs(len(pair[0].last) - len(pair[1].last)))
    return found[:MOST_PAIRS]


def changing(subject: DriverUnderTest, examples: list[Recorded]) -> list[tuple[Recorded, DriverUnderTest]]:
    """The requests whose answers are other ones a while later."""
    after = subject.a_while_later()
    if after is None:
        return []
    return [
        (example, after)
        for example in examples
        if after.expected_in(example.span) and subject.expected_in(example.span) != after.expected_in(example.span)
    ]


async def late(subject: DriverUnderTest) -> None:
    async def before_its_repetition(example: Recorded, after: DriverUnderTest) -> None:
        async with on_line(subject) as trial:
            kept: list[bytes] = []

            def hold(answer: bytes) -> list[Piece]:
                kept.append(answer)
                return []

            trial.bench.script = once(hold, len(example.answers))
            await trial.may_fail(example.span, "with no answer")
            trial.turn_to(after)
            trial.bench.script = once(lambda answer: [*kept, answer], 1)
            when = f"with the answer to an earlier {example.span} coming late"
            await trial.may_fail(example.span, when, LONG_S)
            await trial.recovers(example.span, when)

    async def before_the_next(first: Recorded, second: Recorded, *, asked: bool) -> None:
        """The late answer comes when the next request has been sent, or else shortly before."""
        async with on_line(subject) as trial:
            kept: list[bytes] = []

            def hold(answer: bytes) -> list[Piece]:
                kept.append(answer)
                return []

            trial.bench.script = once(hold, len(first.answers))
            if await trial.may_fail(first.span, "with no answer") is None:
                raise NotConforming(f"nothing answered {first.span}, and it was read all the same")
            if asked:
                trial.bench.script = once(lambda answer: [*kept, answer], 1)
            else:
                trial.bench.script = lambda answer: [answer]
                trial.bench.play(kept)
            when = f"with the answer to {first.span} coming late"
            await trial.may_fail(second.span, when, LONG_S)
            await trial.recovers(second.span, when)
            await trial.recovers(first.span, when)

    examples = await recorded(subject)
    again = [partial(before_its_repetition, *one) for one in changing(subject, examples)[:MOST_PAIRS]]
    found = pairs(subject, examples, needed=not again)
    await side_by_side(
        again + [partial(before_the_next, *pair, asked=asked) for pair in found for asked in (True, False)]
    )


async def duplicate(subject: DriverUnderTest) -> None:
    async def twice(first: Recorded, second: Recorded, gap: float) -> None:
        async with on_line(subject) as trial:
            trial.bench.script = lambda answer: [answer, gap, answer] if gap else [answer + answer]
            when = "with every answer coming twice"
            for example in (first, second, second, first):
                await trial.may_fail(example.span, when, LONG_S)
                await asyncio.sleep(2 * gap)  # the second comes when nothing is asked
            await trial.recovers(second.span, f"after {when}")
            await trial.recovers(first.span, f"after {when}")

    found = pairs(subject, await recorded(subject))
    await side_by_side(partial(twice, *pair, gap) for pair in found[:2] for gap in (0.0, 0.05))


async def slow(subject: DriverUnderTest) -> None:
    async def wait(example: Recorded) -> None:
        async with on_line(subject) as trial:
            trial.bench.script = lambda answer: [SLOW_S / 2 / len(example.answers), answer]
            await trial.must(example.span, f"from a device that takes {SLOW_S / 2:g} of {LONG_S:g} s to answer")

    await side_by_side([partial(wait, example) for example in (await recorded(subject))[:2]])


async def cancelled(subject: DriverUnderTest) -> None:
    async def give_up(first: Recorded, second: Recorded, share: float) -> None:
        async with on_line(subject) as trial:
            kept: list[bytes] = []

            def hold(answer: bytes) -> list[Piece]:
                cut = int(share * len(answer))
                kept.append(answer[cut:])
                return [answer[:cut]] if cut else []

            trial.bench.script = once(hold, len(first.answers))
            before = len(trial.bench.answers)
            async with asyncio.TaskGroup() as tasks:
                read = tasks.create_task(trial.read(first.span, LONG_S))
                await trial.bench.asked(before + len(first.answers))
                await asyncio.sleep(0.02)  # so that the piece is in the driver's hands
                read.cancel()
            if not read.cancelled():
                raise NotConforming(f"a read that was cancelled ended with {read.result()!r}")
            trial.bench.script = lambda answer: [answer]
            trial.bench.play(kept)
            when = f"after a read of {first.span} was cancelled"
            error = await trial.may_fail(second.span, when, LONG_S)
            if isinstance(error, LineDown):
                raise NotConforming(f"{when} the line is down: {error}")
            await trial.recovers(second.span, when)
            await trial.recovers(first.span, when)

    examples = await recorded(subject)
    found = pairs(subject, examples, needed=False) or [(examples[0], examples[0])]
    await side_by_side(partial(give_up, *pair, share) for pair in found[:2] for share in (0.0, 0.5))


async def babble(subject: DriverUnderTest) -> None:
    """Noise for longer than the read may take, then silence."""
    generator = random.Random(SEED)
    async with on_line(subject) as trial:
        span = subject.spans()[0]
        pieces: list[Piece] = [
            piece for _ in range(BURSTS) for piece in (generator.randbytes(8), BABBLE_S / BURSTS)
        ]  # fmt: skip
        answers = iter([pieces])
        trial.bench.script = lambda _: next(answers, [])
        when = "on a line that is never quiet"
        if subject.checksum:
            await trial.may_fail(span, when)
        else:  # any bytes may be a value
            await trial.read(span, SHORT_S)
        await asyncio.sleep(BABBLE_S)
        await trial.recovers(span, f"after being {when}")


async def half_open(subject: DriverUnderTest) -> None:
    async with on_line(subject) as trial:
        span = subject.spans()[0]
        trial.bench.script = silent
        for _ in range(3):
            error = await trial.may_fail(span, "with a peer that is connected and says nothing")
            if not isinstance(error, Unreachable):
                raise NotConforming(f"silence is told as {error!r}, it must be Unreachable")
            if trial.bench.address not in str(error):
                raise NotConforming(f"{str(error)!r} does not say on which line; its address is {trial.bench.address}")
        await within(trial.line.close(), "close")
        await within(trial.line.open(), "open")
        await trial.recovers(span, "after a line that said nothing was opened again")


CHECKS = (
    Check("late-replies", "a late reply is never taken for the next answer", late),
    Check("duplicate-replies", "an answer that comes twice is never taken for the next one", duplicate),
    Check("slow-peer", "an answer that takes its time, and comes within the timeout, is read", slow),
    Check("cancelled-read", "a read that is cancelled ends as cancelled, and leaves the line usable", cancelled),
    Check("babbling-line", "a line that is never quiet is an error in time, and is used again once it is quiet",
          babble),
    Check("half-open", "silence ends with Unreachable, in time, with the line's name; the line can be opened again",
          half_open),
)  # fmt: skip
