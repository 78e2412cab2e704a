"""What `hutong-agent top` shows, as lines for a screen of any size. Pure; agent.diagnosis.screen draws them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.status import pad, size_words, span_words

Device = Mapping[str, Any]
NEVER = 1e18
# Keys: what devices are sorted by, the worst first; and what the header calls it.
ORDERS: Mapping[str, tuple[str, Callable[[Device], tuple[Any, ...]]]] = {
    "b": ("bus", lambda device: (device["bus"], str(device["unit"]).zfill(14))),
    "e": ("errors", lambda device: (-sum(device["errors"].values()), -device["error_rate"])),
    "l": ("latency", lambda device: (-(device["latency_ms"] or {"p99": -1.0})["p99"],)),
    "a": ("age", lambda device: (-(NEVER if device["age_ms"] is None else device["age_ms"]),)),
}
KEYS = "q quit  b e l a sort by bus, errors, latency, age  / filter  arrows scroll"
COLUMNS = (("bus", 10), ("unit", 12), ("device", 16), ("age", 7), ("p50", 7), ("p99", 7), ("fail", 5), ("errors", 12))


@dataclass(frozen=True)
class View:
    """`typing` is the filter while it is typed."""

    order: str = "b"
    filter: str = ""
    typing: str | None = None
    top: int = 0

    def press(self, key: str) -> "View | None":
        """What a key makes of it; None to quit. Keys have names of several letters, but for characters."""
        if self.typing is not None:
            return self._type(self.typing, key)
        match key:
            case "q":
                return None
            case "/":
                return View(self.order, self.filter, self.filter, 0)
            case "up" | "down":
                return View(self.order, self.filter, None, max(self.top + (1 if key == "down" else -1), 0))
            case _ if key in ORDERS:
                return View(key, self.filter)
        return self

    def _type(self, typed: str, key: str) -> "View":
        match key:
            case "enter":
                return View(self.order, typed)
            case "escape":
                return View(self.order, self.filter)
            case "backspace":
                return View(self.order, self.filter, typed[:-1])
        return View(self.order, self.filter, typed + key) if len(key) == 1 and key.isprintable() else self


def render(report: Mapping[str, Any], view: View, height: int, width: int) -> list[str]:
    """`height` lines of `width` columns."""
    head = [_gateway(report), _uplink(report), *_buses(report, max(height // 4, 2))]
    wanted = view.filter.lower()
    devices: list[Device] = [
        {**device, "bus": bus["name"]}
        for bus in report["buses"]
        for device in bus["devices"]
        if wanted in f"{bus['name']} {device['name']} {device['code']} {device['unit']}".lower()
    ]
    name, key = ORDERS[view.order]
    devices.sort(key=key)
    room = max(height - len(head) - 3, 0)
    first = min(view.top, max(len(devices) - room, 0))
    shown = f"{len(devices)} devices by {name}" + (f", with {view.filter!r}" if view.filter else "")
    lines = [*head, f"-- {shown} ", _row([title for title, _ in COLUMNS])]
    lines += [_device(device) for device in devices[first : first + room]]
    lines += [""] * (height - 1 - len(lines))
    lines.append(KEYS if view.typing is None else f"/{view.typing}")
    return [pad(line, width) for line in lines[:height]]


def _gateway(report: Mapping[str, Any]) -> str:
    clock = report["clock"]["state"].replace("_", "-")
    return f"{report['gateway']}  hutong {report['version']}, up {span_words(report['uptime_ms'])}, clock {clock}"


def _uplink(report: Mapping[str, Any]) -> str:
    uplink, spool = report["uplink"], report["spool"]
    link = "connected" if uplink["connected"] else f"NOT CONNECTED {uplink['fault']}"
    oldest = f", oldest {span_words(report['utc_ms'] - spool['oldest_ms'])}" if spool["oldest_ms"] else ""
    kept = f"spool {spool['rows']} messages, {size_words(spool['bytes'])}{oldest}"
    refuses = ", THE DISK REFUSES" if spool["refuses"] else ""
    return f"uplink {link}, {uplink['sent']} sent, {uplink['acknowledged']} acknowledged; {kept}{refuses}"


def _buses(report: Mapping[str, Any], room: int) -> list[str]:
    """Those that are down first, then the busiest."""
    buses = sorted(report["buses"], key=lambda bus: (bus["open"], -bus["utilisation"]))
    lines = []
    for bus in buses[:room]:
        away = sum(not device["reachable"] for device in bus["devices"])
        state = f"{bus['utilisation']:4.0%} busy" if bus["open"] else f"DOWN: {bus['fault'] or 'not opened yet'}"
        unreachable = f", {away} UNREACHABLE" if away else ""
        lines.append(f"{pad(bus['name'], 10)}  {state}, {len(bus['devices'])} devices{unreachable}")
    if len(buses) > room:
        lines.append(f"... and {len(buses) - room} lines more")
    return lines


def _device(device: Device) -> str:
    latency = device["latency_ms"]
    age = "never" if device["age_ms"] is None else span_words(device["age_ms"])
    counts = sorted(device["errors"].items(), key=lambda one: -one[1])
    errors = "AWAY " if not device["reachable"] else ""
    errors += " ".join(f"{count} {cause}" for cause, count in counts if count)
    return _row([
        device["bus"], str(device["unit"]), device["name"], age,
        *(("-", "-") if latency is None else (f"{latency['p50']:.3g}", f"{latency['p99']:.3g}")),
        f"{device['error_rate']:.0%}" if device["error_rate"] else "", errors,
    ])  # fmt: skip


def _row(cells: Sequence[str]) -> str:
    fixed = [pad(cell, width) for cell, (_, width) in zip(cells[:-1], COLUMNS, strict=False)]
    return " ".join((*fixed, cells[-1]))
