import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import cbor2
import numpy as np
import pytest

from protocols.edge import cose
from protocols.edge.burst import Waveform
from protocols.edge.columns import F32LE, F64LE, I32LE, I64LE, Column, Group
from protocols.edge.envelope import MAX_SEALED, Address, address_of, open_sealed, parse_topic, seal, unseal
from protocols.edge.messages import (
    Acknowledgement,
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Burst,
    Clock,
    ClockState,
    Command,
    Event,
    Message,
    Origin,
    State,
    encode,
)
from protocols.errors import RemoteProtocolError

GATEWAY = "D1101149001000077A"
OTHER = "D1101149001000078W"
KEY, OTHER_KEY = bytes(range(32)), bytes(32)
KEYS = {cose.key_id(KEY): KEY}
CLOCK = Clock(ClockState.SYNCHRONISED, 50)
ORIGIN = Origin(GATEWAY, 7, 1, bytes(16), 0, CLOCK)
GROUP = Group(np.array([0, 1000]), (Column(1, F32LE, np.array([1.0, 2.0]), np.ones(2, bool)),))
MESSAGES: list[Message] = [
    Birth(ORIGIN, b"\xa2\x01\x80\x02\x80"),
    Batch(ORIGIN, bytes(32), 0, (GROUP,)),
    Event(ORIGIN, 0, "spool-drop", GATEWAY, 3, {"count": 5}),
    State(GATEWAY, 7, bytes(16), 1, 1, True, 0, CLOCK, 1, 2),
    Acknowledgement(GATEWAY, 7, (AckRange(1, 1, AckStatus.STORED, bytes(8)),)),
    Command(GATEWAY, 7, 1, bytes(16), 0, 30_000, GATEWAY, "dim_setpoint", Decimal("40.5"), "user:li"),
]
LEAVES = ("birth", "data", "event", "state", "ack", "cmd")
each = pytest.mark.parametrize("message", MESSAGES, ids=LEAVES)


def sealed(message: Message) -> tuple[Address, bytes]:
    return address_of(message), seal(address_of(message), encode(message), KEY)


@each
def test_what_was_sealed_opens_on_its_topic(message: Message) -> None:
    address, data = sealed(message)
    opened = open_sealed(address, data, KEYS)
    assert opened.payload == encode(message)
    assert encode(opened.message) == opened.payload
    assert parse_topic(address.topic) == address


@each
def test_every_truncation_and_every_damaged_byte_is_refused(message: Message) -> None:
    address, data = sealed(message)
    for length in range(len(data)):
        with pytest.raises(RemoteProtocolError):
            open_sealed(address, data[:length], KEYS)
    for at in range(len(data)):
        for flip in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            damaged = bytearray(data)
            damaged[at] ^= flip
            with pytest.raises(RemoteProtocolError):
                open_sealed(address, bytes(damaged), KEYS)
    with pytest.raises(RemoteProtocolError, match="behind"):
        open_sealed(address, data + b"\0", KEYS)


@each
def test_a_message_moved_to_another_topic_or_gateway_is_refused(message: Message) -> None:
    address, data = sealed(message)
    for leaf in LEAVES:
        for gateway in (GATEWAY, OTHER):
            if (gateway, leaf) != address:
                with pytest.raises(RemoteProtocolError, match="MAC does not match"):
                    open_sealed(Address(gateway, leaf), data, KEYS)


@each
def test_a_message_sealed_for_one_topic_and_saying_another_is_refused(message: Message) -> None:
    """A gateway that has its own key still cannot speak as its neighbour."""
    for address in (Address(OTHER, address_of(message).leaf), Address(GATEWAY, "ack"), Address(GATEWAY, "birth")):
        if address != address_of(message):
            with pytest.raises(RemoteProtocolError, match="came on"):
                open_sealed(address, seal(address, encode(message), KEY), KEYS)


@each
def test_another_key_opens_nothing(message: Message) -> None:
    address, data = sealed(message)
    with pytest.raises(RemoteProtocolError, match="not known here"):
        open_sealed(address, data, {cose.key_id(OTHER_KEY): OTHER_KEY})
    with pytest.raises(RemoteProtocolError, match="MAC does not match"):
        open_sealed(address, data, {cose.key_id(KEY): OTHER_KEY})


