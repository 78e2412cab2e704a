"""The gateway's command line. Exit status: 0 well, 1 failed, 2 the configuration is wrong."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import config, toml
from agent.configuration.cli import add_commands as add_configuration_commands
from agent.diagnosis.cli import add_commands

# Nothing else is imported up here: `status` starts in a tenth of the time without numpy.

OK, FAILED, WRONG = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    # One small matrix at a time: with threads of its own BLAS takes 7 ms where 43 us suffice, and memory for each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.version:
        from agent.version import version

        print(f"hutong-agent {version()}")
        return OK
    if options.action is None:
        parser.print_help(sys.stderr)
        return WRONG
    try:
        return int(options.action(options))
    except toml.ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"hutong-agent: {_count(len(error.problems), 'mistake')} in the configuration", file=sys.stderr)
        return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hutong-agent", description="The gateway: reads devices, filters, keeps and sends."
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.set_defaults(action=None)
    commands = parser.add_subparsers(title="commands")
    for name, action, words in (
        ("run", _run, "read the devices until stopped"),
        ("check", _check, "check the configuration, its models and its secrets"),
        ("status", _status, "show what a running gateway does"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("config", type=Path, metavar="CONFIG", help="the gateway's TOML file")
        command.set_defaults(action=action)
        if name == "run":
            command.add_argument("-v", "--verbose", action="store_true", help="log what is done, not only what fails")
        if name == "status":
            command.add_argument("--json", action="store_true", help="print the report as JSON")
    add_commands(commands)
    add_configuration_commands(commands)
    return parser


def _count(number: int, one: str, more: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number} {more or f'{one}s'}"


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    from agent import supervisor
    from drivers import catalog

    settings = config.load(options.config, os.environ, catalog.ALL)
    try:
        supervisor.run(settings, catalog.ALL)
    except supervisor.CannotRun as error:
        print(f"hutong-agent: {error}", file=sys.stderr)
        return FAILED
    return OK


def _check(options: argparse.Namespace) -> int:
    from agent import admission, site
    from agent.bus.memory import Memory
    from drivers import catalog

    settings = config.load(options.config, os.environ, catalog.ALL)
    built = site.build(settings)
    channels = sum(len(plan.channels) for plan in built.plans)
    counts = (
        _count(len(settings.buses), "bus", "buses"),
        _count(len(built.plans), "device"),
        _count(channels, "channel"),
    )
    well = True
    for line in admission.weigh(built, {**catalog.ALL, **settings.outsiders}, Memory(site.memory_file(settings))):
        well &= line.fits
        print(*admission.render(line), sep="\n")
    print(f"{options.config}: {', '.join(counts)}: {'all well' if well else 'some would miss their ticks'}")
    return OK if well else FAILED


def _status(options: argparse.Namespace) -> int:
    from agent import control, status

    settings = config.load(options.config, os.environ)
    try:
        report = control.ask(settings.gateway.data_dir, "report")
    except (control.NotRunning, control.Declined) as error:
        print(f"hutong-agent: {error}", file=sys.stderr)
        return FAILED
    print(json.dumps(report, ensure_ascii=False, indent=2) if options.json else status.render(report))
    return OK


if __name__ == "__main__":
    sys.exit(main())
