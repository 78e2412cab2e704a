"""docs/devices.md, made from the templates: `python -m drivers.modbus.catalogue_doc` writes it anew."""

from collections.abc import Iterable
from pathlib import Path

from drivers.modbus.decode import Entry
from drivers.modbus.model import RegisterModel
from drivers.modbus.template import load_model, template_names
from drivers.template.quantities import QUANTITIES

PATH = Path(__file__).parents[2] / "docs" / "devices.md"
HEADER = ("channel", "title", "where", "type", "unit", "limits", "kind", "LwM2M", "notes")
QUANTITY_OF = {number: word for word, number in QUANTITIES.items()}

INTRODUCTION = """\
# Devices

<!-- Made from drivers/templates by `python -m drivers.modbus.catalogue_doc`; a test asserts that it is current. -->

A device model is a TOML file: one `[[channel]]` a measured quantity. A gateway's configuration names a model of this
page (`model = "meter_1p"`) or the path of a file of your own (`model = "models/my_meter.toml"`).

```toml
name = "my_meter"
title = { en = "My meter", zh = "我的电表" }

[requests]               # optional: what one request may ask
registers = 60           # at most 125
gap = 4                  # unwanted registers between two wanted ones that are read along; 8 unless told

[[channel]]
name = "energy"
title = { en = "Energy", zh = "电能" }
quantity = "energy"
unit = "kWh"
kind = "counter"
table = "input"
address = 10
type = "u64"
order = "CDAB"
scale = "0.01"
sentinels = [0xFFFFFFFFFFFFFFFF]
```

| key | what it says |
|---|---|
| `name` | small letters, digits, `_`; at most 48 |
| `title` | what people call it, in `en` and `zh` |
| `quantity` | one of {quantities}; in a birth it is the LwM2M object's id |
| `unit` | as UCUM or SenML write it (`Cel`, `%RH`, `kWh`); empty if it has none |
| `kind` | `gauge` goes up and down; `counter` only rises and is always an integer; `state` stands for a word |
| `table` | `coil`, `discrete` (one bit each, always a state), `input`, `holding` |
| `address` | as on the wire, from 0: register 40001 of old manuals is `holding` 0 |
| `type` | `u16 i16 u32 i32 u64 i64 f32 f64` |
| `order` | of bytes, A the highest: `ABCD` (unless told), `CDAB` low word first, `BADC` bytes swapped, `DCBA` both |
| `scale` | an exact decimal as a text: value = register x scale; it travels as an integer and an exponent |
| `bit`, `width` | a bit field: its lowest bit, and how many (1 unless told) |
| `sentinels` | bit patterns that mean "no value"; NaN and infinity always do |
| `limits` | plausible lowest and highest, as texts in `unit`: outside, the value is kept and marked; never written |
| `writable` | for `coil` and `holding`; what was written is read back from the same place |
| `states` | words of a state by number: `{ 0 = { en = "off", zh = "关" } }` |
| `class` (of the model) | the class in the city codes of such devices, four digits |
| `single_writes` (in `requests`) | `false` for devices that know function 10 only |

A mistake is told with file, channel, key and the nearest word that would be right.

## Models
"""


def render() -> str:
    quantities = ", ".join(f"`{word}`" for word in QUANTITIES)
    parts = [INTRODUCTION.replace("{quantities}", quantities)]
    parts += [_render_model(load_model(name)) for name in template_names()]
    return "\n".join(parts)


def _render_model(model: RegisterModel) -> str:
    city_class = f" City code class {model.city_class}." if model.city_class else ""
    rows = [HEADER, tuple("---" for _ in HEADER), *map(_row, model.entries)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"### {model.name}\n\n{model.title['en']}, {model.title['zh']}.{city_class}\n\n{table}\n"


def _row(entry: Entry) -> tuple[str, ...]:
    channel = entry.channel
    last = entry.address + entry.length - 1
    where = f"{entry.table} {entry.address}" + (f"-{last}" if entry.length > 1 else "")
    limits = f"{channel.limits[0]} to {channel.limits[1]}" if channel.limits else ""
    return (
        f"`{channel.name}`",
        f"{channel.title['en']} {channel.title['zh']}",
        where,
        " ".join(_type(entry)),
        channel.unit,
        limits,
        channel.kind.name.lower(),
        f"{channel.quantity} {QUANTITY_OF[channel.quantity]}",
        "; ".join(_notes(entry)),
    )


def _type(entry: Entry) -> Iterable[str]:
    if not entry.type:
        yield "bit"
        return
    yield entry.type
    if entry.length > 1:
        yield entry.order
    if entry.bits:
        lowest, width = entry.bits
        yield f"bit {lowest}" if width == 1 else f"bits {lowest}-{lowest + width - 1}"
    mantissa, exponent = entry.scale
    if (mantissa, exponent) != (1, 0):
        yield f"x {mantissa * 10**exponent if exponent >= 0 else f'{mantissa / 10**-exponent:.{-exponent}f}'}"


def _notes(entry: Entry) -> Iterable[str]:
    if entry.channel.writable:
        yield "writable"
    if entry.channel.states:
        yield ", ".join(f"{number} {words['en']} {words['zh']}" for number, words in entry.channel.states.items())
    if entry.sentinels:
        yield "no value: " + ", ".join(f"{number:.8g}" for number in sorted(entry.sentinels))


if __name__ == "__main__":
    PATH.write_text(render(), "utf-8")
