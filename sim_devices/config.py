"""The configuration of a simulation: a TOML file into frozen dataclasses, with errors that help.

Paths are relative to the file's own folder. docs/simulators.md shows every key.
"""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sim_devices.coap.pusher import KIND as PUSH
from sim_devices.faults import Fault, Kind
from sim_devices.lines import BUILTIN as PROTOCOLS
from sim_devices.models.base import Options, Unit
from sim_devices.models.catalog import BUILTIN
from sim_devices.modem.families import FAMILIES as MODEMS
from sim_devices.modem.settings import ModemConfig
from sim_devices.world import LATITUDE, LONGITUDE

T = TypeVar("T")


class ConfigError(Exception):
    """All mistakes of a file, a line each: file, line, key, and what would be right."""


@dataclass(frozen=True)
class DeviceConfig:
    code: str
    name: str
    model: str
    unit: Unit
    options: Options
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class BusConfig:
    """`listen` is host:port of the TCP kinds, port 0 for any; `link` the path that a pty appears at. `also` are other
    protocols that devices on the line speak. Sensors that push do so to `to`."""

    name: str
    kind: str
    protocol: str = "modbus"
    listen: tuple[str, int] = ("127.0.0.1", 0)
    link: Path | None = None
    baud: int = 0
    devices: tuple[DeviceConfig, ...] = ()
    also: tuple[str, ...] = ()
    to: tuple[str, int] = ("127.0.0.1", 5683)


@dataclass(frozen=True)
class Config:
    """`start` None is the wall clock. Files that are None are not written; without `control` nobody can interfere."""

    path: Path
    seed: int = 1
    speed: float = 1.0
    start: datetime | None = None
    position: tuple[float, float] = (LATITUDE, LONGITUDE)
    control: Path | None = None
    journal: Path | None = None
    state: Path | None = None
    ports_file: Path | None = None
    buses: tuple[BusConfig, ...] = field(default=())
    modems: tuple[ModemConfig, ...] = ()


