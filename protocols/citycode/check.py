"""Check characters: ISO/IEC 7064 and the Chinese standards built on it.

Every function takes the characters before the check and returns the check; `LocalProtocolError` names a character that
the system's alphabet does not have.
"""

from protocols.errors import LocalProtocolError

DIGITS = "0123456789"
ALPHANUMERIC = DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 2: without I, O, S, V, Z


def mod_37_36(body: str) -> str:
    """The hybrid system of ISO/IEC 7064, clause 9: finds every single substitution, and 99.4 % of adjacent swaps."""
    product = 36
    for character in body:
        total = (product + _value(character, ALPHANUMERIC)) % 36 or 36
        product = total * 2 % 37
    return ALPHANUMERIC[(1 - product) % 36]


def mod_37_2(body: str) -> str:
    """ISO/IEC 7064, clause 7; may answer `*`."""
    return (ALPHANUMERIC + "*")[_pure(body, ALPHANUMERIC, 37)]


def mod_11_2(body: str) -> str:
    """ISO/IEC 7064, clause 7, as GB 11643 uses it for citizens' identity numbers; may answer `X`."""
    return (DIGITS + "X")[_pure(body, DIGITS, 11)]


def mod_97_10(body: str) -> str:
    """ISO/IEC 7064, clause 8: two digits; letters count as A=10 ... Z=35."""
    number = int("".join(str(_value(character, ALPHANUMERIC)) for character in body))
    return f"{98 - number * 100 % 97:02d}"


def gb_32100(body: str) -> str:
    """The last character of a unified social credit code, from the 17 before it (GB 32100-2015, annex A)."""
    total = sum(_value(character, USCC) * pow(3, at, 31) for at, character in enumerate(body))
    return USCC[-total % 31]


def gb_11714(body: str) -> str:
    """The check of an organisation code, from the 8 characters before it (GB 11714-1997); may answer `X`."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(_value(character, ALPHANUMERIC) * weight for character, weight in zip(body, weights, strict=True))
    return (DIGITS + "X")[-total % 11]


def _pure(body: str, alphabet: str, modulus: int) -> int:
    total = 0
    for character in body:
        total = (total + _value(character, alphabet)) * 2 % modulus
    return (1 - total) % modulus


def _value(character: str, alphabet: str) -> int:
    value = alphabet.find(character)
    if value < 0 or len(character) != 1:
        raise LocalProtocolError(f"{character!r} is not in the alphabet of this check system")
    return value
