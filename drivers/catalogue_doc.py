"""docs/devices.md, made from all templates: `python -m drivers.catalogue_doc` writes it anew."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from drivers.base import Channel
from drivers.catalog import ALL
from drivers.modbus import catalogue_doc as modbus
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import FOLDER
from drivers.template import document, files
from drivers.template.quantities import QUANTITIES

PATH = Path(__file__).parents[1] / "docs" / "devices.md"
QUANTITY_OF = {number: word for word, number in QUANTITIES.items()}
HEADER = ("channel", "title", "where, and how", "unit", "limits", "kind", "LwM2M", "notes")


class Group(NamedTuple):
    """The templates of one folder, and the families that read them. `page` is in docs/protocols."""

    folder: str
    title: str
    families: tuple[str, ...]
    page: str


GROUPS = (
    Group("modbus", "Modbus", ("modbus-tcp", "modbus-rtu", "modbus-rtu-over-tcp"), "modbus.md"),
    Group("dlt645", "DL/T 645 electricity meters", ("dlt645", "dlt645-over-tcp"), "meters.md"),
    Group("cjt188", "CJ/T 188 water, heat and gas meters", ("cjt188", "cjt188-over-tcp"), "meters.md"),
    Group("mbus", "M-Bus meters", ("mbus", "mbus-over-tcp"), "mbus.md"),
    Group("lines", "Devices that speak in lines", ("lines", "lines-over-tcp"), "lines.md"),
    Group("coap", "Sensors that report over CoAP", ("coap",), "coap.md"),
    Group("nbiot", "The gateway's own NB-IoT module", ("nbiot",), "nbiot.md"),
)

INTRODUCTION = """\
# Devices

<!-- Made from drivers/templates by `python -m drivers.catalogue_doc`; a test asserts that it is current. -->

A device model is a TOML file: one `[[channel]]` a measured quantity. A gateway's configuration names a model of this
page (`model = "meter_1p"`) or the path of a file of your own (`model = "models/my_meter.toml"`).
[A tutorial](tutorials/template-from-a-register-list.md) makes one of a vendor's list. These keys are in all of them:

| key | what it says |
|---|---|
| `name` | small letters, digits, `_`; at most 48 |
| `title` | what people call it, in `en` and `zh` |
| `class` (of the model) | the class in the city codes of such devices, four digits |
| `quantity` | one of {quantities}; in a birth it is the LwM2M object's id |
| `unit` | as UCUM or SenML write it (`Cel`, `%RH`, `kWh`); empty if it has none |
| `kind` | `gauge` goes up and down; `counter` only rises and is always an integer; `state` stands for a word |
| `limits` | plausible lowest and highest, as texts in `unit`: outside, the value is kept and marked; never written |
| `states` | words of a state by number: `{ 0 = { en = "off", zh = "关" } }` |
| `rollover` | of a counter, the count, in its last digit, at which it begins again at 0 |

Where a value stands is the family's own; its section tells the keys, or the page it names. A mistake is told with file,
channel, key and the nearest word that would be right.
"""


def render() -> str:
    quantities = ", ".join(f"`{word}`" for word in QUANTITIES)
    parts = [INTRODUCTION.replace("{quantities}", quantities)]
    for group in GROUPS:
        families = ", ".join(f"`{name}`" for name in group.families)
        parts.append(f"## {group.title}\n\nDriver {families}: [{group.page}](protocols/{group.page}).\n")
        if group.folder == FOLDER:
            parts.append(modbus.KEYS)
        parts += [_render_model(group, name) for name in files.names(group.folder)]
    return "\n".join(parts)


def _render_model(group: Group, name: str) -> str:
    model = ALL[group.families[0]].load_model(name)
    told = tomllib.loads(files.read(group.folder, name)[0])
    if isinstance(model, RegisterModel):
        places = {entry.channel.name: modbus.where(entry) for entry in model.entries}
    else:
        places = {table["name"]: ", ".join(_own_keys(table)) for table in told["channel"]}
    city_class = f" City code class {told['class']}." if "class" in told else ""
    rows = [HEADER, tuple("---" for _ in HEADER)]
    rows += [_row(channel, places[channel.name]) for channel in model.channels]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"### {model.name}\n\n{model.title['en']}, {model.title['zh']}.{city_class}\n\n{table}\n"


def _own_keys(table: Mapping[str, Any]) -> Iterable[str]:
    """What a [[channel]] says beyond the keys of all families, as it stands there."""
    for key, value in table.items():
        if key not in document.CHANNEL_KEYS:
            yield key if value is True else f"{key} {value if isinstance(value, str) else _literal(value)}"


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("|", "\\|")


def _row(channel: Channel, where: str) -> tuple[str, ...]:
    return (
        f"`{channel.name}`",
        f"{channel.title['en']} {channel.title['zh']}",
        where,
        channel.unit,
        f"{channel.limits[0]} to {channel.limits[1]}" if channel.limits else "",
        channel.kind.name.lower(),
        f"{channel.quantity} {QUANTITY_OF[channel.quantity]}",
        "; ".join(_notes(channel)),
    )


def _notes(channel: Channel) -> Iterable[str]:
    if channel.writable:
        yield "writable"
    if channel.states:
        yield ", ".join(f"{number} {words['en']} {words['zh']}" for number, words in channel.states.items())
    if channel.rollover:
        yield f"begins again at {channel.rollover}"


if __name__ == "__main__":
    PATH.write_text(render(), "utf-8")
