"""A meter's answer as a whole: its header and its records, whichever structure it has."""

from typing import NamedTuple

from protocols.errors import RemoteProtocolError
from protocols.mbus.codes import (
    APPLICATION_ERROR,
    APPLICATION_ERRORS,
    FIXED,
    FIXED_HIGH_FIRST,
    HIGH_FIRST,
    RSP_UD,
    VARIABLE,
    VARIABLE_HIGH_FIRST,
)
from protocols.mbus.fixed import parse_fixed
from protocols.mbus.frame import LongFrame
from protocols.mbus.header import Header, encode_number, manufacturer_code, manufacturer_letters, number_text
from protocols.mbus.variable import Record, parse_records

HEADER_LENGTH = 12
# Modes of encryption that are defined (EN 13757-3, configuration word, bits 8 to 12), and the bits of the word that
# count what is encrypted. Other modes, such as those of FFFF, are the signatures of meters older than encryption.
_COUNTS = {2: 0xFF, 3: 0xFF, 4: 0xF0, 5: 0xF0, 7: 0xF0, 13: 0xFF}


class Telegram(NamedTuple):
    """`more`: the meter has another telegram, which the next request with the other FCB fetches. `maker` is the maker's
    own data behind the records, None without any."""

    header: Header
    records: tuple[Record, ...]
    more: bool = False
    maker: bytes | None = None


class ApplicationFault(NamedTuple):
    """CI 70: the meter understood the frame and will not."""

    code: int

    @property
    def reason(self) -> str:
        return APPLICATION_ERRORS.get(self.code, f"error {self.code}")


def parse_telegram(frame: LongFrame) -> Telegram | ApplicationFault:
    """Raises RemoteProtocolError for anything that is no answer with data, encrypted data among it."""
    if frame.control & 0x4F != RSP_UD:
        raise RemoteProtocolError(f"control field {frame.control:#04x} is no answer with data")
    high_first = bool(frame.ci & HIGH_FIRST)
    match frame.ci:
        case ci if ci == APPLICATION_ERROR:
            return ApplicationFault(frame.data[0] if frame.data else 0)
        case ci if ci in (FIXED, FIXED_HIGH_FIRST):
            return Telegram(*parse_fixed(frame.data, high_first))
        case ci if ci in (VARIABLE, VARIABLE_HIGH_FIRST):
            header = _parse_header(frame.data, high_first)
            records = parse_records(frame.data[HEADER_LENGTH:], high_first)
            return Telegram(header, records.records, records.more, records.maker)
    raise RemoteProtocolError(f"control information {frame.ci:#04x} is neither variable nor fixed data")


def _parse_header(data: bytes, high_first: bool) -> Header:
    if len(data) < HEADER_LENGTH:
        raise RemoteProtocolError(f"{len(data)} bytes, and the header alone has {HEADER_LENGTH}")
    step = -1 if high_first else 1
    manufacturer = int.from_bytes(data[4:6][::step], "little")
    configuration = int.from_bytes(data[10:12][::step], "little")
    mode = configuration >> 8 & 0x1F
    if configuration & _COUNTS.get(mode, 0):
        raise RemoteProtocolError(f"the records are encrypted (mode {mode}), and no key is known here")
    number = number_text(data[0:4][::step])
    return Header(number, manufacturer_letters(manufacturer), data[6], data[7], data[8], data[9], configuration)


def encode_header(header: Header) -> bytes:
    return (
        encode_number(header.number)
        + manufacturer_code(header.manufacturer).to_bytes(2, "little")
        + bytes((header.version, header.medium, header.access, header.status))
        + header.configuration.to_bytes(2, "little")
    )


def encode_telegram(address: int, header: Header, records: bytes) -> LongFrame:
    """An answer with the variable structure; `records` as `variable.encode_records` makes them."""
    return LongFrame(RSP_UD, address, VARIABLE, encode_header(header) + records)
