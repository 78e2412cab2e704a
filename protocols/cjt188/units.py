"""The unit codes of CJ/T 188 behind each value.

2C (m3) is proven by golden frames. 05 (kWh), 17 (kW) and 35 (m3/h) stand in several makers' sources, 08 (MWh) in one;
the others are from memory of the standard's table.
"""

from protocols.bcd import ABSENT

UNITS = {
    0x01: "J",
    0x02: "Wh",
    0x05: "kWh",
    0x08: "MWh",
    0x0A: "100 MWh",
    0x0B: "kJ",
    0x0E: "MJ",
    0x11: "GJ",
    0x13: "100 GJ",
    0x14: "W",
    0x17: "kW",
    0x1A: "MW",
    0x29: "L",
    0x2C: "m3",
    0x32: "L/h",
    0x35: "m3/h",
}
CODES = {text: code for code, text in UNITS.items()}
NO_UNIT = ABSENT  # behind a value that is FF too
