"""The simulators' command line. Exit status: 0 well, 1 failed, 2 wrong arguments or configuration."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim_devices.kit.cli import add_commands as add_kit_commands

OK, FAILED, WRONG = 0, 1, 2
CITY = Path("var/city")
CONTROL_VARIABLE = "HUTONG_SIM_CONTROL"

EXAMPLE = """\
a first simulation:

  cat > bench.toml <<END
  control = "bench.sock"
  [[bus]]
  name = "bench"
  kind = "tcp"                 # or rtu-over-tcp, or pty with link = "ttyBENCH"
  listen = "127.0.0.1:5020"
  [[bus.device]]
  code = "D11011490010001015"
  name = "lamp"
  model = "lamp_controller"
  unit = 1
  END
  hutong-sim run bench.toml --start 2026-06-21T19:30:00+08:00 --speed 60

and from another terminal, for a city or for that bench (--control bench.sock):

  hutong-sim list
  hutong-sim fault lamp late --for 30s --probability 0.2
  hutong-sim show lamp
  hutong-sim clear
"""


def main(arguments: Sequence[str] | None = None) -> int:
    # One small matrix at a time: threads of its own cost BLAS more than they bring, and memory for each.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if getattr(options, "verbose", False) else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    action: Any = options.action
    try:
        return int(action(options))
    except KeyboardInterrupt:
        return OK
    except BrokenPipeError:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "hutong-sim",
        description="Simulated devices over real sockets and serial lines, with faults on demand.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="simulate the devices of a configuration until stopped")
    run.add_argument("config", type=Path, metavar="CONFIG", help="a TOML file (docs/simulators.md)")
    run.add_argument("--speed", type=float, help="let time run so many times as fast")
    run.add_argument("--start", type=_moment, help="begin at this moment, like 2026-06-21T18:00:00+08:00")
    run.add_argument("--seed", type=int, help="draw another world")
    run.add_argument("--with", dest="outside", action="append", default=[], metavar="MODULE",
                     help="simulators of one's own: a Python module, or a .py file; its code is run")  # fmt: skip
    run.add_argument("-v", "--verbose", action="store_true", help="log more")
    run.set_defaults(action=_run)

    from sim_devices.faults import MEANING  # numpy comes with it, which `--help` of others could do without

    meanings = "\n".join(f"  {kind:<12} {words}" for kind, words in MEANING.items())
    fault = commands.add_parser(
        "fault",
        help="make a device misbehave",
        description="Makes a device, all of a bus, or with '*' everything misbehave.",
        epilog=f"kinds:\n{meanings}\n\nA second fault of a kind replaces the first; faults of several kinds add up.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fault.add_argument("device", metavar="DEVICE", help="its code or name, a bus's name, or '*'")
    fault.add_argument("kind", metavar="KIND", help=f"one of {', '.join(MEANING)}")
    fault.add_argument("--for", dest="for_s", type=_duration, metavar="TIME", help="as 30s, 5m or 1h; else for good")
    fault.add_argument("--probability", type=float, metavar="P", help="how many of its answers, 0..1 (1)")
    fault.add_argument("--delay", dest="delay_s", type=_duration, metavar="TIME", help="for slow, late, disconnect")
    fault.add_argument("--code", dest="exception", type=int, metavar="N", help="for exception (4)")
    fault.set_defaults(action=_fault)

    listing = commands.add_parser("list", help="list devices, where they are reached, and their faults")
    listing.add_argument("device", nargs="?", default="*", metavar="DEVICE", help="only these")
    listing.set_defaults(action=_list)

    show = commands.add_parser("show", help="print the values behind a device's registers")
    show.add_argument("device", metavar="DEVICE", help="its code or name, or a bus's name")
    show.set_defaults(action=_show)

    clear = commands.add_parser("clear", help="end the faults of a device, or all")
    clear.add_argument("device", nargs="?", metavar="DEVICE", help="its code or name, or a bus's name")
    clear.set_defaults(action=_clear)

    from sim_devices.modem.actions import ACTIONS

    actions = "\n".join(f"  {name:<14} {action.meaning}" for name, action in ACTIONS.items())
    modem = commands.add_parser(
        "modem",
        help="make a modem or its network misbehave",
        description="Does something to a simulated NB-IoT modem, or to the network it is in.",
        epilog=f"actions:\n{actions}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    modem.add_argument("modem", metavar="MODEM", help="its name")
    modem.add_argument("do", metavar="ACTION", choices=tuple(ACTIONS), help=f"one of {', '.join(ACTIONS)}")
    modem.add_argument("--loss", type=float, metavar="P", help="share of datagrams that its network loses")
    modem.add_argument("--delay", dest="delay_s", type=_duration, metavar="TIME", help="of everything, one way")
    modem.add_argument("--rsrp", dest="rsrp_dbm", type=float, metavar="DBM", help="how well it is received")
    modem.set_defaults(action=_modem)

    for command in (fault, listing, show, clear, modem):
        command.add_argument("--dir", type=Path, default=CITY, help=f"the city's folder ({CITY})")
        command.add_argument(
            "--control", type=Path, metavar="SOCKET", help=f"a simulation's own socket (or ${CONTROL_VARIABLE})"
        )
        command.add_argument("--json", action="store_true", help="print the answer as JSON")

    city = commands.add_parser(
        "city",
        help="run the demonstration block: database, broker, server, gateways, devices",
        description="Starts the whole block as processes below one folder and keeps them running; Ctrl-C stops all. "
        "Keys, passwords and data stay in the folder: run it again and the city goes on.",
    )
    city.add_argument("--dir", type=Path, default=CITY, help=f"where everything is kept ({CITY})")
    city.add_argument("--speed", type=float, default=1.0, help="let the devices' time run so many times as fast")
    city.add_argument("--start", type=_moment, help="begin the devices' time at this moment")
    city.add_argument("--seed", type=int, default=1, help="draw another world (1)")
    city.add_argument("--broker", choices=("mosquitto", "iotcore"), help="the first that is here, unless named")
    city.add_argument("--journal", type=Path, metavar="FILE", help="write every answered read request to this file")
    city.add_argument("--until-live", action="store_true", help="stop again as soon as data has arrived")
    city.add_argument("--guest", type=Path, metavar="FILE", help="one gateway more, with the buses of this TOML file")
    city.add_argument("-v", "--verbose", action="store_true", help="log more")
    city.set_defaults(action=_city)
    add_kit_commands(commands)
    return parser


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; write 500ms, 30s, 5m or 1h")
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}[found[2]]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; write 2026-06-21T18:00:00+08:00") from None
    return moment if moment.tzinfo else moment.astimezone()


def _run(options: argparse.Namespace) -> int:
    from sim_devices import config
    from sim_devices.kit import outside

    try:
        for source in options.outside:
            outside.add(source)
        loaded = config.load(options.config)
    except (config.ConfigError, outside.CannotAdd) as error:
        print(error, file=sys.stderr)
        return WRONG
    except OSError as error:
        print(f"hutong-sim: {options.config}: {error.strerror}", file=sys.stderr)
        return WRONG
    given = {key: getattr(options, key) for key in ("speed", "start", "seed") if getattr(options, key) is not None}
    if not given.get("speed", 1.0) > 0:
        print(f"hutong-sim: --speed is to be above 0, not {given['speed']:g}", file=sys.stderr)
        return WRONG
    try:
        asyncio.run(_simulate(replace(loaded, **given)))
    except OSError as error:
        print(f"hutong-sim: {error}", file=sys.stderr)
        return FAILED
    return OK


async def _simulate(config: Any) -> None:
    from sim_devices.control import ControlServer
    from sim_devices.simulation import Simulation
    from sim_devices.stopping import told_to_stop

    stop = told_to_stop()
    async with contextlib.AsyncExitStack() as stack:
        simulation = await stack.enter_async_context(Simulation(config))
        if config.control is not None:
            await stack.enter_async_context(ControlServer(config.control, simulation))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(simulation.run())
            await stop.wait()
            running.cancel()


def _ask(options: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any] | None:
    """The answer of the simulation meant; None when it refused, with the reason on stderr."""
    from sim_devices.control import Refused, ask

    control = options.control or (Path(given) if (given := os.environ.get(CONTROL_VARIABLE)) else None)
    if control is None:
        try:
            control = Path(json.loads((options.dir / "run.json").read_text(encoding="utf-8"))["control"])
        except (OSError, ValueError, KeyError):
            print(f"hutong-sim: no city runs in {options.dir}; name it with --dir, or a socket with --control",
                  file=sys.stderr)  # fmt: skip
            return None
    try:
        answer = ask(control, request)
    except Refused as error:
        print(f"hutong-sim: {error}", file=sys.stderr)
        return None
    if options.json:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    return answer


def _fault(options: argparse.Namespace) -> int:
    keys = ("device", "kind", "for_s", "probability", "delay_s", "exception")
    answer = _ask(options, {"do": "fault"} | {key: getattr(options, key) for key in keys})
    if answer is None:
        return FAILED
    if not options.json:
        until = "until cleared" if options.for_s is None else f"for {options.for_s:g} s"
        print(f"{options.kind} {until}: {', '.join(answer['devices'])}")
    return OK


def _clear(options: argparse.Namespace) -> int:
    answer = _ask(options, {"do": "clear", "device": options.device})
    if answer is None:
        return FAILED
    if not options.json:
        print(f"{answer['ended']} faults ended")
    return OK


def _list(options: argparse.Namespace) -> int:
    answer = _ask(options, {"do": "list", "device": options.device})
    if answer is None:
        return FAILED
    if options.json:
        return OK
    moment = datetime.fromtimestamp(answer["sim_ms"] / 1000, UTC).astimezone()
    print(f"simulated time {moment:%Y-%m-%d %H:%M:%S %z}, {answer['speed']:g} times as fast\n")
    rows = [("DEVICE", "CODE", "MODEL", "BUS", "UNIT", "REQUESTS", "FAULTS")]
    for device in answer["devices"]:
        faults = ", ".join(_fault_words(fault) for fault in device["faults"])
        rows.append((device["name"], device["code"], device["model"], device["bus"], str(device["unit"]),
                     str(device["requests"]), faults or "-"))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, [*widths, 0], strict=True)))
    return OK


def _fault_words(fault: dict[str, Any]) -> str:
    words = str(fault["kind"])
    if fault["probability"] < 1:
        words += f" {fault['probability']:.0%}"
    return words if fault["left_s"] is None else f"{words} {fault['left_s']:g} s"


def _modem(options: argparse.Namespace) -> int:
    keys = ("modem", "loss", "delay_s", "rsrp_dbm")
    answer = _ask(options, {"do": "modem", "action": options.do} | {key: getattr(options, key) for key in keys})
    if answer is None:
        return FAILED
    if not options.json:
        hung = f", hung ({answer['hung']})" if answer["hung"] else ""
        print(f"{options.do}: {answer['modem']}: network {answer['network']}{hung}")
    return OK


def _show(options: argparse.Namespace) -> int:
    answer = _ask(options, {"do": "show", "device": options.device})
    if answer is None:
        return FAILED
    if not options.json:
        for name, values in answer["values"].items():
            print(name)
            for key, value in values.items():
                print(f"  {key:<20} {_words(value)}")
    return OK


def _words(value: float | bool | None) -> str:
    if value is None:
        return "no value"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tell(line: str) -> None:
    # The city goes on although nobody reads any more: `hutong-sim city | head`.
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)


def _city(options: argparse.Namespace) -> int:
    from sim_devices.city.program import StartFailed
    from sim_devices.city.supervisor import City, Wishes

    if not options.speed > 0:
        print(f"hutong-sim: --speed is to be above 0, not {options.speed:g}", file=sys.stderr)
        return WRONG
    if not options.verbose:
        logging.getLogger("sim_devices.city").setLevel(logging.WARNING)
    wishes = Wishes(
        folder=options.dir.resolve(),
        speed=options.speed,
        start=options.start,
        seed=options.seed,
        broker=options.broker,
        journal=None if options.journal is None else options.journal.resolve(),
        until_live=options.until_live,
        guest=None if options.guest is None else options.guest.resolve(),
    )
    try:
        return OK if asyncio.run(City(wishes, _tell).run()) else FAILED
    except (StartFailed, OSError) as error:
        print(f"hutong-sim: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
