"""The commands of `hutong-agent` with which a technician looks into a line. Imports as it goes: they start at once."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.settings import Config
    from protocols.trace import Recording

OK, FAILED = 0, 1
FOLLOW_S = 0.5
TAUGHT = {
    "trace": """\
> we said, < we heard, ! what the gateway made of it. A running gateway keeps its last bytes, and those around faults.

  hutong-agent trace gateway.toml --bus poles --follow
  hutong-agent trace gateway.toml --bus poles --out bad.jsonl    # and on the desk: hutong-sim replay bad.jsonl""",
    "doctor": """\
certain: it was seen itself; likely: hardly anything else does that; possible: other causes are named. It looks at what
a running gateway recorded; the exit status is 0 where nothing is found.

  hutong-agent doctor gateway.toml --bus poles""",
    "top": """\
b, e, l and a sort by bus, errors, latency and age; / filters; arrows scroll; q quits. 80 by 24 is enough.""",
    "scan": """\
Beside a running gateway it waits for its polls: expect a quarter of an hour. Ctrl-C ends it, and prints what was found.
Without one the line is asked at full speed, and with --offline at all speeds and parities.

  hutong-agent scan gateway.toml --bus poles""",
}


def add_commands(commands: Any) -> None:
    """`commands` are argparse's subparsers."""
    trace = _command(commands, "trace", _trace, "show the bytes that went over the lines, and around each fault")
    only = trace.add_mutually_exclusive_group()
    only.add_argument("--device", default="", metavar="CODE", help="only what concerns this device")
    only.add_argument("--bus", metavar="NAME", help="only this line")
    where = trace.add_mutually_exclusive_group()
    where.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    where.add_argument("--out", type=Path, metavar="FILE", help="write a file that `hutong-sim replay` plays")

    doctor = _command(commands, "doctor", _doctor, "name the likely cause of a line's faults, with the evidence")
    doctor.add_argument("--bus", metavar="NAME", help="only this line")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")

    _command(commands, "top", _top, "watch buses, devices, latencies and errors, refreshed each second")

    scan = _command(
        commands, "scan", _scan, "look for devices on a line that nobody configured, between the live polls"
    )
    scan.add_argument("--bus", required=True, metavar="NAME", help="on this line")
    scan.add_argument("--offline", action="store_true",
                      help="try all speeds and parities; the gateway must not run")  # fmt: skip


def _command(commands: Any, name: str, action: Callable[[argparse.Namespace], int], words: str) -> Any:
    command = commands.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=TAUGHT[name],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("config", type=Path, metavar="CONFIG", help="the gateway's TOML file")
    command.set_defaults(action=lambda options: _guarded(action, options))
    return command


def _guarded(action: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    from agent import control

    try:
        return action(options)
    except (control.NotRunning, control.Declined) as error:
        print(f"hutong-agent: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _load(options: argparse.Namespace) -> "Config":
    from agent import config

    return config.load(options.config, os.environ)


def _fetch(settings: "Config", **details: Any) -> "tuple[list[Recording], dict[str, int]]":
    from agent import control
    from protocols import trace

    answer = control.ask(settings.gateway.data_dir, "trace", **details)
    return trace.from_objects(answer["trace"]), answer["next"]


def _trace(options: argparse.Namespace) -> int:
    from agent.diagnosis import page
    from protocols import trace

    settings = _load(options)
    wanted = {"bus": options.bus, "device": options.device}
    recordings, following = _fetch(settings, **wanted)
    if options.out is not None:
        try:
            options.out.write_text("".join(f"{line}\n" for line in trace.encode(recordings)), "utf-8")
        except OSError as error:
            print(f"hutong-agent: {options.out}: {error.strerror}", file=sys.stderr)
            return FAILED
        count = sum(len(recording.pieces) for recording in recordings)
        print(f"{options.out}: {count} pieces of {len(recordings)} lines")
        return OK
    for recording in recordings:
        print(*page.render(recording, options.device), sep="\n", flush=True)
    several = len(recordings) > 1
    while options.follow:
        time.sleep(FOLLOW_S)
        recordings, following = _fetch(settings, **wanted, since=following)
        for recording in recordings:
            for line in page.render(recording, options.device, heading=False):
                print(f"{recording.about.bus}  {line}" if several else line, flush=True)
    return OK


def _doctor(options: argparse.Namespace) -> int:
    import json

    from agent import control
    from agent.diagnosis import doctor
    from agent.diagnosis.evidence import gather

    settings = _load(options)
    report = control.ask(settings.gateway.data_dir, "report")
    recordings, _ = _fetch(settings, bus=options.bus)
    lines = gather(report, recordings, {bus.name: bus.timeout_s for bus in settings.buses}, options.bus)
    findings = {line.name: doctor.examine(line) for line in lines}
    if options.json:
        told = {name: [finding.as_dict() for finding in found] for name, found in findings.items()}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        print(*doctor.render(findings), sep="\n")
    return FAILED if any(findings.values()) else OK


def _top(options: argparse.Namespace) -> int:
    from agent import control
    from agent.diagnosis import screen

    data_dir = _load(options).gateway.data_dir
    if not sys.stdout.isatty():
        print("hutong-agent: top needs a terminal; `status` prints the same once", file=sys.stderr)
        return FAILED
    try:
        screen.run(lambda: control.ask(data_dir, "report"))
    except screen.UnknownTerminal as error:
        print(f"hutong-agent: {error}", file=sys.stderr)
        return FAILED
    return OK


def _scan(options: argparse.Namespace) -> int:
    import asyncio

    from agent.diagnosis import scan
    from agent.diagnosis.search import Search

    settings = _load(options)
    bus = next((bus for bus in settings.buses if bus.name == options.bus), None)
    if bus is None:
        names = ", ".join(bus.name for bus in settings.buses)
        print(f"hutong-agent: there is no bus {options.bus!r}; there is {names}", file=sys.stderr)
        return FAILED
    bar, begun, broken = _Bar(), list[Search](), ""
    try:
        asyncio.run(scan.run(settings.gateway.data_dir, bus, offline=options.offline, tell=bar.show, begun=begun))
    except scan.CannotScan as error:
        broken = str(error)
    except KeyboardInterrupt:
        broken = "broken off; the rest was not asked"
    finally:
        bar.clear()
    if begun or not broken:
        print(*scan.render(begun, bus), sep="\n")
    if broken:
        print(f"hutong-agent: {broken}", file=sys.stderr)
    return FAILED if broken else OK


class _Bar:
    """A line on the terminal that tells how far it is; nothing where no terminal is."""

    WIDTH = 24

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, asked: int, total: int, words: str) -> None:
        if self._shown:
            full = self.WIDTH * asked // max(total, 1)
            bar = "#" * full + "." * (self.WIDTH - full)
            print(f"\r\x1b[K[{bar}] {asked}/{total} {words}"[:78], end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
