"""How a module stands with its network: registration, signal, and the figures of its link.

Powers, SNR and RSRQ are integers in tenths of dBm or dB, as BC95 tells them; None is what a module does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from protocols.at.text import Line, integer, parse_line
from protocols.errors import RemoteProtocolError

UNKNOWN_POWER = -32768  # of NUESTATS and CENG: nothing has been sent, or measured, yet
UNKNOWN_ECL = 255
UNKNOWN_RSSI = 99  # 27.007 8.5
FLOOR_DBM = -113  # 27.007 8.5: 0 is -113 dBm or less, 31 is -51 dBm or more


class Registration(IntEnum):
    """27.007 10.1.22."""

    IDLE = 0
    HOME = 1
    SEARCHING = 2
    DENIED = 3
    UNKNOWN = 4
    ROAMING = 5

    @property
    def is_registered(self) -> bool:
        return self in (Registration.HOME, Registration.ROAMING)


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """`tx_ms` and `rx_ms` count from the module's last reboot."""

    rsrp: int | None = None
    rssi: int | None = None
    rsrq: int | None = None
    snr: int | None = None
    tx_power: int | None = None
    tx_ms: int | None = None
    rx_ms: int | None = None
    cell: int | None = None
    ecl: int | None = None
    earfcn: int | None = None
    pci: int | None = None


def rssi_of(level: int) -> int | None:
    """dBm of the first figure of +CSQ. Raises RemoteProtocolError outside of 0..31 and 99."""
    if level == UNKNOWN_RSSI:
        return None
    if not 0 <= level <= 31:
        raise RemoteProtocolError(f"+CSQ tells a level of {level}, which is neither 0..31 nor 99")
    return FLOOR_DBM + 2 * level


def parse_signal(line: str) -> int | None:
    """dBm of a +CSQ line."""
    return rssi_of(parse_line(line).integer(0))


def parse_registration(line: str) -> Registration:
    """Of an answer `+CEREG: 0,1,...` or of an unsolicited `+CEREG: 1,...`: the first has two numbers in front, where
    the second's next field, if it has one, is a tracking area in quotes."""
    parsed = parse_line(line)
    is_answer = len(parsed.fields) > 1 and parsed.fields[1].isdecimal()
    number = parsed.integer(1 if is_answer else 0)
    try:
        return Registration(number)
    except ValueError:
        return Registration.UNKNOWN  # 6 and above: registered for SMS only and the like, which carries nothing of ours


def _tenths(number: int) -> int | None:
    return None if number == UNKNOWN_POWER else number


# What NUESTATS calls them, without regard to capitals; other names ("Last cell ID", say) are passed over.
_STATISTICS = {
    "signal power": "rsrp",
    "total power": "rssi",
    "rsrq": "rsrq",
    "snr": "snr",
    "tx power": "tx_power",
    "tx time": "tx_ms",
    "rx time": "rx_ms",
    "cell id": "cell",
    "ecl": "ecl",
    "earfcn": "earfcn",
    "pci": "pci",
}
_POWERS = frozenset({"rsrp", "rssi", "rsrq", "snr", "tx_power"})


def parse_statistics(lines: Sequence[str]) -> LinkFigures:
    """Of AT+NUESTATS, one `Name:number` a line."""
    found: dict[str, int | None] = {}
    for line in map(parse_line, lines):
        if (name := _STATISTICS.get(line.name.lower())) is not None:
            found[name] = _figure(name, line.integer(0))
    return LinkFigures(**found)


def _figure(name: str, number: int) -> int | None:
    if name in _POWERS:
        return _tenths(number)
    return None if name == "ecl" and number == UNKNOWN_ECL else number


def parse_serving_cell(line: str, first: int, scales: Mapping[str, int]) -> LinkFigures:
    """A serving cell as modules of one ancestry write it, from field `first` on:
    earfcn, offset, pci, "cell" in hexadecimal, rsrp, rsrq, rssi, snr, band, "tac", ecl, transmit power, ...

    `scales` says how many tenths the unit of a figure is, by its name; figures that are not in it are not told, and
    empty fields are unknown.
    """
    parsed = parse_line(line)
    places = {"rsrp": 4, "rsrq": 5, "rssi": 6, "snr": 7, "tx_power": 11}
    powers = {name: _scaled(parsed, first + places[name], scale) for name, scale in scales.items()}
    ecl = _optional(parsed, first + 10)
    cell = parsed.text(first + 3)
    try:
        cell_id = int(cell, 16) if cell else None
    except ValueError:
        raise RemoteProtocolError(f"{cell[:40]!r} is no cell in hexadecimal") from None
    return LinkFigures(
        **powers,
        cell=cell_id,
        ecl=None if ecl == UNKNOWN_ECL else ecl,
        earfcn=_optional(parsed, first),
        pci=_optional(parsed, first + 2),
    )


def _optional(line: Line, index: int) -> int | None:
    field = line.field(index)
    return integer(field) if field else None


def _scaled(line: Line, index: int, scale: int) -> int | None:
    number = _optional(line, index)
    return None if number is None or number == UNKNOWN_POWER else scale * number
