"""The gateway's report as a page of text for a terminal: what `hutong-agent status` prints. Imports no numpy."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any


def render(report: Mapping[str, Any]) -> str:
    """The report as a page of text for a terminal."""
    uplink, spool, clock = report["uplink"], report["spool"], report["clock"]
    now = report["utc_ms"]
    link = "connected" if uplink["connected"] else "NOT CONNECTED"
    link += f" for {span_words(now - uplink['since_ms'])}" if uplink["since_ms"] else ""
    link += f" ({uplink['fault']})" if uplink["fault"] else ""
    bound = "" if clock["bound_ms"] is None else f", within {clock['bound_ms']} ms"
    kept = f"{spool['rows']} messages, {size_words(spool['bytes'])} of {size_words(spool['quota'])}"
    oldest = f", oldest {span_words(now - spool['oldest_ms'])} ago" if spool["oldest_ms"] else ""
    dropped = f", {spool['dropped']} DROPPED" if spool["dropped"] else ""
    refuses = f", THE DISK REFUSES: {spool['refuses']}" if spool["refuses"] else ""
    lines = [
        f"gateway  {report['gateway']}  hutong {report['version']}, up {span_words(report['uptime_ms'])}",
        f"uplink   {uplink['broker']}  {link}, {uplink['sent']} sent, {uplink['acknowledged']} acknowledged",
        f"spool    {kept}{oldest}{dropped}{refuses}",
        f"clock    {clock['state'].replace('_', '-')}{bound}",
    ]
    lines.append(_configuration_line(report["configuration"], now))
    if len(uplink["links"]) > 1 or uplink["links"][0]["budget"] is not None:
        lines += [_link_line(link) for link in uplink["links"]]
    lines += [_driver_line(driver) for driver in report["drivers"]]
    lines += [_rule_line(rule, now) for rule in report["rules"]]
    lines += [_model_line(model) for model in report["models"]]
    for bus in report["buses"]:
        state = "open" if bus["open"] else f"DOWN: {bus['fault'] or 'not opened yet'}"
        lines += [
            "",
            f"{bus['name']}  {bus['driver']} {bus['address']}  {state}, {bus['utilisation']:.0%} busy",
            *_table(
                ("  unit", "device", "model", "code", "last value", "answers in", "state", "errors"),
                [_device_row(device, now) for device in bus["devices"]],
            ),
        ]
    return "\n".join(lines)


def _link_line(link: Mapping[str, Any]) -> str:
    used = "in use" if link["in_use"] else "not in use"
    budget = "" if link["budget"] is None else f" of {size_words(link['budget'])}"
    carried = link["sent_today"] + link["received_today"]
    return f"link     {link['name']}  {link['kind']} {link['broker']}  {used}, {size_words(carried)}{budget} today"


def _rule_line(rule: Mapping[str, Any], now: int) -> str:
    state = "ACTIVE" if rule["active"] else "idle"
    line = (
        f"rule     {rule['name']}  {state}, its condition {rule['condition']} for {span_words(now - rule['since_ms'])}"
    )
    if rule["fired_ms"] is None:
        return f"{line}, never fired"
    commands = f", {rule['commands']} commands" if rule["commands"] else ""
    captures = f", {rule['captures']} captures" if rule["captures"] else ""
    return f"{line}, fired {span_words(now - rule['fired_ms'])} ago, {rule['fired']} times{commands}{captures}"


def _model_line(model: Mapping[str, Any]) -> str:
    took = f", {model['busy_ms'] / model['passes']:.3g} ms each" if model["passes"] else ""
    line = f"model    {model['model']}  {model['channel']} of {model['device']}, {model['passes']} windows{took}"
    wrong = {"late": "GIVEN UP, TOO SLOW", "failed": "FAILED", "not_finite": "WITHOUT A FINITE NUMBER"}
    return line + "".join(f", {model[key]} {words}" for key, words in wrong.items() if model[key])


def _configuration_line(configuration: Mapping[str, Any], now: int) -> str:
    line = f"config   {configuration['number']} ({configuration['hash'][:12]})"
    if (left := configuration["trial_left_s"]) is not None:
        line += f", ON TRIAL for {left:g} s more, else back to {configuration['good']}"
    if (refused := configuration["refused"]) is not None:
        which = "a file" if refused["number"] is None else refused["number"]
        line += f"; refused {which} {span_words(now - refused['utc_ms'])} ago: {refused['reason']}"
    return line


def _driver_line(driver: Mapping[str, Any]) -> str:
    line = f"driver   {driver['name']} ({driver['distribution']} {driver['version']})  "
    if driver["disabled"]:
        return f"{line}DISABLED: {driver['disabled']}"
    line += f"{driver['running']} running, {size_words(driver['memory'])}"
    failures = driver["failures"]
    return line + (f", {failures} failure{'s' * (failures != 1)}, the last: {driver['fault']}" if failures else "")


def _device_row(device: Mapping[str, Any], now: int) -> tuple[str, ...]:
    state = "ok" if device["age_ms"] is not None else "not yet read"
    if not device["reachable"]:
        state = f"UNREACHABLE for {span_words(now - device['since_ms'])}"
    age = "never" if device["age_ms"] is None else f"{span_words(device['age_ms'])} ago"
    counts = {**device["errors"], "missed": device["missed"]}
    errors = ", ".join(f"{count} {cause}" for cause, count in counts.items() if count)
    if device["error_rate"]:
        errors += f" ({device['error_rate']:.0%} lately)"
    if device["fault"]:
        errors = f"{errors}; {device['fault']}" if errors else str(device["fault"])
    named = (f"  {device['unit']}", device["name"], device["model"], device["code"])
    return *named, age, latency_words(device["latency_ms"]), state, errors or "-"


def latency_words(latency: Mapping[str, float] | None) -> str:
    """The median and the slowest of a hundred."""
    return "-" if latency is None else f"{latency['p50']:.3g}..{latency['p99']:.3g} ms"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]


def pad(text: str, width: int) -> str:
    """Exactly `width` columns of a terminal: cut, or filled with blanks."""
    while _width(text) > width:
        text = text[:-1]
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def span_words(ms: int) -> str:
    seconds = max(ms, 0) / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size_words(count: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} B"
