"""The text, binary and URI forms of a city code (docs/protocols/citycode.md).

A code is a kind letter, a body and a check character (ISO/IEC 7064 MOD 37,36 over kind and body). It never says where
its thing is or whose it is: those change, and a code does not.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from protocols.citycode import check
from protocols.errors import LocalProtocolError, RemoteProtocolError

SEPARATORS = " -_.:/\u00a0\u3000"  # people group digits as they like; a check character follows, so nothing is lost
EXAMPLE_PEN = 32473  # RFC 5612: the enterprise number for documentation, until an operator has one of its own
# GB/T 2260: merged into neighbours in 2010 (崇文, 宣武), abolished (燕山), or made districts in 2015 (密云县, 延庆县).
RETIRED_DIVISIONS = frozenset({"110103", "110104", "110110", "110228", "110229"})

_BASE32HEX = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_BODY_BITS = 58
_NOT_IN_TABLE = "is not a character of a city code"


class Kind(StrEnum):
    AREA = "A"
    COMPONENT = "B"
    DEVICE = "D"
    EVENT = "E"
    GRID = "G"
    LOGICAL = "L"
    ORGANISATION = "U"
    PERSON = "R"


# Body lengths. A: GB/T 2260 and its 9- and 12-digit extensions; B: GB/T 30428.2, division 6, class 4, serial 6, and
# D and L like it; E: division 6, class 4, date 8, serial 6; G: sub-district 9, community 3, grid 3; U: GB 32100;
# R: ten bytes in base32hex.
LENGTHS: dict[Kind, tuple[int, ...]] = {
    Kind.AREA: (6, 9, 12),
    Kind.COMPONENT: (16,),
    Kind.DEVICE: (16,),
    Kind.EVENT: (24,),
    Kind.GRID: (15,),
    Kind.LOGICAL: (16,),
    Kind.ORGANISATION: (18,),
    Kind.PERSON: (16,),
}
_ALPHABETS = {Kind.ORGANISATION: check.USCC, Kind.PERSON: _BASE32HEX}
_NUMBERS = {
    Kind.AREA: 1,
    Kind.COMPONENT: 2,
    Kind.DEVICE: 3,
    Kind.EVENT: 4,
    Kind.GRID: 5,
    Kind.LOGICAL: 6,
    Kind.PERSON: 7,
    Kind.ORGANISATION: 8,
}
_KINDS = {number: kind for kind, number in _NUMBERS.items()}
_URN = re.compile(r"urn:dev:org:[0-9]+-([0-9a-z]+):?", re.IGNORECASE)  # RFC 9039, 4.4
_LINK = re.compile(r"https?://[^/?#]+/(?:[^?#]*/)?c/([0-9a-z]+)/?", re.IGNORECASE)


class CodeError(RemoteProtocolError):
    """Text that is no city code. `position` counts the characters as typed, from 1; 0 where no single one is wrong."""

    def __init__(self, reason: str, position: int = 0, expected: str = "", swaps: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.position = position
        self.expected = expected  # the check character that the rest asks for
        self.swaps = swaps  # the valid codes that differ by one exchange of neighbours


@dataclass(frozen=True, order=True)
class CityCode:
    """Made by `parse`, `mint`, `from_binary` or `from_uri`, which check it; never built by hand."""

    kind: Kind
    body: str
    check: str

    @property
    def text(self) -> str:
        return f"{self.kind}{self.body}{self.check}"

    def __str__(self) -> str:
        return self.text

    @property
    def division(self) -> str:
        """The six digits of GB/T 2260 it was minted in; "" for people and organisations. Not where it stands now."""
        return "" if self.kind in _ALPHABETS else self.body[:6]

    @property
    def component_class(self) -> str:
        """The four digits of the class of GB/T 30428.2, "" where the kind has none."""
        return self.body[6:10] if self.kind in (Kind.COMPONENT, Kind.DEVICE, Kind.EVENT, Kind.LOGICAL) else ""

    @property
    def is_retired(self) -> bool:
        """Whether its division no longer exists: such a code is still read, and never minted."""
        return self.division in RETIRED_DIVISIONS

    @property
    def binary(self) -> int | bytes:
        """Kind number and body: an unsigned 64-bit integer, or bytes for U and R. The check character is left out.

        LocalProtocolError for an event, whose 24 digits do not fit: its key is [source, ms, incarnation, seq].
        """
        number = _NUMBERS[self.kind]
        match self.kind:
            case Kind.EVENT:
                raise LocalProtocolError("an event code has no binary form")
            case Kind.ORGANISATION:
                return bytes([number]) + self.body.encode("ascii")
            case Kind.PERSON:
                return bytes([number]) + base64.b32hexdecode(self.body)
        return number << _BODY_BITS | int(self.body)

    @property
    def uri(self) -> str:
        return self.urn(EXAMPLE_PEN)

    def urn(self, pen: int) -> str:
        """The device URN of RFC 9039, 4.4 under a private enterprise number."""
        return f"urn:dev:org:{pen}-{self.text}"

    def link(self, base: str) -> str:
        """The address for a QR symbol: upper case, so that the symbol can use its denser alphanumeric mode."""
        return f"{base.rstrip('/')}/c/{self.text}".upper()


def parse(text: str) -> CityCode:
    """The code that `text` spells. Case and separators do not count; CodeError says what is wrong, and where."""
    places = [at for at, character in enumerate(text, 1) if character not in SEPARATORS]
    compact = "".join(text[at - 1] for at in places).upper()
    if len(compact) != len(places):  # "ß".upper() is two letters
        raise CodeError(f"{text[:40]!r} {_NOT_IN_TABLE}")
    kind = _kind(compact, places)
    lengths = LENGTHS[kind]
    body, given = compact[1:-1], compact[-1]
    alphabet = _ALPHABETS.get(kind, check.DIGITS)
    if len(body) not in lengths:
        wanted = ", ".join(str(length + 2) for length in lengths)
        raise CodeError(f"a code of kind {kind} has {wanted} characters; this has {len(compact)}")
    for at, character in enumerate(body, 1):
        if character not in alphabet:
            raise CodeError(f"character {places[at]}: {character!r} {_where_digits(kind)}", places[at])
    if given not in check.ALPHANUMERIC:
        raise CodeError(f"character {places[-1]}: {given!r} {_NOT_IN_TABLE}", places[-1])
    expected = check.mod_37_36(f"{kind}{body}")
    if given != expected:
        raise _wrong_check(compact, places[-1], expected)
    if (fault := _fault(kind, body)) is not None:
        raise CodeError(f"character {places[fault[0]]}: {fault[1]}", places[fault[0]])
    return CityCode(kind, body, given)


def mint(kind: Kind | str, body: str) -> CityCode:
    """A new code. LocalProtocolError for a body that cannot be, a retired division or a device outside class 90."""
    try:
        kind = Kind(kind)
    except ValueError:
        raise LocalProtocolError(f"{kind!r} is not a kind of city code") from None
    alphabet = _ALPHABETS.get(kind, check.DIGITS)
    if len(body) not in LENGTHS[kind] or not set(body) <= set(alphabet):
        raise LocalProtocolError(f"{body[:40]!r} is not the body of a code of kind {kind}")
    if (fault := _fault(kind, body)) is not None:
        raise LocalProtocolError(fault[1])
    code = CityCode(kind, body, check.mod_37_36(f"{kind}{body}"))
    if code.is_retired:
        raise LocalProtocolError(f"division {code.division} is retired: its codes are read, not minted")
    if kind is Kind.DEVICE and not code.component_class.startswith("90"):
        raise LocalProtocolError(f"a device has a class of the local major class 90, not {code.component_class}")
    return code


def mint_person(purpose_key: bytes, identity: str) -> CityCode:
    """The pseudonym of a person for one purpose. It is still personal data: the key's holder can test identities."""
    digest = hmac.digest(purpose_key, f"R|{identity}".encode(), hashlib.sha256)
    return mint(Kind.PERSON, base64.b32hexencode(digest[:10]).decode("ascii"))


