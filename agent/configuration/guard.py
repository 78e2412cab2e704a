"""What a configuration that came over the network may not change: decided before anything that it names is opened.

The server may say what stands on the lines and how it is read. It may not say who this gateway is, where it sends,
where its secrets and its data lie, whose code it runs, or which file it opens: that is changed at the gateway alone, so
that whoever has a server's account does not have the gateway's machine (docs/threat-model.md).
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.configuration.diff import LIVE
from agent.toml import Document
from agent.toml_lines import Where

# What is opened for its name alone must be a serial line: to open /dev/watchdog is to start it.
_SERIAL = re.compile(r"/dev/(tty[A-Za-z]+[0-9]+|serial/by-(id|path)/[A-Za-z0-9._:+-]+)")
_NAMES = ("name", "code", "driver")  # of things, never of files
_HERE = "is changed at the gateway alone, not from afar"


def check(path: Path, text: str, running: str) -> None:
    """`text` is to take the place of `running`, at `path`. Raises ConfigError with all that is not allowed."""
    document = Document(path, {}, "", (), text)
    new, old = tomllib.loads(text), tomllib.loads(running)
    for key in dict.fromkeys((*new, *old)):
        if key not in LIVE and new.get(key) != old.get(key):
            document.complain(_first((key,), new.get(key), old.get(key)), _HERE)
    known = {value for _, value in _strings({key: old.get(key) for key in LIVE}, ())}
    for where, value in _strings({key: new.get(key) for key in LIVE}, ()):
        if where[-1] not in _NAMES and value not in known and (why := _objection(where, value, path.resolve().parent)):
            document.complain(where, why)
    _hold_interlocks(document, new, old)
    document.refuse_if_wrong()


def _objection(where: Where, value: str, folder: Path) -> str:
    """Why a text that the running configuration does not have must not come in; "" where it may."""
    if value.startswith(("/", "~")):
        if where[-1] == "address" and _SERIAL.fullmatch(value):
            return ""
        return f"{value!r} is a path on the gateway, which {_HERE}"
    if "\0" in value or ".." in value.split("/"):
        return f"{value!r} leads out of the folder of the gateway's file"
    try:
        found = (folder / value).resolve()
        there = bool(value) and found.exists()
    except OSError:  # too long to be a name
        return ""
    if not there or (where[-1] == "model" and value.endswith(".toml") and found.is_relative_to(folder)):
        return ""
    return f"{value!r} is a file of the gateway, which {_HERE}"


def _hold_interlocks(document: Document, new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    """They are what keeps the server's commands in bounds, so it may not take them away."""
    after = {device.get("code"): (where, device) for where, device in _devices(new)}
    for _, device in _devices(old):
        if not (held := device.get("interlock")):
            continue
        where, there = after.get(device.get("code"), (("bus",), {}))
        if there.get("interlock") != held:
            document.complain(where, f"the interlocks of {device.get('name')} ({device.get('code')}): {_HERE}")


def _devices(values: Mapping[str, Any]) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    for number, bus in enumerate(_tables(values.get("bus"))):
        for place, device in enumerate(_tables(bus.get("device"))):
            yield ("bus", number, "device", place), device


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _strings(value: object, where: Where) -> Iterator[tuple[Where, str]]:
    """All texts, with the places they stand at; keys of a table name devices and channels, not files."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _strings(one, (*where, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _strings(one, (*where, number))


def _first(where: Where, new: object, old: object) -> Where:
    """The first place, at or below `where`, at which the two differ."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys: Collection[str] = dict.fromkeys((*new, *old))
        for key in keys:
            if new.get(key) != old.get(key):
                return _first((*where, key), new.get(key), old.get(key))
    return where
