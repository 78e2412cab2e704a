import contextlib
import hashlib
import math
import zlib
from dataclasses import replace
from decimal import Decimal

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.edge.columns import F32LE, I64LE, Column, Group
from protocols.edge.messages import (
    MAX_DESCRIPTION,
    MAX_PAYLOAD,
    MAX_PLAIN,
    MAX_SEQ,
    MAX_TIME_MS,
    MAX_U64,
    Acknowledgement,
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Clock,
    ClockState,
    Command,
    Configuration,
    DeviceHealth,
    DropCause,
    Dropped,
    Event,
    Message,
    Origin,
    State,
    acknowledgement_digest,
    decode,
    digest,
    encode,
)
from protocols.edge.requirement import Requirement
from protocols.errors import LocalProtocolError, RemoteProtocolError

GATEWAY = "D1101149001000077A"
LAMP = "B11011401180001239"
BOOT = bytes(range(16))
SYNCHRONISED = Clock(ClockState.SYNCHRONISED, 50)


def origin(seq: int) -> Origin:
    return Origin(GATEWAY, 0x0123456789ABCDEF, seq, BOOT, 86_400_000, SYNCHRONISED)


def golden_batch() -> Batch:
    """Power every second with one failed poll, an energy counter twice, on times of its own."""
    power = Column(1, F32LE, np.array([80.5, 81.0, 80.0]), np.array([True, True, False, True]), quality={2: 0x800A})
    energy = Column(2, I64LE, np.array([55667701, 55667702]), np.array([True, True]), scale=-2)
    groups = (Group(np.array([0, 1000, 2000, 3000]), (power,)), Group(np.array([0, 2500]), (energy,)))
    return Batch(origin(42), bytes.fromhex("aa" * 32), 1_767_225_600_000, groups)


GOLDEN: list[tuple[str, Message, str]] = [
    ("batch", golden_batch(), (
        "aa00010172443131303131343930303130303030373741021b0123456789abcdef03182a045000010203040506070809"
        "0a0b0c0d0e0f051a05265c000682021832075820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaa081b0000019b76daa80009828283001903e80481850100d8554c0000a1420000a2420000a04282d845420200"
        "d845420a80410b8283001909c40281830221d84f50f56b510300000000f66b510300000000"
        )),
    ("birth", Birth(origin(41), b"\xa2\x01\x80\x02\x80"), (
        "a800020172443131303131343930303130303030373741021b0123456789abcdef031829045000010203040506070809"
        "0a0b0c0d0e0f051a05265c0006820218320a45a201800280"
        )),
    (
        "event",
        Event(origin(43), 1_767_225_600_500, "command-result", LAMP, 1, {"id": BOOT, "readback": Decimal("40.5")}),
        (
        "ac00040172443131303131343930303130303030373741021b0123456789abcdef03182b045000010203040506070809"
        "0a0b0c0d0e0f051a05265c000682021832081b0000019b76daa9f40b6e636f6d6d616e642d726573756c740c72423131"
        "3031313430313138303030313233390d010ea262696450000102030405060708090a0b0c0d0e0f68726561646261636b"
        "c48220190195"
        ),
    ),
    (
        "state",
        State(
            gateway=GATEWAY,
            incarnation=0x0123456789ABCDEF,
            boot=BOOT,
            connection=3,
            number=7,
            online=True,
            t=1_767_225_600_000,
            clock=Clock(ClockState.UNSET),
            first_kept=40,
            next_seq=44,
            dropped=(Dropped(1, 9, DropCause.QUOTA),),
            devices=(DeviceHealth(LAMP, False, 1_767_225_000_000, "timeout"),),
            spool_bytes=4096,
            spool_quota=2**29,
            version="0.1.0",
        ),
        (
        "b000050172443131303131343930303130303030373741021b0123456789abcdef03030450000102030405060708090a"
        "0b0c0d0e0f0507068200f607f5081b0000019b76daa8000918280a182c0b81830109010c818472423131303131343031"
        "313830303031323339f41b0000019b76d180406774696d656f75740d1910000e1a200000000f65302e312e30"
        ),
    ),
    (
        "acknowledgement",
        Acknowledgement(
            GATEWAY,
            0x0123456789ABCDEF,
            (AckRange(40, 41, AckStatus.STORED, b"8 bytes!"), AckRange(42, 42, AckStatus.NEED_BIRTH, b"8 bytes?")),
            250,
        ),
        (
        "a500070172443131303131343930303130303030373741021b0123456789abcdef038284182818290148382062797465"
        "732184182a182a0348382062797465733f0418fa"
        ),
    ),
    (
        "command",
        Command(
            GATEWAY, 0x0123456789ABCDEF, 5, BOOT, 1_767_225_600_000, 1_767_225_630_000, LAMP, "dim_setpoint",
            Decimal("40.5"), "user:li",
        ),
        (
        "ab00060172443131303131343930303130303030373741021b0123456789abcdef03050450000102030405060708090a"
        "0b0c0d0e0f051b0000019b76daa800061b0000019b76db1d300772423131303131343031313830303031323339086c64"
        "696d5f736574706f696e7409c482201901950a67757365723a6c69"
        ),
    ),
    (
        "command that requires",
        Command(
            GATEWAY, 0x0123456789ABCDEF, 5, BOOT, 1_767_225_600_000, 1_767_225_630_000, LAMP, "dim_setpoint",
            Decimal("40.5"), "user:li", (Requirement(LAMP, "lux", Decimal(0), Decimal("2.5")),),
        ),
        (
        "ac00060172443131303131343930303130303030373741021b0123456789abcdef03050450000102030405060708090a"
        "0b0c0d0e0f051b0000019b76daa800061b0000019b76db1d300772423131303131343031313830303031323339086c64"
        "696d5f736574706f696e7409c482201901950a67757365723a6c690b818472423131303131343031313830303031323339"
        "636c7578c4820000c482201819"
        ),
    ),
]  # fmt: skip