def from_binary(binary: int | bytes) -> CityCode:
    """The code of a binary form; CodeError where it is none."""
    if isinstance(binary, bytes):
        kind = _KINDS.get(binary[0]) if binary else None
        if kind is Kind.PERSON and len(binary) == 11:
            body = base64.b32hexencode(binary[1:]).decode("ascii")
        elif kind is Kind.ORGANISATION and len(binary) == 19 and binary.isascii():
            body = binary[1:].decode("ascii")
        else:
            raise CodeError(f"{binary[:24].hex()} is not the binary form of a person or an organisation")
    else:
        kind = _KINDS.get(binary >> _BODY_BITS) if 0 <= binary < 2**64 else None
        if kind is None or kind in _ALPHABETS or kind is Kind.EVENT:
            raise CodeError(f"{binary:#x} is not the binary form of a code")
        body = str(binary & (1 << _BODY_BITS) - 1)
    if not set(body) <= set(check.ALPHANUMERIC):
        raise CodeError(f"{body!r} is not the body of a code of kind {kind}")
    return parse(f"{kind}{body}{check.mod_37_36(kind + body)}")


def from_uri(uri: str) -> CityCode:
    """The code that a device URN or the address in a QR symbol ends in; CodeError where there is none."""
    match = _URN.fullmatch(uri) or _LINK.fullmatch(uri)
    if match is None:
        raise CodeError(f"{uri[:80]!r} is neither urn:dev:org:<number>-<code> nor https://<host>/c/<code>")
    return parse(match[1])


