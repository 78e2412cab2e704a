"""Sentences of NMEA 0183: `$` or `!`, address, fields, `*` and a checksum.

From public descriptions of NMEA 0183 and IEC 61162-1, whose text is sold: the checksum is the exclusive or of all
characters between `$` and `*`, as two hexadecimal digits; an address is two letters for the talker and the sentence's
type, or P and the maker's own.
"""

import re
from functools import reduce
from operator import xor
from typing import NamedTuple

from protocols.errors import LocalProtocolError, RemoteProtocolError

_SENTENCE = re.compile(rb"(?P<start>[$!])(?P<body>(?P<address>[A-Z][A-Z0-9]{3,})[^$!*\r\n]*)\*(?P<sum>[0-9A-Fa-f]{2})")
_BODY = re.compile(rb"[A-Z][A-Z0-9]{3,}[ -~]*")


class Sentence(NamedTuple):
    """`text` begins with the sentence's type, such as `MWV,` or, of a maker's own, `PGRMZ,`."""

    talker: str
    text: bytes


def checksum(body: bytes) -> int:
    return reduce(xor, body, 0)


def read_sentence(line: bytes) -> Sentence | None:
    """The sentence in `line`; None if it does not begin like one.

    Raises RemoteProtocolError for a wrong checksum, and for a sentence without one: over a serial line nothing else
    tells a damaged one from a good one.
    """
    if not line.startswith((b"$", b"!")):
        return None
    match = _SENTENCE.fullmatch(line.rstrip(b" \t"))
    if match is None:
        raise RemoteProtocolError(f"{line[:82]!r} is no sentence of NMEA 0183 with a checksum")
    got, computed = int(match["sum"], 16), checksum(match["body"])
    if got != computed:
        raise RemoteProtocolError(f"{line[:82]!r}: checksum {got:02X}, computed {computed:02X}")
    body: bytes = match["body"]
    if body.startswith(b"P"):
        return Sentence("P", body)
    return Sentence(body[:2].decode(), body[2:])


def write_sentence(body: bytes, start: bytes = b"$") -> bytes:
    """The line, without its end, for `body`: address and fields, such as `WIMWV,214.8,R,0.1,K,A`."""
    if not _BODY.fullmatch(body) or set(body) & set(b"$!*"):
        raise LocalProtocolError(f"{body!r} is no address and fields of NMEA 0183")
    return start + body + b"*%02X" % checksum(body)