def same(left: Message, right: Message) -> bool:
    """Equality that looks into arrays."""
    if not isinstance(left, Batch) or not isinstance(right, Batch):
        return left == right
    return (left.origin, left.birth, left.t0) == (right.origin, right.birth, right.t0) and all(
        a.times.tolist() == b.times.tolist() and all(map(same_column, a.columns, b.columns))
        for a, b in zip(left.groups, right.groups, strict=True)
    )


def same_column(left: Column, right: Column) -> bool:
    return (
        (left.alias, left.tag, left.scale, left.quality) == (right.alias, right.tag, right.scale, right.quality)
        and left.values.tolist() == right.values.tolist()
        and left.present.tolist() == right.present.tolist()
    )


seqs = st.integers(1, MAX_SEQ)
times = st.integers(0, MAX_TIME_MS)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=64)
incarnations = st.integers(1, MAX_U64)
clocks = st.builds(Clock, st.sampled_from(ClockState), st.none() | st.integers(0, 10**9))
sixteen = st.binary(min_size=16, max_size=16)
decimals = st.builds(
    lambda mantissa, exponent: Decimal(mantissa).scaleb(exponent), st.integers(-(2**63), 2**63), st.integers(-18, 18)
)
scalars = (
    st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.binary(max_size=20)
    | names
    | decimals
    | st.none()
)
origins = st.builds(Origin, names, incarnations, seqs, sixteen, st.integers(0, MAX_SEQ), clocks)
ranges = st.tuples(seqs, seqs).map(lambda pair: (min(pair), max(pair)))
messages = st.one_of(
    st.builds(Birth, origins, st.binary(max_size=200)),
    st.builds(Event, origins, times, names, names, st.integers(0, 4), st.dictionaries(names, scalars, max_size=6)),
    st.builds(
        State,
        gateway=names,
        incarnation=incarnations,
        boot=sixteen,
        connection=seqs,
        number=seqs,
        online=st.booleans(),
        t=times,
        clock=clocks,
        first_kept=seqs,
        next_seq=seqs,
        dropped=st.lists(
            st.builds(lambda r, cause: Dropped(r[0], r[1], cause), ranges, st.sampled_from(DropCause)), max_size=3
        ).map(tuple),
        devices=st.lists(st.builds(DeviceHealth, names, st.booleans(), times, names), max_size=3).map(tuple),
        spool_bytes=seqs,
        spool_quota=seqs,
        version=names,
    ),
    st.builds(
        Acknowledgement,
        names,
        incarnations,
        st.lists(
            st.builds(
                lambda r, status, value: AckRange(r[0], r[1], status, value),
                ranges,
                st.sampled_from(AckStatus),
                st.binary(min_size=8, max_size=8),
            ),
            max_size=4,
        ).map(tuple),
        st.integers(0, 3_600_000),
    ),
    st.builds(Command, names, incarnations, seqs, sixteen, times, times, names, names, decimals, names),
)


