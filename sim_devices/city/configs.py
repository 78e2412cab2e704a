"""The block written down: for the simulator, for each gateway, for the fleet server. All as TOML, all of mode 0600."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim_devices.city.parts import MODEM, Bus, Device, Gateway
from sim_devices.city.private import write_private
from sim_devices.city.rules import rules

HEAD = "# Written by `hutong-sim city` at every start: what is changed here is lost.\n\n"


@dataclass(frozen=True)
class Addresses:
    """Where the buses are: host:port of those on TCP, the path of a pty's link."""

    buses: Mapping[str, str]
    broker: str
    web_port: int


def value(given: Any) -> str:
    """A TOML value. JSON's strings, numbers, booleans and arrays are TOML's too."""
    if isinstance(given, Path):
        given = str(given)
    return json.dumps(given, ensure_ascii=False)


def table(head: str, entries: Mapping[str, Any]) -> str:
    lines = [head] if head else []
    lines += [f"{key} = {value(given)}" for key, given in entries.items()]
    return "\n".join(lines) + "\n\n"


def simulation(
    gateways: tuple[Gateway, ...], addresses: Addresses, seed: int, control: Path, journal: Path | None
) -> str:
    top: dict[str, Any] = {"seed": seed, "control": control, "state": "state.json", "ports_file": "ports.json"}
    if journal is not None:
        top["journal"] = journal
    text = HEAD + table("", top)
    for bus in (bus for gateway in gateways for bus in gateway.buses):
        if bus.kind == MODEM:
            modem = {"name": bus.name, "family": bus.options["dialect"], "link": addresses.buses[bus.name]}
            text += table("[[modem]]", modem)
            continue
        where = "link" if bus.on_port else "to" if bus.kind == "push" else "listen"
        entries: dict[str, Any] = {"name": bus.name, "protocol": bus.protocol, "kind": bus.kind}
        entries[where] = addresses.buses[bus.name]
        if others := sorted({device.protocol for device in bus.devices if device.protocol}):
            entries["also"] = others
        if bus.baud:
            entries["baud"] = bus.baud
        text += table("[[bus]]", entries)
        text += "".join(_simulated(device) for device in bus.devices)
    return text


def _simulated(device: Device) -> str:
    known: dict[str, Any] = {"code": device.code, "name": device.name, "unit": device.unit}
    known["model"] = device.simulated or device.model
    return table("[[bus.device]]", known | dict(device.options))


def agent(gateway: Gateway, addresses: Addresses) -> str:
    text = HEAD + table("[gateway]", {"code": gateway.code, "data_dir": "data"})
    text += table("[uplink]", {"broker": addresses.broker, "password_file": "password", "key_file": "key"})
    text += table("[metrics]", {"port": 0})
    for bus in gateway.buses:
        text += _bus(bus, addresses.buses[bus.name])
    return text + "".join(table(head, entries) for head, entries in rules(gateway))


def _bus(bus: Bus, address: str) -> str:
    entries: dict[str, Any] = {"name": bus.name, "driver": bus.driver(bus.protocol), "address": address}
    entries["timeout_s"] = bus.timeout_s
    if bus.baud:
        entries["baud"] = bus.baud
    if bus.parity:
        entries["parity"] = bus.parity
    text = table("[[bus]]", entries)
    if bus.options:
        text += table("[bus.options]", bus.options)
    for device in bus.devices:
        known: dict[str, Any] = {
            "code": device.code, "name": device.name, "model": device.model, "unit": device.unit,
            "period_s": device.period_s, "position": list(device.position), "mount": device.mount,
        }  # fmt: skip
        if device.protocol:
            known["driver"] = bus.driver(device.protocol)
        text += table("[[bus.device]]", known)
        for channel, filters in device.filters.items():
            text += table(f"[bus.device.channel.{channel}]", filters)
    return text


def fleet(addresses: Addresses, url_files: Mapping[str, Path], password_file: Path, username: str) -> str:
    web = f"http://127.0.0.1:{addresses.web_port}"
    text = HEAD
    text += table("[database]", {f"{role.removeprefix('hutong_')}_file": path for role, path in url_files.items()})
    text += table("[broker]", {"url": addresses.broker, "username": username, "password_file": password_file})
    text += table("[web]", {"host": "127.0.0.1", "port": addresses.web_port, "public_url": web})
    text += table("[secrets]", {"dir": "secrets"})
    return text


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return write_private(path, text)
