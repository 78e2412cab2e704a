"""Topics, and the seal that binds a message to its topic: direction, kind and gateway (contracts.md, Delivery 1 and 8).

A broker that copies a sealed message to another topic, or another gateway's, breaks the MAC; one that replays it
meets the incarnation, seq, connection, number or expiry inside.
"""

import re
from typing import NamedTuple

import cbor2

from protocols.edge import cose
from protocols.edge.desired import Desired
from protocols.edge.messages import (
    MAX_PAYLOAD,
    Acknowledgement,
    Batch,
    Birth,
    Burst,
    Command,
    Event,
    Message,
    State,
    decode,
)
from protocols.errors import RemoteProtocolError

ROOT = "hutong/1"
MAX_SEALED = MAX_PAYLOAD + 256
_GATEWAY = re.compile(r"[0-9A-Z]{1,64}")

LEAVES: dict[type, str] = {
    Birth: "birth",
    Batch: "data",
    Burst: "burst",
    Event: "event",
    State: "state",
    Command: "cmd",
    Desired: "cmd",
    Acknowledgement: "ack",
}
UPWARD = ("birth", "data", "burst", "event", "state")


class Address(NamedTuple):
    gateway: str
    leaf: str

    @property
    def topic(self) -> str:
        return f"{ROOT}/{self.gateway}/{self.leaf}"


class Opened(NamedTuple):
    message: Message
    payload: bytes


def address_of(message: Message) -> Address:
    gateway = message.origin.gateway if isinstance(message, Birth | Batch | Burst | Event) else message.gateway
    return Address(gateway, LEAVES[type(message)])


def parse_topic(topic: str) -> Address:
    parts = topic.split("/")
    if "/".join(parts[:2]) != ROOT or len(parts) != 4 or not _GATEWAY.fullmatch(parts[2]):
        raise RemoteProtocolError(f"topic {topic[:100]!r} is not {ROOT}/<gateway>/<kind>")
    if parts[3] not in LEAVES.values():
        raise RemoteProtocolError(f"topic {topic[:100]!r}: {parts[3][:20]!r} is not a kind of message")
    return Address(parts[2], parts[3])


def seal(address: Address, payload: bytes, key: bytes) -> bytes:
    return cose.seal(key, payload, _binding(address))


def open_sealed(address: Address, sealed: bytes, keys: dict[bytes, bytes]) -> Opened:
    """The message in `sealed` if its MAC, kind and gateway fit the topic it came on; else RemoteProtocolError."""
    payload = unseal(address, sealed, keys)
    message = decode(payload)
    if address_of(message) != address:
        raise RemoteProtocolError(f"a message for {address_of(message).topic} came on {address.topic}")
    return Opened(message, payload)


def unseal(address: Address, sealed: bytes, keys: dict[bytes, bytes]) -> bytes:
    """The authentic payload, not yet decoded; RemoteProtocolError where the MAC does not fit the topic."""
    if len(sealed) > MAX_SEALED:
        raise RemoteProtocolError(f"a message of {len(sealed)} bytes; the longest allowed is {MAX_SEALED}")
    return cose.open_sealed(sealed, keys, _binding(address))


def _binding(address: Address) -> bytes:
    return cbor2.dumps([ROOT, address.leaf, address.gateway])
