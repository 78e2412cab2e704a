"""docs/interop.md, made of the marks that tests bear: `.venv/bin/pytest --write-interop` writes it anew.

A test against a program that is not ours bears `@pytest.mark.peer(protocol, name, shows)`, one of published vectors
`@pytest.mark.vectors(protocol, source)`. What stands in the page is therefore what the suite runs, and no more.
"""

from collections import defaultdict
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "docs" / "interop.md"

# What nobody has shown, by protocol: to be told to whoever plans to rely on it.
UNPROVEN = {
    "Modbus": "Real RS-485 hardware, USB adapters that re-enumerate, radio modems. Peers are programs on one machine.",
    "DL/T 645-2007": "No real meter. Freezing, demand and event records are not read.",
    "CJ/T 188": "No independent implementation was found that runs here: vectors alone. No real meter.",
    "M-Bus": "No real meter or level converter; collisions of a secondary search. Encrypted telegrams are refused.",
    "AT commands of NB-IoT modems": "No real modem or network: the simulated modem is ours, made from the transcripts.",
    "SenML": "RFC 8798 and later units are passed through as text.",
    "CoAP": "DTLS: the library's binding does not install here. OSCORE between two libraries. Blocks over lossy nets.",
    "Serial lines, NMEA 0183": "No real instrument.",
    "MQTT 5 and the edge contract": "Brokers other than mosquitto and rumqttd.",
}

INTRODUCTION = """\
# Interoperability

<!-- Made of the tests' marks by `.venv/bin/pytest --write-interop`; a test asserts that it is current. -->

Each protocol, the program of somebody else's that it was put against, unmodified; how many published frames or examples
pass; and what nobody has shown. A line stands here because tests run it: those marked *all* run in `make test-all`.
"""


def render(items: Iterable[pytest.Item]) -> str:
    """The page, from all tests of the suite."""
    peers: dict[tuple[str, str, str], list[pytest.Item]] = defaultdict(list)
    vectors: dict[tuple[str, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        for mark in item.iter_markers("peer"):
            protocol, name, shows = mark.args
            peers[protocol, name, shows].append(item)
        for mark in item.iter_markers("vectors"):
            protocol, source = mark.args
            vectors[protocol, source].append(item)
    lines = [INTRODUCTION]
    for protocol in sorted(UNPROVEN | {key[0]: "" for key in (*peers, *vectors)}):
        lines.append(f"## {protocol}\n")
        found = sorted(key for key in peers if key[0] == protocol)
        if found:
            lines += ["| peer | what it shows | tests |", "|---|---|---|"]
            lines += [f"| {_versioned(key[1])} | {key[2]} | {_where(peers[key])} |" for key in found]
            lines.append("")
        lines += [f"Vectors: {len(vectors[key])} of {key[1]} ({_where(vectors[key])}).\n"
                  for key in sorted(vectors) if key[0] == protocol]  # fmt: skip
        lines.append(f"Not shown: {UNPROVEN.get(protocol, 'nothing known to be open.')}\n")
    return "\n".join(lines).rstrip() + "\n"


def _versioned(name: str) -> str:
    """A Python peer with the version that the locks install; other programs are whatever Debian has."""
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def _where(items: Iterable[pytest.Item]) -> str:
    """Files, each with *all* where it takes `make test-all` to run it."""
    late: dict[str, bool] = {}
    for item in items:
        file = item.path.relative_to(PATH.parents[1]).as_posix()
        late[file] = late.get(file, True) and any(item.get_closest_marker(name) for name in ("debian", "long"))
    return ", ".join(f"`{file}`" + (" *all*" if late[file] else "") for file in sorted(late))