@pytest.mark.parametrize(("name", "message", "golden"), GOLDEN, ids=[name for name, _, _ in GOLDEN])
def test_the_bytes_of_a_message_never_change(name: str, message: Message, golden: str) -> None:
    assert encode(message).hex() == golden
    assert same(decode(bytes.fromhex(golden)), message)


@given(messages)
def test_every_message_reads_back_and_writes_the_same_bytes(message: Message) -> None:
    payload = encode(message)
    back = decode(payload)
    assert back == message
    assert encode(back) == payload


@given(st.sampled_from([encode(message) for _, message, _ in GOLDEN]), st.data())
def test_a_damaged_payload_is_a_message_or_refused_and_nothing_else(payload: bytes, data: st.DataObject) -> None:
    damaged = bytearray(payload)
    for at in data.draw(st.lists(st.integers(0, len(payload) - 1), min_size=1, max_size=3)):
        damaged[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RemoteProtocolError):
        decode(bytes(damaged))


@given(st.binary(max_size=300))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(noise)


STILL_RIGHT: list[tuple[str, object]] = [
    ("event", {14: {"a": 1}}),
    ("state", {7: True}),
    ("command", {9: -1}),
    ("command that requires", {9: -1}),
]


@pytest.mark.parametrize(("name", "message", "_golden"), GOLDEN, ids=[name for name, _, _ in GOLDEN])
def test_a_field_that_is_missing_or_of_another_type_is_named(name: str, message: Message, _golden: str) -> None:
    fields = cbor2.loads(encode(message))
    for key in fields:
        for wrong in ({}, {key: cbor2.undefined}, {key: {"a": 1}}, {key: True}, {key: 1.5}, {key: -1}):
            if (name, wrong) in STILL_RIGHT or (key, wrong) == (11, {} if name.startswith("command") else None):
                continue
            changed = {k: v for k, v in fields.items() if k != key} | wrong
            with pytest.raises(RemoteProtocolError, match=rf"field {key}\b|clock|kind|value"):
                decode(cbor2.dumps(changed))


def test_a_field_of_a_later_version_is_ignored() -> None:
    message = GOLDEN[5][1]
    assert decode(cbor2.dumps(cbor2.loads(encode(message)) | {99: ["later"]})) == message


