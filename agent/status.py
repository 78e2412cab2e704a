"""`hutong-agent status`: a socket in the data directory that answers with the report, and the table people read.

The socket has mode 0600: who may read the data directory's secrets may ask. Nothing here imports numpy.
"""

import asyncio
import json
import os
import socket
import unicodedata
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "status.sock"
TIMEOUT_S = 5.0


class NotRunning(Exception):
    """Nobody answers on the socket."""


async def serve(data_dir: Path, report: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
    """Answers every connection with the report as one line of JSON, until cancelled."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(json.dumps(await report(), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # who asked has gone
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, sock=_listen(data_dir))
    try:
        async with server:
            await server.serve_forever()
    finally:
        (data_dir / NAME).unlink(missing_ok=True)


def ask(data_dir: Path) -> dict[str, Any]:
    """The report of the gateway that works in `data_dir`; NotRunning if none does."""
    with socket.socket(socket.AF_UNIX) as client, _short(data_dir) as path:
        client.settimeout(TIMEOUT_S)
        try:
            client.connect(path)
            with client.makefile("rb") as answer:
                report: dict[str, Any] = json.loads(answer.read())
        except (OSError, ValueError) as error:
            raise NotRunning(f"no hutong-agent answers in {data_dir}: {error}") from None
    return report


def _listen(data_dir: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    with _short(data_dir) as path:
        Path(path).unlink(missing_ok=True)  # of a process that was killed: the data directory's lock says so
        before = os.umask(0o177)
        try:
            server.bind(path)
        finally:
            os.umask(before)
    server.setblocking(False)
    return server


@contextmanager
def _short(data_dir: Path) -> Iterator[str]:
    """The socket's path, through the open directory: a socket's address has 107 bytes, a path may be longer."""
    try:
        directory = os.open(data_dir, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise NotRunning(f"no hutong-agent answers in {data_dir}: {error.strerror}") from None
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)


def render(report: Mapping[str, Any]) -> str:
    """The report as a page of text for a terminal."""
    uplink, spool, clock = report["uplink"], report["spool"], report["clock"]
    now = report["utc_ms"]
    link = "connected" if uplink["connected"] else "NOT CONNECTED"
    link += f" for {_span(now - uplink['since_ms'])}" if uplink["since_ms"] else ""
    link += f" ({uplink['fault']})" if uplink["fault"] else ""
    bound = "" if clock["bound_ms"] is None else f", within {clock['bound_ms']} ms"
    kept = f"{spool['rows']} messages, {_size(spool['bytes'])} of {_size(spool['quota'])}"
    oldest = f", oldest {_span(now - spool['oldest_ms'])} ago" if spool["oldest_ms"] else ""
    dropped = f", {spool['dropped']} DROPPED" if spool["dropped"] else ""
    refuses = f", THE DISK REFUSES: {spool['refuses']}" if spool["refuses"] else ""
    lines = [
        f"gateway  {report['gateway']}  hutong {report['version']}, up {_span(report['uptime_ms'])}",
        f"uplink   {uplink['broker']}  {link}, {uplink['sent']} sent, {uplink['acknowledged']} acknowledged",
        f"spool    {kept}{oldest}{dropped}{refuses}",
        f"clock    {clock['state'].replace('_', '-')}{bound}",
    ]
    lines += [_driver_line(driver) for driver in report["drivers"]]
    for bus in report["buses"]:
        state = "open" if bus["open"] else f"DOWN: {bus['fault'] or 'not opened yet'}"
        lines += [
            "",
            f"{bus['name']}  {bus['driver']} {bus['address']}  {state}, {bus['utilisation']:.0%} busy",
            *_table(
                ("  unit", "device", "model", "code", "last value", "state", "errors"),
                [_device_row(device, now) for device in bus["devices"]],
            ),
        ]
    return "\n".join(lines)


def _driver_line(driver: Mapping[str, Any]) -> str:
    line = f"driver   {driver['name']} ({driver['distribution']} {driver['version']})  "
    if driver["disabled"]:
        return f"{line}DISABLED: {driver['disabled']}"
    line += f"{driver['running']} running, {_size(driver['memory'])}"
    failures = driver["failures"]
    return line + (f", {failures} failure{'s' * (failures != 1)}, the last: {driver['fault']}" if failures else "")


def _device_row(device: Mapping[str, Any], now: int) -> tuple[str, ...]:
    state = "ok" if device["age_ms"] is not None else "not yet read"
    if not device["reachable"]:
        state = f"UNREACHABLE for {_span(now - device['since_ms'])}"
    age = "never" if device["age_ms"] is None else f"{_span(device['age_ms'])} ago"
    counts = {**device["errors"], "missed": device["missed"]}
    errors = ", ".join(f"{count} {cause}" for cause, count in counts.items() if count)
    if device["fault"]:
        errors = f"{errors}; {device['fault']}" if errors else str(device["fault"])
    return f"  {device['unit']}", device["name"], device["model"], device["code"], age, state, errors or "-"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _span(ms: int) -> str:
    seconds = max(ms, 0) / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _size(count: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} B"
