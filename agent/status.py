"""The gateway's report as a page of text for a terminal: what `hutong-agent status` prints. Imports no numpy."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any


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
