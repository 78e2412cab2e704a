"""The kit's commands of `hutong-sim`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from protocols import trace
from protocols.errors import RemoteProtocolError

OK, FAILED, WRONG = 0, 1, 2


def add_commands(commands: Any) -> None:
    """`commands` are argparse's subparsers."""
    new = commands.add_parser(
        "new",
        help="begin a driver: code or template, simulator, tests, both languages",
        description="Makes a folder with all that a new kind of device needs; its tests are green at once.",
    )
    new.add_argument("what", choices=("driver",), metavar="driver")
    new.add_argument("name", metavar="NAME", help="small letters and digits, like acme-tank: the maker's name first")
    kinds = "code for a protocol of its own (unless given), template for a Modbus register map"
    new.add_argument("--kind", choices=("code", "template"), default="code", help=kinds)
    new.add_argument("--dir", type=Path, default=Path(), help="where the folder is made (here)")
    new.set_defaults(action=_new)

    bring = commands.add_parser(
        "import",
        help="make a device template of a vendor's register list",
        description="Makes a template of Modbus registers (docs/devices.md) of a list saved as CSV, in UTF-8 or "
        "GB18030, with a header in English or Chinese. Each row that cannot be used is told with its line and why, and "
        "the exit status is 1 then.",
    )
    bring.add_argument("list", type=Path, metavar="CSV")
    bring.add_argument("--model", required=True, metavar="NAME", help="what the model is called")
    bring.add_argument("--base", choices=("auto", "0", "1"), default="auto",
                       help="what the list calls the first address; auto: 40001 and the like as old manuals have them, "
                            "others from 0")  # fmt: skip
    bring.add_argument("--table", choices=("coil", "discrete", "input", "holding"),
                       help="for lists that do not say in which table a register is")  # fmt: skip
    bring.add_argument("--dir", type=Path, default=Path(), help="where NAME.toml is written (here)")
    bring.set_defaults(action=_import)

    replay = commands.add_parser(
        "replay",
        help="play again what devices said: a simulator's journal, or a trace of hutong-agent",
        description="A journal (docs/simulators.md): serves its Modbus devices on one TCP port. Their registers hold "
        "what was read from them, moment by moment, from its beginning to its end, and then stay. Faults are not "
        "played, and nothing can be written. A trace of `hutong-agent trace --out`: to each request the very bytes "
        "that came after it in the field come again, in the same time, whatever the protocol.",
    )
    replay.add_argument("file", type=Path, metavar="FILE")
    replay.add_argument("--listen", default="127.0.0.1:5020", metavar="HOST:PORT", help="where (127.0.0.1:5020)")
    replay.add_argument("--link", type=Path, metavar="PATH", help="of a trace: on a pseudo-terminal at this path")
    replay.add_argument("--bus", metavar="NAME", help="of a trace with several lines: which of them")
    replay.add_argument("--device", action="append", default=[], metavar="CODE", help="only this one; may be repeated")
    replay.add_argument("--speed", type=float, default=1.0, help="so many times as fast (1)")
    replay.set_defaults(action=_replay)


def _new(options: argparse.Namespace) -> int:
    from sim_devices.kit import scaffold

    try:
        folder = scaffold.create(options.name, options.kind, options.dir)
    except (scaffold.Refused, OSError) as error:
        print(f"hutong-sim new: {error}", file=sys.stderr)
        return WRONG
    print(scaffold.next_steps(folder, options.kind))
    return OK


def _import(options: argparse.Namespace) -> int:
    from sim_devices.kit import register_list
    from sim_devices.kit.register_row import NAME

    target = options.dir / f"{options.model}.toml"
    try:
        if not NAME.fullmatch(options.model):
            raise register_list.Unreadable(
                f"{options.model!r} is no name for a model: small letters, digits and '_', at most 48, a letter first"
            )
        if target.exists():
            raise register_list.Unreadable(f"{target} is there already; remove it, or choose another name")
        imported = register_list.read(options.list.read_bytes(), options.base, options.table)
        if imported.channels:
            target.write_text(register_list.render(options.model, imported), "utf-8")
    except (register_list.Unreadable, OSError) as error:
        print(f"hutong-sim import: {options.list}: {error}", file=sys.stderr)
        return WRONG
    for note in imported.notes:
        print(f"{options.list}: {note}", file=sys.stderr)
    for line, why in imported.refused:
        print(f"{options.list}:{line}: refused: {why}", file=sys.stderr)
    rows = len(imported.channels) + len(imported.refused)
    print(f"{len(imported.channels)} of {rows} rows taken, {len(imported.refused)} refused"
          + (f": {target}" if imported.channels else "; nothing was written"))  # fmt: skip
    if imported.channels:
        print("Look through it before it is used: titles in both languages, quantities, counters, limits.")
    return FAILED if imported.refused or not imported.channels else OK


