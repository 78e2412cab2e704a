"""The fleet server's settings: a TOML file, then HUTONG_<SECTION>_<KEY> variables, into frozen models.

An unknown key, a wrong type or a missing value is a ConfigError naming file, line, key and the nearest valid key.
A secret may be given as `<key>_file` instead: a path to a file that holds it, relative to the configuration file.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "HUTONG_"
SECRET_KEYS = {"database": ("owner", "web", "ingest", "auditor"), "broker": ("password",)}
_PATHS = (("secrets", "dir"), ("broker", "ca_file"))


class ConfigError(Exception):
    """`str()` is one line a person can act on."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DatabaseSettings(_Section):
    """URLs by role; a process that does not need a role can be configured without its URL."""

    owner: str = Field(default="", repr=False)
    web: str = Field(default="", repr=False)
    ingest: str = Field(default="", repr=False)
    auditor: str = Field(default="", repr=False)

    def url(self, role: str) -> str:
        found: str = getattr(self, role)
        if not found:
            raise ConfigError(f"database.{role} (or database.{role}_file) is not set, and this command needs it")
        return found


class BrokerSettings(_Section):
    url: str = Field(default="mqtt://127.0.0.1:1883", pattern=r"^mqtts?://[^/@]+$")
    username: str = "hutong-ingest"
    password: str = Field(default="", repr=False)
    ca_file: Path | None = None


class WebSettings(_Section):
    """`public_url` is what people type: it decides on Secure cookies and is an allowed origin."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://[^/]+$")
    max_request_kb: int = Field(default=1024, ge=1, le=1_048_576)

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


class SecretsSettings(_Section):
    dir: Path = Path("secrets")


class MapSettings(_Section):
    """`tiles` is a tile URL template; empty: the cell grid alone."""

    tiles: str = Field(default="", pattern=r"^(https?://.*)?$")


class Settings(_Section):
    database: DatabaseSettings = DatabaseSettings()
    broker: BrokerSettings = BrokerSettings()
    web: WebSettings = WebSettings()
    secrets: SecretsSettings = SecretsSettings()
    map: MapSettings = MapSettings()


SECTIONS: dict[str, type[_Section]] = {
    "database": DatabaseSettings,
    "broker": BrokerSettings,
    "web": WebSettings,
    "secrets": SecretsSettings,
    "map": MapSettings,
}


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of the file (None: of the variables alone). Raises ConfigError."""
    text, base = "", Path.cwd()
    if path is not None:
        try:
            text, base = path.read_text(encoding="utf-8"), path.resolve().parent
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from None
    source = _Source(path, text)
    for (section, key), value in _variables(environment).items():
        if not isinstance(tree.setdefault(section, {}), dict):
            raise ConfigError(f"{source.at(section)}: {section} is a section, not a value")
        tree[section].pop(f"{key}_file", None)  # a variable wins over either way the file gives the key
        tree[section].pop(key.removesuffix("_file"), None)
        tree[section][key] = value
        source.variables[section, key] = f"{PREFIX}{section}_{key}".upper()
    _read_secret_files(tree, base, source)
    _resolve_paths(tree, base)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(source.explain(dict(problem)) for problem in error.errors())) from None


class _Source:
    """Where a key stands, for messages."""

    def __init__(self, path: Path | None, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.variables: dict[tuple[str, str], str] = {}

    def at(self, section: str, key: str = "") -> str:
        if (section, key) in self.variables:
            return self.variables[section, key]
        inside = False
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[\s*([\w\"'.-]+)\s*\]", line)
            if header:
                inside = header[1].strip("\"'") == section
                if inside and not key:
                    return f"{self.path}:{number}"
            named = re.match(r"\s*([\w.]+)\s*=", line)
            if named and named[1] in ((key,) if inside else (section, f"{section}.{key}")):
                return f"{self.path}:{number}"
        return str(self.path or "environment")

    def explain(self, problem: dict[str, Any]) -> str:
        section, key = [*map(str, problem["loc"]), "", ""][:2]
        name = f"{section}.{key}" if key else section
        if problem["type"] == "extra_forbidden":
            return f"{self.at(section, key)}: unknown key {name}{_nearest(section, key)}"
        return f"{self.at(section, key)}: {name}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _nearest(section: str, key: str) -> str:
    valid = list(SECTIONS)
    if key:
        valid = [*SECTIONS[section].model_fields, *(f"{name}_file" for name in SECRET_KEYS.get(section, ()))]
    near = difflib.get_close_matches(key or section, valid, n=1, cutoff=0.5)
    if not near:
        return f"; valid are {', '.join(valid)}"
    return f"; did you mean {section}.{near[0]}?" if key else f"; did you mean {near[0]}?"


def _variables(environment: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """HUTONG_WEB_PUBLIC_URL -> ("web", "public_url"); what names no section of ours is left alone (other programs of
    the product have variables too)."""
    found = {}
    for name, value in environment.items():
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if name.startswith(PREFIX) and key and section in SECTIONS:
            found[section, key] = value
    return found


def _read_secret_files(tree: dict[str, Any], base: Path, source: _Source) -> None:
    for section, keys in SECRET_KEYS.items():
        table = tree.get(section)
        if not isinstance(table, dict):
            continue
        for key in keys:
            named = table.pop(f"{key}_file", None)
            if named in (None, ""):
                continue
            where = source.at(section, f"{key}_file")
            if key in table:
                raise ConfigError(f"{where}: {section}.{key} is given twice: as a value and as a file")
            try:
                table[key] = (base / str(named)).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"{where}: {section}.{key}_file: {error.filename}: {error.strerror}") from None


def _resolve_paths(tree: dict[str, Any], base: Path) -> None:
    for section, key in _PATHS:
        table = tree.get(section)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(base / table[key]) if table[key] else None
