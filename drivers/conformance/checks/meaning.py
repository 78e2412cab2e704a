"""What the readings say: exact values, counters, sentinels; and whether decoding stands any bytes."""

import math
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from drivers.base import DeviceError, ModelError, Readings, Span
from drivers.conformance.bench import NotApplicable
from drivers.conformance.checks.check import Check
from drivers.conformance.subject import DriverUnderTest
from drivers.conformance.trial import NotConforming, on_line
from protocols.edge.birth import Kind
from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE
from protocols.quality import is_bad

RANGES = {I32LE: range(-(2**31), 2**31), I64LE: range(-(2**63), 2**63)}
LOST_BY_F32 = 2**24  # whole numbers up to here a float of 32 bits holds, too
SEED, ROUNDS = 7, 400


async def description(subject: DriverUnderTest) -> None:
    model = subject.model
    names = [channel.name for channel in model.channels]
    if len(set(names)) != len(names):
        raise NotConforming(f"two channels of {model.name} have one name")
    if unknown := subject.expect.keys() - set(names):
        raise NotConforming(f"`expect` names {', '.join(sorted(unknown))}, which {model.name} does not have")
    for what, title in [(model.name, model.title), *((channel.name, channel.title) for channel in model.channels)]:
        if not title.get("en") or not title.get("zh"):
            raise NotConforming(f"{what} needs a title in en and one in zh, and has {dict(title)}")
    for channel in model.channels:
        if channel.tag not in (F32LE, F64LE, I32LE, I64LE):
            raise NotConforming(f"{channel.name} has the tag {channel.tag}, which no column has")
        if channel.tag in (F32LE, F64LE) and channel.scale:
            raise NotConforming(f"{channel.name} travels as a float and has a scale: only integers have one")
    if {point.channel for point in model.points} != set(range(len(names))):
        raise NotConforming("every channel needs a point, and every point a channel")
    if subject.family.unit(subject.unit) != subject.unit:
        raise NotConforming(f"unit({subject.unit!r}) is {subject.family.unit(subject.unit)!r}: not one spelling")
    for unit in (-1, 10**9, "", "x" * 99, "电表"):
        _only(ValueError, partial(subject.family.unit, unit), f"unit({unit!r})")
    _only(ValueError, lambda: subject.family.options({"no_such_option": 1}, Path()), "options with an unknown key")
    for source in ("no_such_model", "/no/such/file.toml"):
        _only(ModelError, partial(subject.family.load_model, source), f"load_model({source!r})")


def _only(error: type[Exception], action: Callable[[], object], what: str) -> None:
    """Configurations are written by people: what is wrong in them is told in this way alone."""
    try:
        action()
    except error:
        pass
    except Exception as other:
        raise NotConforming(f"{what} raised {other!r}, it may only raise {error.__name__}") from other


async def values(subject: DriverUnderTest) -> None:
    async with on_line(subject) as trial:
        for _ in range(2):
            for span in subject.spans():
                await trial.must(span, "with nothing wrong")


async def counters(subject: DriverUnderTest) -> None:
    channels = [channel for channel in subject.model.channels if channel.kind is Kind.COUNTER]
    if not channels:
        raise NotApplicable(f"{subject.model.name} has no counter")
    for channel in channels:
        if channel.tag not in RANGES:
            raise NotConforming(f"{channel.name} is a counter and travels as a float: its last digits get lost")
    expected = {channel.name: subject.expect.get(channel.name) for channel in channels}
    counted = {name: value for name, value in expected.items() if value is not None}
    if any(channel.tag == I64LE for channel in channels) and max(counted.values(), default=0) <= LOST_BY_F32:
        raise NotConforming(f"`expect` a counter above {LOST_BY_F32}, or nothing is proven of its last digits")
    async with on_line(subject) as trial:
        for span in subject.spans():
            found = await trial.read(span, 3.0)
            if isinstance(found, DeviceError):
                raise NotConforming(f"{span} failed: {found}") from found
            for name in counted.keys() & subject.expected_in(span).keys():
                if type(found.get(name)) is not int or found[name] != counted[name]:
                    raise NotConforming(f"counter {name} is {found.get(name)!r}, it must be {counted[name]!r}")


async def sentinels(subject: DriverUnderTest) -> None:
    missing = [span for span in subject.spans() if None in subject.expected_in(span).values()]
    if not missing:
        raise NotApplicable("`expect` has no channel without a value")
    async with on_line(subject) as trial:
        for span in missing:
            await trial.must(span, "where the device has no value")


async def decode_any(subject: DriverUnderTest) -> None:
    """Not a fixed table of bytes: what the device really says, mutated, finds more than noise does."""
    generator = random.Random(SEED)
    async with on_line(subject) as trial:
        for span in subject.spans():
            honest = await trial.line.read(subject.unit, span, 3.0)
            for _ in range(ROUNDS):
                _decode(subject, span, mutated(honest, generator))


def mutated(data: bytes, generator: random.Random) -> bytes:
    """`data` with a byte changed, lost or put in, its head or tail alone, or noise of any length."""
    at = generator.randrange(len(data) + 1)
    match generator.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data[:at] + generator.randbytes(1) + data[at + 1 :]
        case 3:
            return data[:at] + data[at + 1 :]
        case 4:
            return data[:at] + generator.randbytes(1) + data[at:]
        case _:
            return generator.randbytes(generator.randrange(2 * len(data) + 2))


def _decode(subject: DriverUnderTest, span: Span, raw: bytes) -> None:
    try:
        readings: Readings = subject.model.decode(span, raw)
    except DeviceError:
        return
    except Exception as error:
        raise NotConforming(f"decode of {raw.hex(' ')} raised {error!r}, not a DeviceError") from error
    for index, value, quality in readings:
        channel = subject.model.channels[index]
        if value is None:
            if not is_bad(quality):
                raise NotConforming(f"decode of {raw.hex(' ')}: {channel.name} has no value, and is not Bad")
        elif channel.tag in RANGES:
            if type(value) is not int or value not in RANGES[channel.tag]:
                raise NotConforming(f"decode of {raw.hex(' ')}: {channel.name} is {value!r}, which no column holds")
        elif not math.isfinite(value):
            raise NotConforming(f"decode of {raw.hex(' ')}: {channel.name} is {value!r}; no such number travels")


CHECKS = (
    Check("description", "titles in both languages, one name a channel, tags and scales that a batch can carry; wrong "
          "units, options and models are told as such", description),
    Check("values", "every expected channel arrives exactly, read after read", values),
    Check("counters", "counters are integers to the last digit", counters),
    Check("sentinels", "where the device has no value there is none, and the quality is Bad", sentinels),
    Check("decode-any-bytes", "decoding mutated answers raises nothing but DeviceError, and yields no NaN and nothing "
          "that its column does not hold", decode_any),
)  # fmt: skip
