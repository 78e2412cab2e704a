"""What docs/devices.md says of Modbus: the keys of a template, and where a channel stands."""

from collections.abc import Iterable

from drivers.modbus.decode import Entry

KEYS = """\
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
| `table` | `coil`, `discrete` (one bit each, always a state), `input`, `holding` |
| `address` | as on the wire, from 0: register 40001 of old manuals is `holding` 0 |
| `type` | `u16 i16 u32 i32 u64 i64 f32 f64` |
| `order` | of bytes, A the highest: `ABCD` (unless told), `CDAB` low word first, `BADC` bytes swapped, `DCBA` both |
| `scale` | an exact decimal as a text: value = register x scale; it travels as an integer and an exponent |
| `bit`, `width` | a bit field: its lowest bit, and how many (1 unless told) |
| `sentinels` | bit patterns that mean "the sensor has failed"; NaN and infinity always do |
| `absent` | bit patterns that mean "nothing to tell now": no vehicle below, no session, a function this unit lacks |
| `writable` | for `coil` and `holding`; what was written is read back from the same place |
| `single_writes` (in `requests`) | `false` for devices that know function 10 only |
"""


def where(entry: Entry) -> str:
    last = entry.address + entry.length - 1
    place = f"{entry.table} {entry.address}" + (f"-{last}" if entry.length > 1 else "")
    told = f"{place}, {' '.join(_type(entry))}"
    for words, numbers in (("failed", entry.sentinels), ("nothing to tell", entry.absent)):
        if numbers:
            told += f"; {words}: " + ", ".join(f"{number:.8g}" for number in sorted(numbers))
    return told


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
