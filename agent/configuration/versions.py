"""What a configuration says, as plain values, and the hash that names it.

The content is what was understood, not what was written: comments, white space, and keys that say what is the default
make no difference; what HUTONG_... variables put in, and register maps in files, do. Secrets are in it as paths only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from agent.settings import Config, DeviceConfig

Content: TypeAlias = dict[str, Any]

SHOWN = 12  # hexadecimal digits of a hash, for people
UNTOLD = ("path", "text", "models", "outsiders", "buses", "rules", "rings", "nets")


class Version(NamedTuple):
    """`number` counts up on this gateway; `hash` is equal for equal content, on any gateway."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number} ({self.hash[:SHOWN]})"


def content_of(config: Config) -> Content:
    """Reads the files of register maps that the configuration names. Raises OSError."""
    content: Content = {field.name: _plain(getattr(config, field.name)) for field in _told(config)}
    digests: dict[str, str] = {}
    base = config.path.resolve().parent
    content["bus"] = []
    for bus in config.buses:
        settings = {field.name: _plain(getattr(bus, field.name)) for field in fields(bus) if field.name != "devices"}
        devices = [_device(device, base, digests) for device in bus.devices]
        content["bus"].append({**settings, "device": devices})
    content["rule"] = [_plain(rule) for rule in config.rules]
    return content


def hash_of(content: Content) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _told(config: Config) -> list[Any]:
    return [field for field in fields(config) if field.name not in UNTOLD]


def _device(device: DeviceConfig, base: Path, digests: dict[str, str]) -> Content:
    told: Content = _plain(device)
    if device.model.endswith(".toml"):
        if device.model not in digests:
            digests[device.model] = hashlib.sha256((base / device.model).read_bytes()).hexdigest()
        told["model"] = f"{device.model} {digests[device.model]}"
    return told


def _plain(value: Any) -> Any:
    """`value` as JSON knows it. Dataclasses keep their names: two kinds of condition may have the same fields."""
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__, **{field.name: _plain(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value.absolute())
    return repr(value)
