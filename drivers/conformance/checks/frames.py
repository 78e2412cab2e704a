"""What becomes of frames on their way: cut, lost, spoilt, mixed with noise, sent by another, refused."""

import random
from functools import partial

from drivers.base import Refused
from drivers.conformance.bench import NotApplicable
from drivers.conformance.checks.check import Check
from drivers.conformance.checks.meaning import SEED, mutated
from drivers.conformance.subject import Act, DriverUnderTest
from drivers.conformance.trial import (
    LONG_S,
    SHORT_S,
    NotConforming,
    Recorded,
    on_line,
    once,
    recorded,
    side_by_side,
    tampered,
)

PAUSE_S = 0.004  # between two pieces: enough for them to arrive apart, less than any line's silence between frames
MOST_PLACES = 40  # in one frame; of longer ones the ends, and places spread over the rest


def places(length: int) -> list[int]:
    """Indices from 0 to length - 1."""
    if length <= MOST_PLACES:
        return list(range(length))
    edge = MOST_PLACES // 4
    step = (length - 2 * edge) / (MOST_PLACES - 2 * edge)
    inner = [edge + int(step * index) for index in range(MOST_PLACES - 2 * edge)]
    return sorted({*range(edge), *inner, *range(length - edge, length)})


async def split(subject: DriverUnderTest) -> None:
    async def cut(example: Recorded, at: int) -> None:
        async with on_line(subject) as trial:
            trial.bench.script = lambda answer: [answer[:at], PAUSE_S, answer[at:]]
            await trial.must(example.span, f"with its answer in two pieces, the first of {at} bytes")

    async def drip(example: Recorded) -> None:
        async with on_line(subject) as trial:
            trial.bench.script = lambda answer: [
                piece for byte in answer for piece in (bytes((byte,)), PAUSE_S)
            ]  # fmt: skip
            await trial.must(example.span, "with its answer byte by byte")

    examples = await recorded(subject)
    await side_by_side(
        [partial(cut, example, at) for example in examples[:2] for at in places(len(example.last))[1:]]
        + [partial(drip, example) for example in examples]
    )


async def truncated(subject: DriverUnderTest) -> None:
    async def cut(example: Recorded, at: int) -> None:
        when = f"with its answer cut off after {at} of {len(example.last)} bytes"
        if await tampered(subject, example, lambda answer: [answer[:at]], when) is None:
            raise NotConforming(f"{when}, {example.span} was read all the same")

    examples = await recorded(subject)
    await side_by_side(
        partial(cut, example, at) for example in examples[:2] for at in places(len(example.last))
    )  # fmt: skip


async def corrupted(subject: DriverUnderTest) -> None:
    if not subject.checksum:
        raise NotApplicable("the protocol has no checksum: a changed byte cannot be noticed")

    async def spoil(example: Recorded, at: int, mask: int) -> None:
        when = f"with byte {at} of its answer changed by {mask:#04x}"
        await tampered(
            subject, example, lambda answer: [answer[:at] + bytes((answer[at] ^ mask,)) + answer[at + 1 :]], when
        )

    examples = await recorded(subject)
    await side_by_side(
        partial(spoil, example, at, mask)
        for example in examples[:2]
        for at in places(len(example.last))
        for mask in (0xFF, 0x01)
    )


async def noise(subject: DriverUnderTest) -> None:
    async def mix(example: Recorded, before: bytes, behind: bytes) -> None:
        when = f"with {before.hex(' ') or 'nothing'} before its answer and {behind.hex(' ') or 'nothing'} behind it"
        await tampered(subject, example, lambda answer: [before + answer + behind], when, LONG_S)

    generator = random.Random(SEED)
    example = (await recorded(subject))[0]
    if not subject.checksum:
        raise NotApplicable("the protocol has no checksum: noise cannot be told from an answer")
    half = example.last[: len(example.last) // 2]
    bursts = [b"\x00", b"\xff\xff\xff", half, *(generator.randbytes(size) for size in (1, 4, 9, 20))]
    await side_by_side(
        partial(mix, example, *pair) for burst in bursts for pair in ((burst, b""), (b"", burst), (burst, burst))
    )


async def random_bytes(subject: DriverUnderTest) -> None:
    async def say(example: Recorded, said: bytes) -> None:
        timeout = SHORT_S
        if subject.checksum:
            await tampered(subject, example, lambda _: [said], f"answered with {said.hex(' ')}", timeout)
        else:  # any bytes may be a value
            async with on_line(subject) as trial:
                trial.bench.script = once(lambda _: [said], len(example.answers))
                await trial.read(example.span, timeout)

    generator = random.Random(SEED)
    examples = (await recorded(subject))[:2]
    await side_by_side(
        partial(say, example, said)
        for example in examples
        for said in [
            *(mutated(example.last, generator) for _ in range(16)),
            *(generator.randbytes(generator.randrange(1, 64)) for _ in range(8)),
        ]
    )


async def wrong_unit(subject: DriverUnderTest) -> None:
    async with on_line(subject, Act.ELSEWHERE) as trial:
        for span in subject.spans():
            error = await trial.read(span, SHORT_S)
            if isinstance(error, dict):
                raise NotConforming(f"another device answered, and {span} was read all the same")


async def refusal(subject: DriverUnderTest) -> None:
    async with on_line(subject, Act.REFUSING) as trial:
        refused = 0
        for span in subject.spans():
            error = await trial.read(span, LONG_S)
            if isinstance(error, dict):
                continue  # the device refuses other requests than this one
            if not isinstance(error, Refused):
                raise NotConforming(f"a refusal is {type(error).__name__} ({error}), it must be Refused with its code")
            refused += 1
        if not refused:
            raise NotConforming("the device refused, and nothing was told as Refused")


CHECKS = (
    Check("split-answers", "an answer is read whole wherever it is cut in two, and byte by byte", split),
    Check("truncated-answers", "an answer that is cut off is an error in time, and the next one is read", truncated),
    Check("corrupted-answers", "a changed byte is an error or changes nothing, and the next answer is read", corrupted),
    Check("noise", "noise around an answer never makes another value, and the next answer is read", noise),
    Check("random-bytes", "any bytes for an answer are an error at most, and the next answer is read", random_bytes),
    Check("wrong-unit", "what another device says is not taken", wrong_unit),
    Check("refusals", "a device that refuses is told as Refused, with its code", refusal),
)
