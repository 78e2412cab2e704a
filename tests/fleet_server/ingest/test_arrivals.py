from typing import Any

import cbor2
import pytest

from fleet_server.ingest.arrivals import Arrival, Raw, Refused, Unreadable, address_of, open_raw
from protocols.edge import envelope
from protocols.edge.envelope import MAX_SEALED, Address
from protocols.edge.messages import encode


def take(raw: Raw, keys: dict[bytes, bytes]) -> Arrival | Refused:
    address = address_of(raw)
    return address if isinstance(address, Refused) else open_raw(raw, address, keys)


def sealed(gateway: Any, leaf: str, payload: bytes) -> Raw:
    address = Address(gateway.code, leaf)
    return Raw(address.topic, envelope.seal(address, payload, gateway.key))


def test_a_true_message_arrives_with_its_digest(gateway: Any) -> None:
    batch = gateway.batch(power=[1.0])
    arrival = take(gateway.seal(batch), gateway.keys)
    assert isinstance(arrival, Arrival)
    assert arrival.payload == encode(batch)


@pytest.mark.parametrize(
    "topic",
    ["hutong/1/D1/data/x", "hutong/2/D1/data", "hutong/1/d1/data", "hutong/1/D1/cmd", "hutong/1/D1/ack", "", "a\0b"],
)
def test_a_topic_that_is_not_a_gateways_upward_one_is_refused(topic: str) -> None:
    refused = address_of(Raw(topic, b""))
    assert isinstance(refused, Refused)
    assert refused.reason == "wrong-topic"


def test_a_message_longer_than_allowed_is_refused_before_its_key_is_looked_up() -> None:
    refused = address_of(Raw("hutong/1/D1/data", bytes(MAX_SEALED + 1)))
    assert isinstance(refused, Refused)
    assert refused.reason == "oversized"


def test_without_keys_nothing_opens(gateway: Any) -> None:
    refused = take(gateway.seal(gateway.birth()), {})
    assert isinstance(refused, Refused)
    assert refused.reason == "unknown-gateway"


def test_a_message_that_a_broker_moved_to_another_topic_does_not_open(gateway: Any) -> None:
    raw = gateway.seal(gateway.event("x", {}))
    refused = take(Raw(raw.topic.replace("/event", "/data"), raw.sealed), gateway.keys)
    assert isinstance(refused, Refused)
    assert refused.reason == "not-authentic"


@pytest.mark.parametrize("leaf", ["data", "event", "birth"])
def test_an_authentic_message_that_cannot_be_read_is_answered_if_it_says_which_it_is(gateway: Any, leaf: str) -> None:
    payload = cbor2.dumps({0: 99, 1: gateway.code, 2: gateway.incarnation, 3: 17, "new": 1})
    arrival = take(sealed(gateway, leaf, payload), gateway.keys)
    assert isinstance(arrival, Arrival)
    assert isinstance(arrival.message, Unreadable)
    assert (arrival.message.incarnation, arrival.message.seq) == (gateway.incarnation, 17)


@pytest.mark.parametrize("payload", [b"", b"\xff", cbor2.dumps([1]), cbor2.dumps({0: 1, 1: "D9", 2: 1, 3: 1})])
def test_an_authentic_message_that_does_not_say_which_it_is_gets_no_answer(gateway: Any, payload: bytes) -> None:
    refused = take(sealed(gateway, "data", payload), gateway.keys)
    assert isinstance(refused, Refused)
    assert refused.reason == "unreadable"


def test_a_message_that_speaks_for_another_gateway_is_refused(gateway: Any, other_gateway: Any) -> None:
    other = other_gateway(code="D11011490010000781")
    refused = take(sealed(gateway, "data", encode(other.batch(power=[1.0]))), gateway.keys)
    assert isinstance(refused, Refused)
    assert refused.reason == "unreadable"
    assert other.code in refused.detail
