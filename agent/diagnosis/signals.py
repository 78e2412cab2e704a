"""Rules of the line doctor that look at the bytes themselves. Pure."""

from collections.abc import Iterator
from statistics import median

from agent.diagnosis.evidence import Exchange, LineEvidence
from agent.diagnosis.finding import Confidence, Finding, shown, times
from agent.diagnosis.frames import Part, family_of
from protocols.modbus.crc import crc16

CERTAIN, LIKELY, POSSIBLE = Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE
ENOUGH = 3
TAIL = 4  # bytes: what an end of line that rings adds to a frame is no longer
# What a UART reads of a line that nobody drives: one edge, anywhere in the byte.
RESTING = frozenset((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF))
NEARLY = 0.8  # of the timeout
FORGOTTEN_MS = 10_000
OTHER_LENGTH = "were asked"  # protocols.modbus.parse: the answer is to another request


def garbage(line: LineEvidence) -> Iterator[Finding]:
    """Bytes come, but hardly ever a frame among them."""
    noisy = [exchange for exchange in line.exchanges if exchange.bad and not exchange.good]
    good = sum(1 for exchange in line.exchanges if exchange.good)
    if len(noisy) < ENOUGH or good > len(noisy) // 10:
        return
    said = b"".join(exchange.raw for exchange in noisy)
    evidence: tuple[str, ...] = (
        f"{len(noisy)} answers of {len(line.exchanges)} requests hold no frame, {good} do",
        f"for example {shown(noisy[-1].raw)}",
    )
    if all(byte in RESTING for byte in said):
        yield Finding(
            "inverted", "the line rests at the wrong level: A and B swapped, or no bias", LIKELY,
            (*evidence, "only bytes that a line at rest or floating makes: 00, FF and their like"),
            ("swap A and B at the adapter", "else fit bias resistors (or the adapter's own) and the common wire"),
        )  # fmt: skip
        return
    paired = sum(_paired(byte) for byte in said) / len(said)
    if paired > 0.5:
        evidence = (*evidence, f"{paired:.0%} of the bytes have their bits in pairs: the sender is slower")
    yield Finding(
        "speed", "devices speak at another speed or parity, or another protocol", LIKELY if paired > 0.5 else POSSIBLE,
        evidence,
        (f"compare the devices' speed and parity with the line's{f' ({line.settings})' if line.settings else ''}",
         "`hutong-agent scan --offline` tries speeds, parities and protocols" if line.is_serial
         else "a terminal server has speed and parity in its own settings"),
    )  # fmt: skip


def _paired(byte: int) -> bool:
    """Whether its bits come in equal pairs, beginning with the start bit, as those of a byte at half the speed do; one
    byte of noise in sixteen does so."""
    bits = [0, *(byte >> place & 1 for place in range(7))]
    return all(bits[place] == bits[place + 1] for place in range(0, 8, 2))


def two_on_one_address(line: LineEvidence) -> Iterator[Finding]:
    for device in line.devices:
        mine = line.asked(device["unit"])
        twice = [exchange for exchange in mine if len(_own(exchange)) > 1]
        differing = [exchange for exchange in twice if len({part.data for part in _own(exchange)}) > 1]
        if len(differing) > 1:
            first, second = [part.data for part in _own(differing[-1])][:2]
            yield Finding(
                "two-on-one-address", f"two devices answer as unit {device['unit']}", LIKELY,
                (f"{times(len(differing))} of {len(mine)} requests two whole answers came, and they differ",
                 f"for example {shown(first)} and {shown(second)}"),
                ("pull one of the two off: which of them is left answers alone",
                 "give one of them another address; new devices often come as 1"),
                (device["code"],),
            )  # fmt: skip
        elif len(twice) >= ENOUGH:
            yield Finding(
                "answers-twice", f"unit {device['unit']} is answered twice, with the same words", POSSIBLE,
                (f"{times(len(twice))} of {len(mine)} requests the answer came twice over",),
                ("a repeater or converter doubles frames", "or two devices of one address have the same values"),
                (device["code"],),
            )  # fmt: skip
        elif finding := _collisions(line, device["unit"], device["code"], mine):
            yield finding


def _own(exchange: Exchange) -> list[Part]:
    return [part for part in exchange.good if part.unit == exchange.unit]