def test_a_message_too_long_is_refused_before_anything_is_read() -> None:
    with pytest.raises(RemoteProtocolError, match="longest allowed"):
        open_sealed(Address(GATEWAY, "data"), b"\xd1" * (MAX_SEALED + 1), KEYS)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "hutong/1",
        f"hutong/2/{GATEWAY}/data",
        f"hutong/1/{GATEWAY}",
        f"hutong/1/{GATEWAY}/data/more",
        f"hutong/1/{GATEWAY}/bursts",
        f"hutong/1/{GATEWAY.lower()}/data",
        "hutong/1/+/data",
        "hutong/1//data",
        f"hutong/1/{'1' * 65}/data",
        f"hutong/1/{GATEWAY}\n/data",
    ],
)
def test_another_topic_is_refused(topic: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_topic(topic)


def test_unsealing_alone_checks_the_seal_and_not_what_is_in_it() -> None:
    address = Address(GATEWAY, "data")
    assert unseal(address, seal(address, b"no message", KEY), KEYS) == b"no message"
    with pytest.raises(RemoteProtocolError, match="MAC does not match"):
        unseal(Address(OTHER, "data"), seal(address, b"no message", KEY), KEYS)
    with pytest.raises(RemoteProtocolError):
        open_sealed(address, seal(address, b"no message", KEY), KEYS)


# The specification is the contract with strangers: its example and its decoder are held to the code.
PAGE = (Path(__file__).parents[3] / "docs" / "protocols" / "edge.md").read_text(encoding="utf-8")
Readings = Callable[[str, bytes, bytes], Iterator[tuple[int, int, Decimal | None, int]]]


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def decoder() -> Readings:
    namespace: dict[str, Readings] = {}
    exec(block("python"), namespace)  # noqa: S102
    return namespace["readings"]


def example() -> bytes:
    return bytes.fromhex(block("hex").replace("\n", ""))


def test_the_example_on_the_page_is_a_message_of_ours() -> None:
    address = Address(GATEWAY, "data")
    message, payload = open_sealed(address, example(), KEYS)
    assert isinstance(message, Batch)
    assert seal(address, payload, KEY) == example()
    (notation,) = re.findall(r"^```\n(\{0: 1.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    python = re.sub(r"(\d+)\(h'", r"cbor2.CBORTag(\1, h'", notation).replace("')", "'))")
    python = re.sub(r"h'([0-9a-f]*)'(\)?)", r"bytes.fromhex('\1')", python)
    assert eval(python, {"cbor2": cbor2}) == cbor2.loads(payload)  # noqa: S307


def test_a_stranger_decodes_the_example_with_the_pages_decoder_alone() -> None:
    assert len(block("python").splitlines()) <= 25
    rows = list(decoder()(f"hutong/1/{GATEWAY}/data", example(), KEY))
    printed = [f"{t} {alias} {'none' if value is None else value} {quality:04x}" for t, alias, value, quality in rows]
    assert printed == block("readings").splitlines()


def test_a_stranger_decodes_what_our_decoder_decodes() -> None:
    some = np.array([True, False, True, False, False, False, False, False, False, True])
    every = np.ones(10, bool)
    columns = (
        Column(1, I32LE, np.arange(10) - 5, every, scale=-1),
        Column(2, I64LE, np.array([1, 2**62, -3]), some, scale=2, quality={1: 0x800A, 9: 0x4090}),
        Column(3, F32LE, np.array([1.5, -0.5, 1e30]), some),
        Column(4, F64LE, np.linspace(0, 1, 10), every, quality={0: 0x4090}),
    )
    groups = (Group(np.arange(10) * 100, columns), Group(np.cumsum(np.arange(10) + 1) - 7, columns))
    batch = Batch(ORIGIN, bytes(32), 1_767_225_600_000, groups)
    address, data = sealed(batch)
    expected = []
    for group in groups:
        for column in group.columns:
            values = dict(zip(np.flatnonzero(column.present).tolist(), column.values.tolist(), strict=True))
            expected += [
                (
                    batch.t0 + int(time),
                    column.alias,
                    Decimal(np.float32(values[at]).item() if column.tag == F32LE else values[at]).scaleb(column.scale)
                    if at in values
                    else None,
                    column.quality.get(at, 0),
                )
                for at, time in enumerate(group.times)
                if at in values or at in column.quality
            ]
    assert list(decoder()(address.topic, data, KEY)) == expected


def test_a_stranger_decodes_a_burst_with_the_pages_decoder_changed_as_it_says() -> None:
    columns = (Column(7, I32LE, np.array([5, -5]), np.array([True, False, True]), -1, {1: 0x800A}),)
    group = Group(np.array([0, 250, 500]), columns)
    waveform = Waveform(bytes(32), 1_767_225_600_000_001, group, bytes(16), "starts", 250, 250)
    address, data = sealed(Burst(ORIGIN, waveform))
    assert "replaced by `[burst[9]]`" in PAGE
    found: dict[str, Readings] = {}
    exec(block("python").replace("batch[9]", "[batch[9]]"), found)  # noqa: S102
    assert list(found["readings"](address.topic, data, KEY)) == [
        (1_767_225_600_000_001, 7, Decimal("0.5"), 0),
        (1_767_225_600_000_251, 7, None, 0x800A),
        (1_767_225_600_000_501, 7, Decimal("-0.5"), 0),
    ]


def test_the_pages_decoder_refuses_a_forged_message() -> None:
    with pytest.raises(ValueError, match="forged"):
        list(decoder()(f"hutong/1/{OTHER}/data", example(), KEY))
