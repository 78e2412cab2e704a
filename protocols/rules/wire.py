"""A rule as bytes: CBOR to travel and to be hashed, JSON for people. Both hold the form of protocols.rules.plain."""

import hashlib
import json
from typing import NoReturn

import cbor2

from protocols.edge.cbor import load_one
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.rules.form import Rule
from protocols.rules.plain import FormError, from_plain, to_plain

MAX_BYTES = 64 << 10  # 64 comparisons of two codes and their keys have 12,000


def encode(rule: Rule) -> bytes:
    """Deterministic CBOR (RFC 8949, 4.2.1). LocalProtocolError for a rule that decode() would refuse."""
    plain = to_plain(rule)
    try:
        if from_plain(plain) != rule:
            raise LocalProtocolError(f"rule {rule.name!r} holds what its form cannot say exactly")
    except FormError as error:
        raise LocalProtocolError(f"rule {rule.name!r}: {error}") from None
    return cbor2.dumps(plain, canonical=True)


def decode(data: bytes) -> Rule:
    """RemoteProtocolError for anything but one rule; FormError, which is one, where the place is known."""
    _refuse_long(data)
    return from_plain(load_one(data))


def encode_json(rule: Rule) -> str:
    return json.dumps(to_plain(rule), ensure_ascii=False, sort_keys=True)


def decode_json(text: str | bytes) -> Rule:
    """RemoteProtocolError as decode()."""
    _refuse_long(text)
    try:
        item = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"not valid JSON: {error}") from None
    return from_plain(item)


def rule_hash(rule: Rule) -> bytes:
    """SHA-256 over the canonical bytes: stable over spelling, over the order of keys and over programs."""
    return hashlib.sha256(encode(rule)).digest()


def _refuse_long(data: str | bytes) -> None:
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(f"a rule of {len(data)} bytes; the longest allowed is {MAX_BYTES}")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
