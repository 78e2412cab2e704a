"""Rules of the line doctor: whether line and devices are there at all, and what they say of themselves. Pure."""

from collections.abc import Iterator

from agent.diagnosis.evidence import LineEvidence
from agent.diagnosis.finding import Confidence, Finding, times

WENT = ("look at its power and its own plug; the line as such works",)
NEVER_CAME = (
    "compare its unit (address) with the configuration",
    "compare its speed and parity with the others'; `hutong-agent scan` looks for it at other addresses",
)
ENOUGH = 3  # requests without a byte, before anybody is called silent
LATELY = 8
CERTAIN, LIKELY, POSSIBLE = Confidence.CERTAIN, Confidence.LIKELY, Confidence.POSSIBLE
# What the system says when a line cannot be opened or is lost: (words, cause, title, advice).
DOWN = (
    (
        ("No such file", "No such device", "Input/output error", "end of file", "adapter is gone"),
        "adapter-gone",
        "the serial adapter is not there",
        ("look whether it is plugged in: ls -l /dev/serial/by-id, and dmesg for its USB port",
         "name it by its /dev/serial/by-id path: that stays when it is plugged in elsewhere"),
    ),
    (
        ("another program has it open",),
        "port-taken",
        "another program uses the serial port",
        ("fuser -v on the port names the program; two masters on one line spoil each other's frames",),
    ),
    (
        ("Permission denied",),
        "no-permission",
        "this user may not open the serial port",
        ("add the gateway's user to the port's group (dialout), and start the gateway again",),
    ),
    (
        ("refused", "Connect call failed"),
        "tcp-refused",
        "the host is there, but nothing listens on that port",
        ("compare host and port with the device's own settings page",
         "some devices take one connection only: close other programs that use it"),
    ),
    (
        ("closed by the other side", "reset by peer", "Broken pipe"),
        "tcp-closed",
        "the other side closes the connection",
        ("some devices close what is idle, or take one connection only: look for another master",),
    ),
    (
        ("did not open within", "No route to host", "unreachable", "timed out", "Name or service", "name resolution"),
        "host-unreachable",
        "the host does not answer at all",
        ("ping it from the gateway; look at its power, its cable and its address",),
    ),
    (
        ("nothing on it answers",),
        "half-open",
        "the connection opens, and then nothing answers on it",
        ("restart the device or terminal server: a half-open connection may hold its only place",),
    ),
)  # fmt: skip


def line_is_down(line: LineEvidence) -> Iterator[Finding]:
    lost = [fault for fault in line.faults if not fault.device]
    told = line.fault if not line.is_open else lost[-1].detail if lost else ""
    for words, cause, title, advice in DOWN:
        if any(word in told for word in words):
            now = "the line is down now" if not line.is_open else "the line is open again"
            evidence = [f"{told} ({now})", f"opened {times(line.opened)} since the gateway started"]
            if len(lost) > 1:
                evidence.append(f"{times(len(lost))} in what is recorded")
            silent = cause == "half-open" and line.is_serial  # then nobody_answers has more to say
            if not silent:
                yield Finding(cause, title, LIKELY if cause == "half-open" else CERTAIN, tuple(evidence), advice)
            return
    if not line.is_open and line.fault:
        yield Finding("line-down", "the line is down", CERTAIN, (line.fault,), ("these words tell the cause",))


def nobody_answers(line: LineEvidence) -> Iterator[Finding]:
    """Silence of all has causes that no byte tells apart."""
    last = line.exchanges[-LATELY:]
    if not line.is_open or len(last) < ENOUGH or any(exchange.raw for exchange in last):
        return
    if any(device["age_ms"] is not None and device["reachable"] and not device["fault"] for device in line.devices):
        return
    ever = any(device["values"] for device in line.devices)
    to = len({exchange.unit for exchange in last})
    evidence = (
        f"the last {len(last)} requests, to {to} device{'s' * (to != 1)}, brought not one byte",
        "they answered earlier in this run" if ever else "nothing was ever heard since the gateway started",
    )
    if not line.is_serial:
        yield Finding(
            "line-silent", "the connection stands, but nobody on it answers", CERTAIN, evidence,
            ("compare the unit with the device's; a gateway in between may have lost the line behind it",
             "look at the power of what hangs behind the connection, and at the gateway's own baud and parity"),
        )  # fmt: skip
        return
    advice: tuple[str, ...] = (
        "is there power at the devices, and is the cable whole: measure between A and B, 0.2 V or more at rest",
        "swap A and B at the adapter: makers name them differently, and swapped all is silent",
        f"are the devices set to {line.settings}? `hutong-agent scan --offline` tries all speeds and parities",
        "try another adapter: one that does not switch its driver off drowns every answer",
    )
    if ever:
        advice = (
            "it worked before: look at power, cable and plugs first, at what was changed since",
            "pull devices off one by one: one with a broken driver holds the whole line",
        )
    yield Finding("line-silent", "the whole line is silent", CERTAIN, evidence, advice)


def somebody_is_silent(line: LineEvidence) -> Iterator[Finding]:
    """While others answer."""
    others = any(device["reachable"] and device["age_ms"] is not None for device in line.devices)
    if not others or not line.is_open:
        return
    for device in line.devices:
        mine = line.asked(device["unit"])[-ENOUGH:]
        if device["reachable"] or len(mine) < ENOUGH or any(exchange.raw for exchange in mine):
            continue
        ever = device["values"] > 0
        yield Finding(
            "device-silent",
            f"unit {device['unit']} is silent, the others on the line answer",
            CERTAIN,
            (f"the last {len(mine)} requests to it brought not one byte",
             "it answered before" if ever else "it never answered since the gateway started"),
            WENT if ever else NEVER_CAME,
            (device["code"],),
        )  # fmt: skip


def refusals(line: LineEvidence) -> Iterator[Finding]:
    for device in line.devices:
        refused = [
            part.words for exchange in line.asked(device["unit"]) for part in exchange.good
            if part.words.startswith("refused")
        ]  # fmt: skip
        count = device["errors"].get("refused", 0)
        if count and refused:
            yield Finding(
                "refused", f"unit {device['unit']} answers, but refuses what it is asked", CERTAIN,
                (f"refused {times(count)}; the last: {refused[-1]}",),
                ("does the template fit this model and firmware? Compare its register list",),
                (device["code"],),
            )  # fmt: skip


def overload(line: LineEvidence) -> Iterator[Finding]:
    """Where it is not faults that take the time: whoever waits for one device is late for the others."""
    late = [device for device in line.devices if device["missed"] > max(3, 0.01 * device["polls"])]
    faults = sum(sum(device["errors"].values()) for device in line.devices)
    if late and faults * 100 < sum(device["polls"] for device in line.devices):
        missed = sum(device["missed"] for device in late)
        yield Finding(
            "overload", "the line is asked for more than it carries", LIKELY,
            (f"{missed} ticks of {len(late)} devices passed unread",),
            ("`hutong-agent check` computes what the line takes and what would fit",
             "longer periods, or a higher speed"),
            tuple(device["code"] for device in late),
        )  # fmt: skip
