"""A raw MQTT message -> an authentic one, or the reason why it is none. Pure."""

from dataclasses import dataclass, field
from typing import TypeAlias

from protocols.edge import envelope
from protocols.edge.cbor import Fields, load_one
from protocols.edge.envelope import MAX_SEALED, UPWARD, Address
from protocols.edge.messages import MAX_SEQ, MAX_U64, Batch, Birth, Burst, Event, State, decode, digest
from protocols.errors import RemoteProtocolError


@dataclass(frozen=True)
class Unreadable:
    """Authentic and numbered, but not a message of the contract: a gateway's bug, or a newer gateway."""

    gateway: str
    incarnation: int
    seq: int
    fault: str


Upward: TypeAlias = Birth | Batch | Burst | Event | State | Unreadable


@dataclass(frozen=True, eq=False)
class Raw:
    """`receipt` is what the MQTT session needs to acknowledge it."""

    topic: str
    sealed: bytes
    receipt: object = None


@dataclass(frozen=True, eq=False)
class Arrival:
    """`key` is the one it was sealed with, which the answer is sealed with too: while a key is being replaced, the
    server does not know which one a gateway has."""

    raw: Raw
    message: Upward
    payload: bytes
    digest: bytes
    key: bytes = field(repr=False)

    @property
    def identity(self) -> tuple[str, int, int]:
        """Gateway, incarnation and seq, 0 for a State, which has none: States are heard before the batches behind
        them."""
        match self.message:
            case State() as state:
                return state.gateway, state.incarnation, 0
            case Unreadable() as message:
                return message.gateway, message.incarnation, message.seq
            case message:
                return message.origin.gateway, message.origin.incarnation, message.origin.seq


@dataclass(frozen=True, eq=False)
class Refused:
    """Not authentic: no answer, only a place in the quarantine's sample. `reason` is a row of docs/ingest.md."""

    raw: Raw
    gateway: str
    reason: str
    detail: str


def address_of(raw: Raw) -> Address | Refused:
    """Where it came, before anything is looked up: what fails here costs no key lookup."""
    try:
        address = envelope.parse_topic(raw.topic)
    except RemoteProtocolError as error:
        return Refused(raw, "", "wrong-topic", str(error))
    if address.leaf not in UPWARD:
        return Refused(raw, address.gateway, "wrong-topic", f"{address.leaf} is not a kind that goes upward")
    if len(raw.sealed) > MAX_SEALED:
        return Refused(raw, address.gateway, "oversized", f"{len(raw.sealed)} bytes; at most {MAX_SEALED} are allowed")
    return address


def open_raw(raw: Raw, address: Address, keys: dict[bytes, bytes]) -> Arrival | Refused:
    """`keys` are the gateway's, {} if it is not enrolled."""
    if not keys:
        return Refused(raw, address.gateway, "unknown-gateway", "no such gateway is enrolled here")
    try:
        payload, key = _unseal(address, raw.sealed, keys)
    except RemoteProtocolError as error:
        return Refused(raw, address.gateway, "not-authentic", str(error))
    try:
        message = decode(payload)
        if envelope.address_of(message) != address:
            raise RemoteProtocolError(f"a message for {envelope.address_of(message).topic} came on {address.topic}")
    except RemoteProtocolError as error:
        unreadable = _salvage(payload, address, str(error))
        if unreadable is None:
            return Refused(raw, address.gateway, "unreadable", str(error))
        return Arrival(raw, unreadable, payload, digest(payload), key)
    assert isinstance(message, Birth | Batch | Burst | Event | State)  # noqa: S101  # the address has an upward leaf
    return Arrival(raw, message, payload, digest(payload), key)


def _unseal(address: Address, sealed: bytes, keys: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """The authentic payload, and the key that says so."""
    for name, key in list(keys.items())[:-1]:
        try:
            return envelope.unseal(address, sealed, {name: key}), key
        except RemoteProtocolError:
            continue
    name, key = list(keys.items())[-1]
    return envelope.unseal(address, sealed, {name: key}), key


def _salvage(payload: bytes, address: Address, fault: str) -> Unreadable | None:
    """An authentic message that breaks the contract can still be answered if it says which one it is."""
    try:
        fields = Fields(load_one(payload), "message")
        if address.leaf == "state" or fields.text(1, 64) != address.gateway:
            return None
        return Unreadable(address.gateway, fields.integer(2, 1, MAX_U64), fields.integer(3, 1, MAX_SEQ), fault)
    except RemoteProtocolError:
        return None
