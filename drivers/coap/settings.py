"""What a bus of CoAP sensors may be told: how its devices prove who they are."""

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

INSTALL = "pip install 'hutong[coap]'"
LOOPBACK = "loopback"
KEYS = ("oscore", "plain")
SECRET_KEYS = ("secret_hex", "sender-id_hex", "recipient-id_hex")


@dataclass(frozen=True)
class Access:
    """`oscore` maps units to the folders of their security contexts. `plain` lets others in from this machine alone."""

    oscore: Mapping[str, Path]
    plain: bool


def access(options: Mapping[str, object]) -> Access:
    """Of options that read_options() gave."""
    given = options.get("oscore", {})
    assert isinstance(given, Mapping)  # noqa: S101
    return Access({unit: Path(path) for unit, path in given.items()}, options.get("plain") == LOOPBACK)


def read_options(given: Mapping[str, object], base: Path) -> Mapping[str, object]:
    """Raises ValueError that begins with the key."""
    for key in given:
        if key not in KEYS:
            raise ValueError(f"{key} is not known; there are {' and '.join(KEYS)}")
    if not given:
        raise ValueError(
            "oscore is missing: devices prove who they are, by oscore = { NAME = FOLDER }; for development on this "
            f'machine alone there is plain = "{LOOPBACK}"'
        )
    if find_spec("aiocoap") is None:
        raise ValueError(f"{next(iter(given))} needs aiocoap, which is not installed: {INSTALL}")
    if "plain" in given and given["plain"] != LOOPBACK:
        raise ValueError(
            f'plain is possible for "{LOOPBACK}" alone: over a network, whoever can send a packet could forge readings'
        )
    return {**given, "oscore": _contexts(given.get("oscore", {}), base)}


def _contexts(given: object, base: Path) -> dict[str, str]:
    if not isinstance(given, Mapping) or not all(isinstance(path, str) for path in given.values()):
        raise ValueError("oscore must be a table from a device's name to the folder of its security context")
    found = {unit: str(base / path) for unit, path in given.items()}
    for folder in map(Path, found.values()):
        secret = folder / "secret.json"
        try:
            _check_secret(secret)
        except OSError as error:
            raise ValueError(f"oscore: cannot read {secret}: {error.strerror}") from None
    return found


def _check_secret(secret: Path) -> None:
    """Raises ValueError, which never quotes the file, or OSError. What the keys must be like aiocoap says itself."""
    if not secret.is_file():
        raise ValueError(f"oscore: there is no {secret}; docs/protocols/coap.md says what it holds")
    if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"oscore: others may read this secret; run: chmod 600 {secret}")
    try:
        held = json.loads(secret.read_bytes())
    except ValueError:
        held = None
    if not isinstance(held, dict) or not all(isinstance(held.get(key), str) for key in SECRET_KEYS):
        raise ValueError(f"oscore: {secret} is no JSON object with the texts {', '.join(SECRET_KEYS)}")