def load(path: Path) -> Config:
    """Raises ConfigError with all mistakes found, OSError when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except ValueError as error:  # of the encoding, or of TOML
        raise ConfigError(f"{path}: not TOML: {error}") from None
    reader = _Reader(path, text)
    config = reader.config(document)
    if reader.mistakes:
        raise ConfigError("\n".join(reader.mistakes))
    return config


class _Table:
    """One table of the file; keys are taken out of it, and what is left at the end nobody knows."""

    def __init__(self, reader: "_Reader", line: int, where: str, values: Mapping[str, Any]) -> None:
        self._reader, self.line, self.where = reader, line, where
        self._left = dict(values)
        self._known: list[str] = []

    def take(self, key: str, kind: type[T], default: T | None = None, *, needed: bool = False) -> T | None:
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None:
            if needed:
                self.blame(key, "is missing")
            return default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.blame(key, f"is to be {_PLAIN.get(kind, kind.__name__)}, not {value!r}")
            return default
        return value

    def unit(self) -> Unit:
        self._known.append("unit")
        value = self._left.pop("unit", 1)
        if isinstance(value, bool) or not isinstance(value, int | str):
            self.blame("unit", f"is to be a whole number or text, not {value!r}")
            return 1
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        found = self.take(key, list) or []
        return [entry for entry in found if isinstance(entry, dict)]

    def finish(self) -> None:
        for key in self._left:
            near = difflib.get_close_matches(key, self._known, 1)
            self.blame(key, f"is not known; did you mean {near[0]}?" if near else f"is not known; {_list(self._known)}")

    def blame(self, key: str, what: str) -> None:
        self._reader.blame(self.line, key, f"{self.where}{key} {what}")


_PLAIN = {
    str: "text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    datetime: "a date with time and offset",
}


def _list(names: list[str]) -> str:
    return "the keys are " + ", ".join(names)


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._base = path.resolve().parent
        self._lines = text.splitlines()
        self._headers: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines, 1):
            if found := re.match(r"\s*\[\[\s*([\w.]+)\s*\]\]", line):
                self._headers.setdefault(found[1], []).append(number)
        self._seen: dict[str, int] = {}
        self.mistakes: list[str] = []
        self._codes: dict[str, str] = {}

    def blame(self, after: int, key: str, message: str) -> None:
        """At the first line with that key behind line `after`, in the same table; else at the table's head."""
        number = after
        for at, line in enumerate(self._lines[after:], after + 1):
            if line.lstrip().startswith("["):
                break
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                number = at
                break
        self.mistakes.append(f"{self._path}:{max(1, number)}: {message}")

    def _next(self, header: str) -> int:
        """The line of the next [[header]], in the order in which TOML lists them too."""
        index = self._seen.get(header, 0)
        self._seen[header] = index + 1
        lines = self._headers.get(header, [])
        return lines[index] if index < len(lines) else 0

    def _file(self, table: _Table, key: str) -> Path | None:
        given = table.take(key, str)
        return self._base / given if given else None

    def config(self, document: Mapping[str, Any]) -> Config:
        root = _Table(self, 0, "", document)
        seed, speed = root.take("seed", int, 1), root.take("speed", float, 1.0)
        if speed is not None and speed <= 0:
            root.blame("speed", f"is to be above 0, not {speed:g}")
        start = root.take("start", datetime)
        if start is not None and start.tzinfo is None:
            root.blame("start", "needs an offset from UTC, like 2026-06-21T18:00:00+08:00")
        position = root.take("position", list, [LATITUDE, LONGITUDE]) or []
        place = tuple(float(part) for part in position if isinstance(part, int | float))
        if len(place) != 2 or len(position) != 2 or abs(place[0]) > 90 or abs(place[1]) > 180:
            root.blame("position", "is to be [latitude, longitude] in degrees")
            place = (LATITUDE, LONGITUDE)
        files = {key: self._file(root, key) for key in ("control", "journal", "state", "ports_file")}
        buses = tuple(self._bus(entry) for entry in root.tables("bus"))
        modems = tuple(modem for entry in root.tables("modem") if (modem := self._modem(entry)) is not None)
        if not buses and not modems:
            root.blame("bus", "is missing: at least one [[bus]] with a [[bus.device]]")
        names = [bus.name for bus in buses] + [modem.name for modem in modems]
        for name in {name for name in names if names.count(name) > 1}:
            root.blame("bus", f"{name} appears twice")
        root.finish()
        return Config(
            self._path, seed or 0, speed or 1.0, start, (place[0], place[1]), **files, buses=buses, modems=modems
        )

    def _modem(self, entry: Mapping[str, Any]) -> ModemConfig | None:
        table = _Table(self, self._next("modem"), "modem.", entry)
        name = table.take("name", str, "", needed=True) or ""
        family = self._choice(table, "family", table.take("family", str, "", needed=True) or "", MODEMS)
        link = self._file(table, "link")
        if link is None:
            table.blame("link", "is missing: the path at which the serial port is to appear")
        loss = table.take("loss", float, ModemConfig.loss) or 0.0
        if not 0.0 <= loss < 1.0:
            table.blame("loss", f"is to be 0 or more and below 1, not {loss:g}")
        seconds = {
            key: table.take(key, float, getattr(ModemConfig, key)) or 0.0 for key in ("registration_s", "delay_s")
        }
        for key, value in seconds.items():
            if not 0.0 <= value <= 3600.0:
                table.blame(key, f"is to be 0 to 3600 s, not {value:g}")
        rsrp_dbm = table.take("rsrp_dbm", int, ModemConfig.rsrp_dbm) or 0
        table.finish()
        return None if link is None else ModemConfig(name, family, link, loss=loss, rsrp_dbm=rsrp_dbm, **seconds)

    def _bus(self, entry: Mapping[str, Any]) -> BusConfig:
        table = _Table(self, self._next("bus"), "bus.", entry)
        name = table.take("name", str, "", needed=True) or ""
        kind = table.take("kind", str, "tcp", needed=True) or "tcp"
        protocol = self._choice(table, "protocol", table.take("protocol", str, "modbus") or "modbus", PROTOCOLS)
        also = [str(each) for each in table.take("also", list, []) or []]
        for other in also:
            self._choice(table, "also", other, PROTOCOLS)
        spoken = [each for each in (protocol, *also) if each in PROTOCOLS]
        for each in spoken:
            self._choice(table, "kind", kind, PROTOCOLS[each].kinds)
        listen, to, link, baud = BusConfig.listen, BusConfig.to, None, 0
        if kind == "pty":
            link = self._file(table, "link")
            if link is None:
                table.blame("link", "is missing: the path at which the serial port is to appear")
            baud = table.take("baud", int, 0) or 0
        elif kind == PUSH:
            to = self._host_port(table, "to", "127.0.0.1:5683")
        else:
            listen = self._host_port(table, "listen", "127.0.0.1:0")
        devices = tuple(self._device(each, name, spoken) for each in table.tables("device"))
        units: dict[Unit, str] = {}
        for device in devices:
            if device.unit in units:
                table.blame("device", f"{device.name} has unit {device.unit}, as {units[device.unit]} has")
            units[device.unit] = device.name
        table.finish()
        return BusConfig(name, kind, protocol, listen, link, baud, devices, tuple(also), to)

    def _choice(self, table: _Table, key: str, given: str, known: Collection[str]) -> str:
        if given not in known:
            near = difflib.get_close_matches(given, known, 1)
            table.blame(key, f"is {given!r}; " + (f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"))
        return given

    def _host_port(self, table: _Table, key: str, default: str) -> tuple[str, int]:
        given = table.take(key, str, default) or ""
        host, _, port = given.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            any_port = ", port 0 for any" if default.endswith(":0") else ""
            table.blame(key, f"is to be host:port{any_port}, not {given!r}")
            return "127.0.0.1", 0
        return host, int(port)

    def _device(self, entry: Mapping[str, Any], bus: str, spoken: Sequence[str]) -> DeviceConfig:
        table = _Table(self, self._next("bus.device"), "bus.device.", entry)
        code = table.take("code", str, "", needed=True) or ""
        if code in self._codes:
            table.blame("code", f"{code} is on bus {self._codes[code]} already")
        self._codes[code] = bus
        name = table.take("name", str, code) or code
        model = table.take("model", str, "", needed=True) or ""
        if model and model not in BUILTIN:
            near = difflib.get_close_matches(model, BUILTIN, 1)
            hint = f"did you mean {near[0]}?" if near else f"the models are {', '.join(BUILTIN)}"
            table.blame("model", f"is {model!r}; {hint}")
        elif model and spoken and BUILTIN[model].PROTOCOL not in spoken:
            speaks, here = BUILTIN[model].PROTOCOL, " or ".join(spoken)
            table.blame("model", f"is {model!r}, which speaks {speaks} and not {here}")
        unit = self._unit(table, BUILTIN[model].PROTOCOL if model in BUILTIN else "")
        phase = table.take("phase", int, 0) or 0
        if phase not in (0, 1, 2):
            table.blame("phase", f"is to be 0, 1 or 2, not {phase}")
        options = Options(
            circuit=table.take("circuit", str, "") or "",
            phase=phase,
            section=table.take("section", str, "") or "",
            rated_w=table.take("rated_w", float, 0.0) or 0.0,
            base_w=table.take("base_w", float, 0.0) or 0.0,
            wear=table.take("wear", float, Options.wear) or 0.0,
            counter=table.take("counter", int),
        )
        if model in NEED_SECTION and not options.section:
            table.blame("section", f"is missing: a {model} stands in a compartment of a tunnel")
        faults = tuple(fault for each in table.tables("fault") if (fault := self._fault(each)) is not None)
        table.finish()
        return DeviceConfig(code, name, model, unit, options, faults)

    def _unit(self, table: _Table, protocol: str) -> Unit:
        given = table.unit()
        if protocol not in PROTOCOLS:
            return given
        try:
            return PROTOCOLS[protocol].unit(given)
        except ValueError as error:
            table.blame("unit", str(error))
            return 0

    def _fault(self, entry: Mapping[str, Any]) -> Fault | None:
        table = _Table(self, self._next("bus.device.fault"), "bus.device.fault.", entry)
        kind = table.take("kind", str, "", needed=True) or ""
        probability = table.take("probability", float, 1.0)
        delay_s = table.take("delay_s", float)
        code = table.take("exception", int, 4)
        table.finish()
        try:
            return make_fault(kind, probability, delay_s, code)
        except ValueError as error:
            table.blame("kind", f": {error}")
            return None


NEED_SECTION = ("fan", "gas_head", "single_gas", "sump_pump", "tunnel_climate")


def make_fault(kind: str, probability: float | None, delay_s: float | None, code: int | None) -> Fault:
    """From what a file or a command says. Raises ValueError with the nearest kind, or what is out of range."""
    try:
        known = Kind(kind)
    except ValueError:
        near = difflib.get_close_matches(kind, list(Kind), 1)
        hint = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(Kind)}"
        raise ValueError(f"no fault is called {kind!r}; {hint}") from None
    return Fault(known, 1.0 if probability is None else probability, None, delay_s, 4 if code is None else code)
