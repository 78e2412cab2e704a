"""Packed decimal as meters send it: two digits a byte, the low byte first."""

from dataclasses import dataclass

from protocols.errors import LocalProtocolError, RemoteProtocolError

ABSENT = 0xFF  # a byte that stands for no digits at all
SIGN = 0x80  # in the highest byte, the last on the wire (DL/T 645-2007: currents, powers, power factors)


def is_absent(data: bytes) -> bool:
    """Whether a meter has no value here: it fills the place with FF."""
    return bool(data) and data.count(ABSENT) == len(data)


def decode_bcd(data: bytes) -> int:
    """The number in `data`. Raises RemoteProtocolError for a digit above 9."""
    text = data[::-1].hex()
    if not text.isdecimal():
        raise RemoteProtocolError(f"{data.hex(' ')} is no decimal number" if text else "a number of no bytes")
    return int(text)


def encode_bcd(number: int, length: int) -> bytes:
    """`number` in `length` bytes. Raises LocalProtocolError for one that does not fit."""
    if not 0 <= number < 100**length:
        raise LocalProtocolError(f"{number} does not fit {length} bytes of decimal digits")
    return bytes.fromhex(f"{number:0{2 * length}d}")[::-1]


@dataclass(frozen=True)
class Format:
    """`digits` in all, the last `decimals` of them behind the point. Numbers are integers of 10**-decimals."""

    digits: int
    decimals: int
    signed: bool = False

    @classmethod
    def parse(cls, text: str, signed: bool = False) -> "Format":
        """As the standards print it: "XXXXXX.XX". Raises ValueError."""
        whole, point, fraction = text.partition(".")
        digits = whole + fraction
        if not whole or set(digits) != {"X"} or len(digits) % 2 or bool(point) != bool(fraction):
            raise ValueError(f"{text!r} is not a format such as XXXXXX.XX, with an even number of X")
        return cls(len(digits), len(fraction), signed)

    @property
    def length(self) -> int:
        """In bytes."""
        return self.digits // 2

    @property
    def highest(self) -> int:
        """The sign takes the highest bit, which leaves the first digit 7 at most."""
        lead = 8 if self.signed else 10
        return lead * int(10 ** (self.digits - 1)) - 1

    def decode(self, data: bytes) -> int | None:
        """None where all is FF: no value. Raises RemoteProtocolError for another length or what is not decimal."""
        if len(data) != self.length:
            raise RemoteProtocolError(f"{self.length} bytes were expected, {data.hex(' ') or 'none'} came")
        if is_absent(data):
            return None
        if self.signed and data[-1] & SIGN:
            return -decode_bcd(data[:-1] + bytes((data[-1] & ~SIGN,)))
        return decode_bcd(data)

    def encode(self, number: int | None) -> bytes:
        """Raises LocalProtocolError for a number that does not fit."""
        if number is None:
            return b"\xff" * self.length
        if not (-self.highest if self.signed else 0) <= number <= self.highest:
            raise LocalProtocolError(f"{number} does not fit {self.digits} digits{' and a sign' * self.signed}")
        data = encode_bcd(abs(number), self.length)
        return data if number >= 0 else data[:-1] + bytes((data[-1] | SIGN,))
