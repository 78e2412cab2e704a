"""What becomes of each bus, device and rule when one configuration follows another. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agent.configuration.versions import Content

# Changed while the gateway runs; all the rest is taken at a start only: who it is, where it sends, where it keeps.
LIVE = ("bus", "rule")
# Of a device, and nothing that its reading or its filters know of.
DESCRIPTIVE = frozenset({"position", "mount", "interlocks"})


class Fate(StrEnum):
    STAYS = "stays"
    STARTS = "starts"
    STOPS = "stops"
    CHANGES = "changes"


@dataclass(frozen=True)
class Change:
    """What happens to the device or rule called `name`; `keys` are those that differ."""

    name: str
    title: str
    fate: Fate
    keys: tuple[str, ...] = ()

    @property
    def restarts(self) -> bool:
        """Whether it begins anew: what is only described in other words does not."""
        return self.fate is Fate.STARTS or (self.fate is Fate.CHANGES and not DESCRIPTIVE.issuperset(self.keys))


@dataclass(frozen=True)
class BusChange:
    """A bus that CHANGES is opened anew, and all its devices with it; one that STAYS keeps its line open, whatever
    becomes of the devices on it."""

    name: str
    fate: Fate
    keys: tuple[str, ...]
    devices: tuple[Change, ...]


@dataclass(frozen=True)
class Diff:
    """`needs_restart` are the keys that a running gateway cannot change. `same` where nothing differs at all."""

    same: bool
    needs_restart: tuple[str, ...]
    buses: tuple[BusChange, ...]
    rules: tuple[Change, ...]

    @property
    def keeps(self) -> frozenset[tuple[str, str]]:
        """(bus, code) of devices whose filters and places in the pipeline go on."""
        return frozenset(
            (bus.name, device.name)
            for bus in self.buses
            for device in bus.devices
            if device.fate in (Fate.STAYS, Fate.CHANGES) and not device.restarts
        )

    @property
    def touched(self) -> frozenset[str]:
        """The buses on which polling is not what it was."""
        return frozenset(
            bus.name
            for bus in self.buses
            if bus.fate in (Fate.STARTS, Fate.CHANGES) or any(device.fate is not Fate.STAYS for device in bus.devices)
        )

    @property
    def begins(self) -> frozenset[tuple[str, str]]:
        """(bus, code) of devices that must prove themselves: new, changed, or on a bus that is opened anew."""
        return frozenset(
            (bus.name, device.name)
            for bus in self.buses
            for device in bus.devices
            if device.fate is not Fate.STOPS and (device.restarts or bus.fate is not Fate.STAYS)
        )


def compare(old: Content, new: Content, reporting: Collection[str] = ()) -> Diff:
    """Both from agent.configuration.versions.content_of. `reporting` are the drivers whose devices report of
    themselves: their listener is made for just the devices that it has."""
    before, after = _by(old["bus"], "name"), _by(new["bus"], "name")
    names = [*before, *(name for name in after if name not in before)]
    restart = [spelled for key in old if key not in LIVE for spelled in _differing(key, old[key], new[key])]
    modems = {link["modem"] for side in (old, new) for link in (side["uplink"], *side["uplink"]["others"])}
    buses = tuple(_bus(name, before.get(name), after.get(name), reporting) for name in names)
    restart += [f"bus {bus.name}, which carries the uplink" for bus in buses if bus.name in modems and _moves(bus)]
    rules = tuple(_changes(_by(old["rule"], "name"), _by(new["rule"], "name")))
    return Diff(old == new, tuple(restart), buses, rules)


def render(diff: Diff) -> Iterator[str]:
    """For a technician: what is done, and who misses polls by it."""
    if diff.same:
        yield "nothing changes"
        return
    for key in diff.needs_restart:
        yield f"{key}: cannot be changed while the gateway runs"
    others = 0
    for bus in diff.buses:
        if bus.fate is not Fate.STAYS:
            words = {Fate.STARTS: "is new", Fate.STOPS: "ends", Fate.CHANGES: "is opened anew"}[bus.fate]
            yield f"bus {bus.name} {words}{_keys(bus.keys)}"
        for device in bus.devices:
            if device.fate is not Fate.STAYS:
                yield f"  {bus.name}: {_words(device)}"
            elif bus.fate is Fate.CHANGES:
                yield f"  {bus.name}: {device.title} ({device.name}) misses polls until the bus is open again"
            else:
                others += 1
    for rule in diff.rules:
        if rule.fate is not Fate.STAYS:
            yield f"rule {rule.name} {rule.fate}{_keys(rule.keys)}"
    yield f"devices that stay as they are and miss no poll: {others}"


def _words(device: Change) -> str:
    restarts = ": only its description" if device.fate is Fate.CHANGES and not device.restarts else ""
    return f"{device.title} ({device.name}) {device.fate}{_keys(device.keys)}{restarts}"


def _keys(keys: Iterable[str]) -> str:
    listed = ", ".join(keys)
    return f" ({listed})" if listed else ""


def _moves(bus: BusChange) -> bool:
    return bus.fate is not Fate.STAYS


def _bus(name: str, old: Content | None, new: Content | None, reporting: Collection[str]) -> BusChange:
    devices = tuple(_changes(_by(old["device"] if old else [], "code"), _by(new["device"] if new else [], "code")))
    if old is None or new is None:
        return BusChange(name, Fate.STARTS if old is None else Fate.STOPS, (), devices)
    keys = [key for key in old if key != "device" and old[key] != new[key]]
    if _speakers(old) != _speakers(new):
        keys.append("the drivers that share it")
    if old["driver"] in reporting and any(one.restarts or one.fate is Fate.STOPS for one in devices):
        keys.append("the devices that it hears")
    return BusChange(name, Fate.CHANGES if keys else Fate.STAYS, tuple(keys), devices)


def _speakers(bus: Content) -> dict[str, str]:
    """By unit, of a line that several families share: it is made for just these."""
    drivers = {repr(device["unit"]): device["driver"] for device in bus["device"]}
    return {} if set(drivers.values()) == {bus["driver"]} else drivers


def _changes(old: Mapping[str, Content], new: Mapping[str, Content]) -> Iterator[Change]:
    for name, one in old.items():
        title = str(one.get("name", name))
        if name not in new:
            yield Change(name, title, Fate.STOPS)
            continue
        keys = tuple(spelled for key in one for spelled in _differing(key, one[key], new[name][key]))
        yield Change(name, title, Fate.CHANGES if keys else Fate.STAYS, keys)
    for name, one in new.items():
        if name not in old:
            yield Change(name, str(one.get("name", name)), Fate.STARTS)


def _differing(key: str, old: Any, new: Any) -> Iterator[str]:
    """`key`, or those beneath it where both are tables."""
    if old == new:
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield key
        return
    for inner in dict.fromkeys((*old, *new)):
        if inner in old and inner in new:
            yield from (f"{key}.{below}" for below in _differing(inner, old[inner], new[inner]))
        else:
            yield f"{key}.{inner}"


def _by(tables: Iterable[Content], key: str) -> dict[str, Content]:
    return {table[key]: table for table in tables}