def _kind(compact: str, places: list[int]) -> Kind:
    if not compact:
        raise CodeError("a city code is a letter, a body and a check character; this is empty")
    try:
        return Kind(compact[0])
    except ValueError:
        kinds = ", ".join(sorted(LENGTHS))
        raise CodeError(f"character {places[0]}: {compact[0]!r} is not a kind; kinds are {kinds}", places[0]) from None


def _where_digits(kind: Kind) -> str:
    match kind:
        case Kind.ORGANISATION:
            return "is not a character of a social credit code, which has no I, O, S, V, Z"
        case Kind.PERSON:
            return "is not a digit of base32hex, 0 to 9 and A to V"
    return f"is not a digit; the body of a code of kind {kind} has digits alone"


def _fault(kind: Kind, body: str) -> tuple[int, str] | None:
    """The place in kind + body, from 0, and the reason why a body of the right length and alphabet cannot be."""
    if kind is Kind.PERSON:
        return None
    if body[0] == "0":
        return 1, "a body never starts with 0: no province does"
    if kind is Kind.ORGANISATION and (wanted := check.gb_32100(body[:17])) != body[17]:
        return 18, f"the social credit code ends in {body[17]}, where its own check asks for {wanted}"
    if kind is Kind.EVENT:
        try:
            date.fromisoformat(f"{body[10:14]}-{body[14:16]}-{body[16:18]}")
        except ValueError:
            return 11, f"{body[10:18]} is not a date"
    return None


def _wrong_check(compact: str, position: int, expected: str) -> CodeError:
    swaps = tuple(
        swapped
        for at in range(1, len(compact) - 1)
        if compact[at] != compact[at + 1]
        and _holds(swapped := compact[:at] + compact[at + 1] + compact[at] + compact[at + 2 :])
    )
    reason = f"character {position}: the check character is {compact[-1]}, the rest asks for {expected}"
    if swaps:
        reason += f"; with two neighbours exchanged it would be right: {' or '.join(swaps)}"
    return CodeError(reason, position, expected, swaps)


def _holds(compact: str) -> bool:
    kind, body = Kind(compact[0]), compact[1:-1]
    return (
        set(body) <= set(_ALPHABETS.get(kind, check.DIGITS))
        and check.mod_37_36(compact[:-1]) == compact[-1]
        and _fault(kind, body) is None
    )
