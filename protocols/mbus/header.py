"""Which meter speaks: identification, manufacturer, version and medium, and how a master asks for one by them."""

import re
from typing import NamedTuple

from protocols.errors import LocalProtocolError, RemoteProtocolError

DIGITS = 8
_LETTERS = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"[0-9A-F]{8}")
_PATTERN = re.compile(r"[0-9A-F]{8}(?:[0-9A-F]{8})?")
ANY = 0xFF  # as version or medium, and in both bytes of the manufacturer


class Header(NamedTuple):
    """`number` is of 8 digits, as printed on the meter. `manufacturer` is three letters, or a code in hex where those
    are none; empty in the fixed structure.

    `access` is counted up by the meter with each answer; `status` is its byte of errors. `configuration` is the word
    that was once a signature and now tells of encryption.
    """

    number: str
    manufacturer: str
    version: int
    medium: int
    access: int
    status: int
    configuration: int = 0

    @property
    def secondary(self) -> str:
        """The secondary address in full: 16 hex digits, as Secondary.parse takes them."""
        code = manufacturer_code(self.manufacturer).to_bytes(2, "little").hex().upper()
        return f"{self.number}{code}{self.version:02X}{self.medium:02X}"


def manufacturer_letters(code: int) -> str:
    """EN 13757-3, 5.6: five bits a letter. A code that is no three letters is given in hex."""
    letters = "".join(chr(64 + (code >> shift & 0x1F)) for shift in (10, 5, 0))
    return letters if _LETTERS.fullmatch(letters) and code < 0x8000 else f"{code:04X}"


def manufacturer_code(letters: str) -> int:
    if _LETTERS.fullmatch(letters):
        high, middle, low = (ord(letter) - 64 for letter in letters)
        return high << 10 | middle << 5 | low
    try:
        return int(letters or "0", 16)
    except ValueError:
        raise LocalProtocolError(f"{letters!r} is neither three letters nor a code in hex") from None


def number_text(data: bytes) -> str:
    """Four bytes, low first. There are meters with digits above 9 in it, which name them as well as others do."""
    return data[::-1].hex().upper()


def encode_number(number: str) -> bytes:
    if not _NUMBER.fullmatch(number):
        raise LocalProtocolError(f"{number!r} is not an identification number of {DIGITS} digits")
    return bytes.fromhex(number)[::-1]


class Secondary(NamedTuple):
    """A secondary address, perhaps with wildcards: an F in the number, FFFF, FF and FF for the rest."""

    number: str
    manufacturer: int = 0xFFFF
    version: int = ANY
    medium: int = ANY

    @classmethod
    def parse(cls, text: str) -> "Secondary":
        """8 digits (F for any), or 16 with manufacturer, version and medium in hex. Raises LocalProtocolError.

        The manufacturer has its low byte first, as on the wire and as the tools of libmbus and pyMeterBus show it.
        """
        text = text.upper()
        if not _PATTERN.fullmatch(text):
            raise LocalProtocolError(
                f"{text!r} is no secondary address: 8 digits (F for any), or 16 with manufacturer, version and medium"
            )
        if len(text) == DIGITS:
            return cls(text)
        low, high, version, medium = bytes.fromhex(text[DIGITS:])
        return cls(text[:DIGITS], high << 8 | low, version, medium)

    def __str__(self) -> str:
        rest = self.encode()[DIGITS // 2 :].hex().upper()
        return self.number if rest == "F" * DIGITS else self.number + rest

    def encode(self) -> bytes:
        """The eight bytes of a selection."""
        number = bytes.fromhex(self.number)[::-1]
        return number + self.manufacturer.to_bytes(2, "little") + bytes((self.version, self.medium))

    @classmethod
    def decode(cls, data: bytes) -> "Secondary":
        """The slave's side. Raises RemoteProtocolError."""
        if len(data) != 8:
            raise RemoteProtocolError(f"{data.hex(' ') or 'nothing'} selects no meter")
        return cls(number_text(data[:4]), int.from_bytes(data[4:6], "little"), data[6], data[7])

    def matches(self, number: str, manufacturer: int, version: int, medium: int) -> bool:
        return (
            all(asked in ("F", digit) for asked, digit in zip(self.number, number, strict=True))
            and self.manufacturer in (0xFFFF, manufacturer)
            and self.version in (ANY, version)
            and self.medium in (ANY, medium)
        )

    def matches_header(self, header: Header) -> bool:
        """Whether an answer may be this meter's. The fixed structure tells the number alone."""
        if not header.manufacturer:
            return self._replace(manufacturer=0xFFFF, version=ANY, medium=ANY).matches(header.number, 0, 0, 0)
        return self.matches(header.number, manufacturer_code(header.manufacturer), header.version, header.medium)
