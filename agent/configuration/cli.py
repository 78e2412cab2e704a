"""`hutong-agent apply`: a technician's way to change a running gateway. Imports as it goes."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.configuration.trial import LONGEST_S, TRIAL_S

OK, FAILED, WRONG = 0, 1, 2
ASK_S = 60.0  # reading a thousand devices, and the disk
WATCH_S = 0.3


def add_commands(commands: Any) -> None:
    """`commands` are argparse's subparsers."""
    words = "change the running gateway to what its file says now, on trial"
    apply = commands.add_parser("apply", help=words, description=f"{words[0].upper()}{words[1:]}.")
    apply.add_argument("config", type=Path, metavar="CONFIG", help="the gateway's TOML file")
    apply.add_argument("--dry-run", action="store_true", help="only say what would change, and who would miss polls")
    apply.add_argument(
        "--trial", type=_seconds, default=TRIAL_S, metavar="SECONDS", help=f"how long on trial ({TRIAL_S:g})"
    )
    apply.add_argument("--yes", action="store_true", help="keep it if it proves itself, without asking")
    apply.set_defaults(action=_apply)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to {LONGEST_S:g}")
    return seconds


def _apply(options: argparse.Namespace) -> int:
    from agent import config, control
    from agent.toml import ConfigError

    try:
        data_dir = config.load(options.config, os.environ).gateway.data_dir
    except ConfigError as error:
        return _refused(error.problems)
    confirm = not (options.yes or options.dry_run)
    try:
        answer = control.ask(
            *(data_dir, "apply"),
            timeout_s=ASK_S,
            path=str(options.config.resolve()),
            dry_run=options.dry_run,
            trial_s=options.trial,
            confirm=confirm,
        )
        if answer["problems"]:
            return _refused(answer["problems"])
        print(*answer["lines"], sep="\n")
        if answer["number"] is None:
            return OK
        print(f"configuration {answer['number']} is on trial for {answer['trial_s']:g} s", flush=True)
        if confirm:
            _ask_people(data_dir, answer["number"])
        return _watch(data_dir, answer["number"])
    except (control.NotRunning, control.Declined) as error:
        print(f"hutong-agent: {error}", file=sys.stderr)
        return FAILED


def _refused(problems: Iterable[str]) -> int:
    print(*problems, sep="\n", file=sys.stderr)
    print("hutong-agent: refused; the gateway goes on as before", file=sys.stderr)
    return WRONG


def _ask_people(data_dir: Path, number: int) -> None:
    """Who has cut himself off cannot answer, and no answer is a no. Raises Declined where it is over already."""
    from agent import control

    try:
        said = input("Keep it, if it proves itself? [y/N] ")
    except EOFError:
        said = ""
    if said.strip().lower() in ("y", "yes"):
        control.ask(data_dir, "confirm", number=number)


def _watch(data_dir: Path, number: int) -> int:
    """Until the trial is over. Ctrl-C ends the watching, not the trial."""
    from agent import control

    try:
        while (told := control.ask(data_dir, "configuration"))["trial_left_s"] is not None:
            time.sleep(WATCH_S)
    except KeyboardInterrupt:
        return OK
    return _outcome(told, number)


def _outcome(told: Mapping[str, Any], number: int) -> int:
    if told["number"] == number:
        print(f"configuration {number} has proven itself")
        return OK
    reason = (told["refused"] or {}).get("reason", "another one came after it")
    print(f"configuration {number} is refused, and {told['number']} runs again: {reason}", file=sys.stderr)
    return FAILED