def _collisions(line: LineEvidence, unit: object, code: str, mine: list[Exchange]) -> Finding | None:
    """One address is spoilt, beyond a bit or two, while the others on the line are clean."""
    broken = [exchange for exchange in mine if exchange.bad and not exchange.good]
    spoilt = [exchange for exchange in broken if not repairable(line, exchange.raw)]
    others = [exchange for exchange in line.exchanges if exchange.unit != str(unit)]
    clean = [exchange for exchange in others if exchange.answered]
    if len(spoilt) < ENOUGH or len(clean) < ENOUGH or any(exchange.bad for exchange in others):
        return None
    alike = len({exchange.raw for exchange in spoilt if exchange.request == spoilt[0].request}) == 1
    return Finding(
        "collision", f"answers of unit {unit} are spoilt as if two spoke at once", POSSIBLE,
        (f"{len(spoilt)} of {len(mine)} answers hold no frame, by more than a bit or two",
         f"{len(clean)} answers of others on the line came clean: it is not the line",
         f"for example {shown(spoilt[-1].raw)}", *(("each time the same bytes",) if alike else ())),
        ("look for a second device of this address: pull this one off; does the address still answer?",
         "if it does not, the device's own driver or stub is bad: change it"),
        (code,),
    )  # fmt: skip


def another_answers(line: LineEvidence) -> Iterator[Finding]:
    """A frame of somebody who was not asked, nor shortly before."""
    strange: dict[tuple[str, str], int] = {}
    before = ""
    for exchange in line.exchanges:
        for part in exchange.good:
            if part.unit not in (exchange.unit, before):
                strange[exchange.unit, part.unit] = strange.get((exchange.unit, part.unit), 0) + 1
        before = exchange.unit
    for (asked, answered), count in strange.items():
        if count >= ENOUGH:
            yield Finding(
                "another-answers", f"where unit {asked} is asked, unit {answered} answers", CERTAIN,
                (f"{times(count)} in what is recorded",),
                ("a gateway in between may answer in its own name: ask for that unit",
                 "another master on the line asks too, and these are its answers: there may be one only"),
            )  # fmt: skip


def late(line: LineEvidence) -> Iterator[Finding]:
    """Answers that came after their request was given up, or nearly."""
    for device in line.devices:
        unit = str(device["unit"])
        delays = _late(line, unit)
        latency = device["latency_ms"]
        silent = device["errors"].get("timeout", 0)
        if delays and silent:
            slowest = max(delays)
            yield Finding(
                "late", f"unit {unit} answers later than it is waited for", LIKELY if len(delays) > 1 else POSSIBLE,
                (f"{times(len(delays))} its answer came {min(delays):.0f} to {slowest:.0f} ms after the request",
                 f"{silent} requests to it timed out; it is waited for {line.timeout_ms:.0f} ms"),
                (f"set timeout_s of the bus to {_rounded(1.5 * slowest)} at least",
                 "if it is behind a radio or a gateway, its own timeout must be shorter than ours"),
                (device["code"],),
            )  # fmt: skip
        elif latency is not None and silent and latency["p99"] > NEARLY * line.timeout_ms:
            yield Finding(
                "late", f"unit {unit} answers hardly in time", POSSIBLE,
                (f"one answer of a hundred takes {latency['p99']:.0f} of {line.timeout_ms:.0f} ms",
                 f"{silent} requests to it timed out"),
                (f"set timeout_s of the bus to {_rounded(1.5 * latency['p99'])}, and see whether the timeouts end",),
                (device["code"],),
            )  # fmt: skip


def _late(line: LineEvidence, unit: str) -> list[float]:
    """Delays in ms of the answers of `unit` that came behind their time: while another was asked, or to a question that
    was no longer the last. Meters answer in order, and an answer of another length than was asked for gives it away."""
    found = []
    owed: list[int] = []
    for exchange in line.exchanges:
        own = exchange.unit == unit
        if own:
            owed.append(exchange.t_us)
        for part, came_us in zip(exchange.heard, exchange.came_us, strict=True):
            if not part.good or part.unit != unit or not owed:
                continue
            older = OTHER_LENGTH in part.words and len(owed) > 1
            delay = (came_us - owed[-2 if own and older else -1]) / 1000
            if own and not older and delay <= line.timeout_ms:
                owed.clear()
            elif delay < FORGOTTEN_MS:
                found.append(delay)
    return found


def _rounded(ms: float) -> str:
    return f"{max(round(ms / 1000, 1), 0.1):g}"


def echo(line: LineEvidence) -> Iterator[Finding]:
    heard = [exchange for exchange in line.exchanges if exchange.echo]
    if len(heard) < ENOUGH or len(heard) < len(line.exchanges) // 2:
        return
    alone = [exchange for exchange in heard if not exchange.raw]
    evidence = [f"{len(heard)} of {len(line.exchanges)} requests came back byte for byte"]
    if len(alone) == len(heard):
        evidence.append("and nothing else ever did: the adapter hears itself, the devices do not answer it")
    yield Finding(
        "echo", "the adapter hears what it sends", CERTAIN, tuple(evidence),
        ("the gateway takes the echo off, so it does no harm but for the time of listening",
         "two-wire adapters have a switch or jumper for it (RE tied to DE)"),
    )  # fmt: skip