@pytest.mark.parametrize(
    ("at", "key", "value"),
    [
        (0, 3, 0),  # a seq starts at 1
        (0, 3, 2**63),  # ... and fits PostgreSQL's int8
        (0, 2, 0),
        (0, 4, b"short"),
        (0, 7, b"x" * 31),
        (0, 8, MAX_TIME_MS + 1),
        (0, 9, [[]]),
        (2, 13, 5),
        (2, 14, {"a": [1]}),
        (2, 14, {"a": math.nan}),
        (2, 14, {"a": "NUL\0"}),
        (2, 14, {1: 1}),
        (2, 11, "x" * 65),
        (3, 6, [3, None]),
        (3, 6, [True, None]),
        (3, 6, [0, -1]),
        (3, 11, [[9, 1, 1]]),
        (3, 11, [[1, 9, 5]]),
        (3, 11, [[True, 9, 1]]),
        (3, 12, [["a", 1, 0, ""]]),
        (3, 12, [["a", True, 2**60, ""]]),
        (3, 15, "NUL\0"),
        (4, 3, [[2, 1, 1, b"8 bytes!"]]),
        (4, 3, [[1, 2, 6, b"8 bytes!"]]),
        (4, 3, [[1, 2, 1, b"7 bytes"]]),
        (4, 3, [[1, 2, 1, b"8 bytes!"]] * 4097),
        (4, 4, 3_600_001),
        (5, 9, 40.5),  # a float is not what an operator typed
        (5, 9, True),
        (5, 9, "40.5"),
        (5, 4, b"15 bytes..... "),
    ],
)
def test_a_value_out_of_its_bounds_is_refused(at: int, key: int, value: object) -> None:
    fields = cbor2.loads(encode(GOLDEN[at][1]))
    with pytest.raises(RemoteProtocolError):
        decode(cbor2.dumps(fields | {key: value}))


def test_a_payload_longer_than_the_contract_allows_is_refused_unread() -> None:
    with pytest.raises(RemoteProtocolError, match="longest allowed"):
        decode(b"\xff" * (MAX_PAYLOAD + 1))


def test_what_a_peer_would_refuse_for_its_length_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="longest allowed"):
        encode(Event(origin(1), 0, "kind", LAMP, 0, {"value": bytes(MAX_PAYLOAD)}))
    with pytest.raises(LocalProtocolError, match="longest allowed"):
        encode(Birth(origin(1), bytes(MAX_DESCRIPTION + 1)))


@pytest.mark.parametrize("size", [0, MAX_PLAIN, MAX_PLAIN + 1, MAX_DESCRIPTION])
def test_a_description_of_any_size_arrives_as_it_was_and_travels_short(size: int) -> None:
    description = (b"the same words for every device " * (size // 32 + 1))[:size]
    payload = encode(Birth(origin(1), description))
    assert len(payload) < MAX_PLAIN + 200
    assert decode(payload) == Birth(origin(1), description)


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no zlib stream",
        zlib.compress(bytes(100))[:-1],
        zlib.compress(bytes(100)) + b"tail",
        zlib.compress(bytes(MAX_DESCRIPTION + 1)),  # a bomb
    ],
)
def test_a_description_that_does_not_unpack_whole_is_refused(packed: bytes) -> None:
    fields = cbor2.loads(encode(Birth(origin(1), b"")))
    del fields[10]
    with pytest.raises(RemoteProtocolError, match="field 15"):
        decode(cbor2.dumps(fields | {15: packed}))


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, Decimal("NaN"), Decimal("1E+19"), Decimal(2**65), Decimal("1E-19"), "NUL\0"]
)
def test_a_value_that_no_peer_would_take_is_not_sent(value: float | Decimal | str) -> None:
    with pytest.raises(LocalProtocolError):
        encode(Event(origin(1), 0, "kind", LAMP, 0, {"value": value}))


def test_an_acknowledgement_digest_is_the_one_of_the_specification() -> None:
    digests = [digest(b"one"), digest(b"two")]
    assert digests[0] == hashlib.sha256(b"one").digest()
    assert acknowledgement_digest(digests) == hashlib.sha256(digests[0] + digests[1]).digest()[:8]
    assert acknowledgement_digest(digests) != acknowledgement_digest(digests[::-1])


def test_a_gateway_that_tells_its_configuration_is_understood_and_one_that_does_not_as_well() -> None:
    state = State(GATEWAY, 1, BOOT, 1, 1, True, 0, Clock(ClockState.UNSET), 1, 2)
    for told in (None, Configuration(3, bytes(32), True, "no answer"), Configuration(0, bytes(range(32)))):
        one = replace(state, configuration=told)
        assert decode(encode(one)) == one
    with pytest.raises(RemoteProtocolError, match="a configuration is"):
        decode(cbor2.dumps(cbor2.loads(encode(state)) | {16: [1, b"short", True, ""]}))
