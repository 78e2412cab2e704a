"""The fixed data structure of old meters: two counters of four bytes (EN 1434-3, CI 73 and 77).

    number (4)  access  status  unit 1  unit 2  counter 1 (4)  counter 2 (4)

The two highest bits of each unit together tell the medium. Bits 0 and 1 of the status are taken as the usergroup's
documentation numbers them; libmbus takes bits 7 and 6, and no published frame has either set.
"""

from protocols.errors import RemoteProtocolError
from protocols.mbus import values
from protocols.mbus.codes import Function
from protocols.mbus.header import Header, number_text
from protocols.mbus.variable import Record

LENGTH = 16
BINARY, STORED = 0x01, 0x02  # status: counters are signed binary, not digits; they are of the set day, not of now
HISTORIC = 0x3E  # the unit of counter 1, at the set day

# (quantity, unit, exponent, steps of ten) in the order of the codes from 02 on; 00 and 01 are times, no counters.
_RUNS = (
    ("energy", "Wh", 0, 9),
    ("energy", "J", 3, 9),
    ("power", "W", 0, 9),
    ("power", "J/h", 3, 9),
    ("volume", "m3", -6, 9),
    ("volume_flow", "m3/h", -6, 9),
)
UNITS: dict[int, tuple[str, str, int]] = {
    2 + 9 * run + step: (quantity, unit, exponent + step)
    for run, (quantity, unit, exponent, steps) in enumerate(_RUNS)
    for step in range(steps)
} | {0x38: ("temperature", "Cel", -3), 0x39: ("heat_cost", "", 0), 0x3F: ("dimensionless", "", 0)}


def parse_fixed(data: bytes, high_first: bool = False) -> tuple[Header, tuple[Record, Record]]:
    """Counter 1 and counter 2; one of the set day has storage 1. Raises RemoteProtocolError."""
    if len(data) != LENGTH:
        raise RemoteProtocolError(f"{len(data)} bytes in the fixed structure of {LENGTH}")
    status, first, second = data[5:8]
    step = -1 if high_first else 1
    medium = first >> 6 | second >> 6 << 2
    header = Header(number_text(data[0:4][::step]), "", 0, medium, data[4], status)
    stored = int(bool(status & STORED))
    records = (
        _counter(data[8:12][::step], first & 0x3F, status, stored),
        _counter(data[12:16][::step], first & 0x3F, status, 1)
        if second & 0x3F == HISTORIC
        else _counter(data[12:16][::step], second & 0x3F, status, stored),
    )
    return header, records


def _counter(raw: bytes, code: int, status: int, storage: int) -> Record:
    value = values.signed(raw) if status & BINARY else values.decimal_digits(raw)
    quantity, unit, exponent = UNITS.get(code, ("unknown", "", 0))
    return Record(quantity, unit, value, exponent, Function.INSTANTANEOUS, storage)