def _replay(options: argparse.Namespace) -> int:
    from sim_devices.kit import replay

    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or not options.speed > 0:
        print("hutong-sim replay: --listen is to be host:port, and --speed above 0", file=sys.stderr)
        return WRONG
    try:
        with options.file.open(encoding="utf-8") as lines:
            played = _trace(lines.readlines(), options.bus) if _is_trace(lines) else None
            if played is None:
                recording = replay.read(lines, options.device)
                devices = replay.by_unit(recording)
    except (OSError, UnicodeDecodeError, replay.Unusable, RemoteProtocolError) as error:
        print(f"hutong-sim replay: {options.file}: {error}", file=sys.stderr)
        return WRONG
    try:
        if played is not None:
            asyncio.run(_play(played, host, int(port), options.link))
        else:
            asyncio.run(_serve(recording, devices, host, int(port), options.speed))
    except OSError as error:
        print(f"hutong-sim replay: {options.listen}: {error.strerror or error}", file=sys.stderr)
        return FAILED
    return OK


def _is_trace(lines: TextIO) -> bool:
    first = lines.readline()
    lines.seek(0)
    try:
        return trace.HEADER in json.loads(first)
    except (ValueError, TypeError):
        return False


def _trace(lines: Sequence[str], bus: str | None) -> trace.Recording:
    """That of `bus`, or the only one. Raises RemoteProtocolError."""
    recordings = trace.decode(lines)
    wanted = [recording for recording in recordings if bus in (None, recording.about.bus)]
    if len(wanted) != 1:
        names = ", ".join(recording.about.bus for recording in recordings)
        raise RemoteProtocolError(f"name one of its lines with --bus: {names}")
    return wanted[0]


async def _play(recording: trace.Recording, host: str, port: int, link: Path | None) -> None:
    """Until it is told to end."""
    from sim_devices.clock import Clock
    from sim_devices.kit.trace_player import Player, Script
    from sim_devices.servers import PtyServer, Server, TcpServer
    from sim_devices.stopping import told_to_stop

    script, now = Script(recording), Clock(None, 1.0).now
    player = Player(script)
    server: Server
    if link is not None:
        server = PtyServer("replay", link, 0, player, now)
    else:
        kind = "tcp" if script.on_tcp else "serial-over-tcp"
        server = TcpServer("replay", host, port, player, now, kind=kind)
    told = told_to_stop()
    await server.start()
    about = recording.about
    what = f"{script.exchanges} exchanges" if script.exchanges else f"{len(script.unasked)} pieces that came unasked"
    print(f"{what} of {about.bus} ({about.driver}) on {server.address}", flush=True)
    try:
        await told.wait()
    finally:
        await server.close()
        if player.unknown:
            print(f"{player.unknown} requests were not in the recording, and were not answered", flush=True)


async def _serve(recording: Any, devices: Any, host: str, port: int, speed: float) -> None:
    """Until it is told to end."""
    from sim_devices.clock import Clock
    from sim_devices.faults import Faults
    from sim_devices.modbus.session import PROTOCOL
    from sim_devices.servers import TcpServer
    from sim_devices.stopping import told_to_stop

    def advance(now_ms: int) -> None:
        for device in devices.values():
            device.now_ms = now_ms

    slaves = PROTOCOL.gather(devices, Faults(seed=0), advance, None)
    server = TcpServer("replay", host, port, slaves, Clock(recording.begin, speed).now, kind="tcp")
    told = told_to_stop()
    await server.start()
    seconds = (recording.end - recording.begin) / 1000 / speed
    print(f"{len(devices)} devices of {seconds:.0f} s on {server.address}:", flush=True)
    for unit, device in devices.items():
        print(f"  unit {unit}  {device.code}", flush=True)
    if recording.others:
        print(f"  {recording.others} lines are of other protocols than Modbus, and are not played", flush=True)
    try:
        await told.wait()
    finally:
        await server.close()