def trailing(line: LineEvidence) -> Iterator[Finding]:
    """Whole answers with a few bytes before or behind them that are none of anybody's."""
    behind, ahead, rest = 0, 0, b""
    for exchange in line.exchanges:
        for place, part in enumerate(exchange.heard):
            if part.good or len(part.data) > TAIL:
                continue
            if any(other.good and other.unit for other in exchange.heard[:place]):
                behind, rest = behind + 1, rest + part.data
            elif any(other.good and other.unit for other in exchange.heard[place:]):
                ahead, rest = ahead + 1, rest + part.data
    answered = sum(1 for exchange in line.exchanges if exchange.good)
    if behind + ahead < ENOUGH or behind + ahead < answered // 10:
        return
    resting = all(byte in RESTING for byte in rest)
    yield Finding(
        "termination", "the line rings or floats when nobody drives it", LIKELY if resting else POSSIBLE,
        (f"{behind} of {answered} whole answers have stray bytes behind them, {ahead} ahead of them",
         f"for example {shown(rest[-8:])}" + (": what a line at rest makes" if resting else "")),
        ("120 ohm between A and B at both ends of the cable, and nowhere else", "bias resistors at one place",
         *(() if resting else ("or somebody else speaks on the line",))),
    )  # fmt: skip


def damaged(line: LineEvidence) -> Iterator[Finding]:
    """Frames that were sent whole and came with wrong bits, while others come well."""
    asked = {str(device["unit"]): line.asked(device["unit"]) for device in line.devices}
    told = {unit for unit, mine in asked.items() if _collisions(line, unit, "", mine)}
    bad = [one for one in line.exchanges if one.bad and not one.good and one.unit not in told]
    good = [exchange for exchange in line.exchanges if exchange.answered]
    if len(bad) < 2 or len(good) <= len(bad) // 10:
        return
    flipped = [exchange for exchange in bad if repairable(line, exchange.raw)]
    short = [exchange for exchange in bad if 0 < len(exchange.raw) < _usual(good, exchange)]
    units = {exchange.unit for exchange in bad}
    codes = tuple(device["code"] for device in line.devices if str(device["unit"]) in units)
    one = len(units) == 1 and len(line.devices) > 1
    evidence = [f"{len(bad)} answers are damaged, {len(good)} came well", f"for example {shown(bad[-1].raw)}"]
    if flipped:
        evidence.append(f"{len(flipped)} are whole but for one or two wrong bits")
    if short:
        evidence.append(f"{len(short)} are shorter than such answers are")
    where = "only of one device" if one else "of several devices" if len(units) > 1 else "of the only device"
    evidence.append(f"damaged answers are {where}")
    advice = [
        "keep the cable off power cables and drives; ground its shield at one end",
        "120 ohm at both ends; slower is safer on long lines",
    ]
    if one:
        advice = ["look at this device's plug, stub and driver; the others' answers come well", *advice]
    if short and not flipped:
        advice = ["lost bytes: another USB port or adapter, a slower speed", *advice]
    yield Finding(
        "noise", "frames are damaged on the way", LIKELY if len(flipped) * 2 >= len(bad) else POSSIBLE,
        tuple(evidence), tuple(advice), codes if one else (),
    )  # fmt: skip


def _usual(good: list[Exchange], like: Exchange) -> float:
    lengths = [len(exchange.raw) for exchange in good if exchange.request == like.request]
    return median(lengths) if lengths else 0


def repairable(line: LineEvidence, data: bytes) -> bool:
    """Whether one or two bits next to one another, turned over, make it the Modbus RTU frame whose sum it carries."""
    if family_of(line.driver) != "modbus-rtu" or not 4 <= len(data) <= 256:
        return False
    wrong = crc16(data[:-2]) ^ int.from_bytes(data[-2:], "little")
    return wrong in _syndromes(len(data))


_KNOWN: dict[int, frozenset[int]] = {}


def _syndromes(length: int) -> frozenset[int]:
    """What the sum of a frame of `length` bytes is off by for each such error. CRC is linear: it does not depend on
    what the frame says."""
    if length not in _KNOWN:
        blank = bytes(length - 2)
        base = crc16(blank)
        found = set()
        for pattern in (1, 3):
            for bit in range(8 * length - (pattern == 3)):
                turned = (pattern << bit).to_bytes(length, "little")
                found.add(crc16(turned[:-2]) ^ base ^ int.from_bytes(turned[-2:], "little"))
        _KNOWN[length] = frozenset(found)
    return _KNOWN[length]
