"""The messages of the edge contract and their payload bytes (docs/protocols/edge.md, sections 3 to 8).

Upwards a gateway sends `Birth`, `Batch`, `Burst` and `Event`, spooled and numbered, and `State`, which is neither.
Downwards come `Acknowledgement`, `Command` and `Desired`. A message is identified by its payload bytes: its digest is
their SHA-256, and the bytes under one (gateway, incarnation, seq) never change.
"""

import hashlib
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import TypeAlias

import cbor2

from protocols.edge import limits
from protocols.edge.burst import Waveform, decode_waveform, encode_waveform
from protocols.edge.cbor import MAX_EXPONENT, Fields, is_text, is_whole, load_one
from protocols.edge.columns import Group, decode_group, encode_groups
from protocols.edge.desired import Desired, decode_desired, encode_desired
from protocols.edge.requirement import Requirement
from protocols.errors import LocalProtocolError, RemoteProtocolError

HASH_BYTES = limits.HASH_BYTES
MAX_PAYLOAD = 256 * 1024  # bytes; a batch of 30 channels and 32 samples has about 4,000
MAX_DESCRIPTION = 4 << 20  # bytes; 1000 devices of 10 channels have 1.1 MB, which deflate to 66 KB
MAX_PLAIN = 64 << 10  # a description beyond it travels deflated
MAX_U64, MAX_SEQ, MAX_TIME_MS = limits.MAX_U64, limits.MAX_SEQ, limits.MAX_TIME_MS
MAX_GROUPS = 4096
MAX_RANGES = 4096
MAX_REQUIREMENTS = 16

Scalar: TypeAlias = int | float | str | bool | bytes | Decimal | None


class MessageKind(IntEnum):
    BATCH = 1
    BIRTH = 2
    BURST = 3
    EVENT = 4
    STATE = 5
    COMMAND = 6
    ACKNOWLEDGEMENT = 7
    DESIRED = 8


class ClockState(IntEnum):
    UNSET = 0  # never set since boot: UTC is wrong by years
    FREE_RUNNING = 1  # set once, not disciplined now
    SYNCHRONISED = 2


class AckStatus(IntEnum):
    STORED = 1
    QUARANTINED = 2
    NEED_BIRTH = 3
    FORK = 4
    SLOW = 5


class DropCause(IntEnum):
    QUOTA = 1  # the spool was full and the oldest went
    DISK = 2  # the disk refused the write
    DAMAGED = 3  # the row did not read back as it was written
    THINNED = 4  # old telemetry, said again with fewer ticks under a new seq; what stood between it moved along


@dataclass(frozen=True)
class Clock:
    """`bound_ms` is the largest error the gateway vouches for, None where it can vouch for none."""

    state: ClockState
    bound_ms: int | None = None


@dataclass(frozen=True)
class Origin:
    """Who made a spooled message, in which life, when: `boottime_ms` is CLOCK_BOOTTIME at `Batch.t0` or `Event.t`."""

    gateway: str
    incarnation: int
    seq: int
    boot: bytes
    boottime_ms: int
    clock: Clock


@dataclass(frozen=True)
class Birth:
    origin: Origin
    description: bytes  # birth.encode_description: kept as bytes, because its hash names it


@dataclass(frozen=True, eq=False)
class Batch:
    """Readings. `birth` is the hash of the description the aliases belong to; `t0` is UTC in ms."""

    origin: Origin
    birth: bytes
    t0: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, eq=False)
class Burst:
    """Samples around a moment; `Origin.boottime_ms` is of `Waveform.t0`."""

    origin: Origin
    waveform: Waveform


@dataclass(frozen=True)
class Event:
    """Something that happened at `t` (UTC, ms); `kind` says what, `source` is a city code, `data` the particulars."""

    origin: Origin
    t: int
    kind: str
    source: str
    severity: int
    data: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Dropped:
    first: int
    last: int
    cause: DropCause


@dataclass(frozen=True)
class DeviceHealth:
    code: str
    reachable: bool
    since_ms: int
    detail: str = ""


@dataclass(frozen=True)
class Configuration:
    """Which configuration a gateway runs: the SHA-256 of its content, and its number there. `refused` is why the last
    one that was refused was; "" if none stands refused."""

    number: int
    hash: bytes
    on_trial: bool = False
    refused: str = ""


@dataclass(frozen=True)
class State:
    """How a gateway is now. A newer (connection, number) replaces an older; a will is a State that is not online."""

    gateway: str
    incarnation: int
    boot: bytes
    connection: int
    number: int
    online: bool
    t: int
    clock: Clock
    first_kept: int
    next_seq: int
    dropped: tuple[Dropped, ...] = ()
    devices: tuple[DeviceHealth, ...] = ()
    spool_bytes: int = 0
    spool_quota: int = 0
    version: str = ""
    configuration: Configuration | None = None


@dataclass(frozen=True)
class AckRange:
    """`digest` is acknowledgement_digest() of the messages `first` to `last`, as the server holds them.

    A gateway frees a row only where the digest matches its own: a true acknowledgement of other bytes, from before a
    restored disk image, frees nothing.
    """

    first: int
    last: int
    status: AckStatus
    digest: bytes


@dataclass(frozen=True)
class Acknowledgement:
    gateway: str
    incarnation: int
    ranges: tuple[AckRange, ...]
    retry_after_ms: int = 0


@dataclass(frozen=True)
class Command:
    """Write `value` to a channel of a device, before `expires` (UTC, ms), at most once ever, where `requires` holds."""

    gateway: str
    incarnation: int
    number: int
    id: bytes
    issued: int
    expires: int
    device: str
    channel: str
    value: Decimal
    principal: str
    requires: tuple[Requirement, ...] = ()


Message: TypeAlias = Birth | Batch | Burst | Event | State | Acknowledgement | Command | Desired
Spooled: TypeAlias = Birth | Batch | Burst | Event


def digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


def acknowledgement_digest(digests: Sequence[bytes]) -> bytes:
    """Eight bytes over the digests of a run of messages, in order of seq."""
    return hashlib.sha256(b"".join(digests)).digest()[:8]


def encode(message: Message) -> bytes:
    """The payload bytes. Keys rise within each map, so equal messages have equal bytes.

    LocalProtocolError for groups, numbers and sizes that the contract does not allow.
    """
    match message:
        case Birth():
            fields = _origin(MessageKind.BIRTH, message.origin) | _encode_description(message.description)
        case Batch():
            fields = _origin(MessageKind.BATCH, message.origin) | {
                7: message.birth,
                8: message.t0,
                9: encode_groups(message.groups),
            }
        case Burst():
            fields = _origin(MessageKind.BURST, message.origin) | encode_waveform(message.waveform)
        case Event():
            fields = _origin(MessageKind.EVENT, message.origin) | {
                8: message.t,
                11: message.kind,
                12: message.source,
                13: message.severity,
                14: {name: _sendable(value) for name, value in message.data.items()},
            }
        case State():
            fields = _encode_state(message)
        case Acknowledgement():
            fields = {
                0: int(MessageKind.ACKNOWLEDGEMENT),
                1: message.gateway,
                2: message.incarnation,
                3: [[r.first, r.last, int(r.status), r.digest] for r in message.ranges],
                4: message.retry_after_ms,
            }
        case Command():
            fields = {
                0: int(MessageKind.COMMAND),
                1: message.gateway,
                2: message.incarnation,
                3: message.number,
                4: message.id,
                5: message.issued,
                6: message.expires,
                7: message.device,
                8: message.channel,
                9: _sendable(message.value),
                10: message.principal,
            }
            if message.requires:
                fields[11] = [[r.device, r.channel, _sendable(r.low), _sendable(r.high)] for r in message.requires]
        case Desired():
            fields = encode_desired(MessageKind.DESIRED, message)
    payload = cbor2.dumps(fields)
    if len(payload) > MAX_PAYLOAD:
        raise LocalProtocolError(f"a payload of {len(payload)} bytes; the longest allowed is {MAX_PAYLOAD}")
    return payload


def decode(payload: bytes) -> Message:
    """The message in `payload`; RemoteProtocolError says which field is wrong. Unknown fields are ignored."""
    if len(payload) > MAX_PAYLOAD:
        raise RemoteProtocolError(f"a payload of {len(payload)} bytes; the longest allowed is {MAX_PAYLOAD}")
    fields = Fields(load_one(payload), "message")
    kind = fields.integer(0, 0, 255)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise RemoteProtocolError(f"message kind {kind} is not known")
    return decoder(fields)


def _origin(kind: MessageKind, origin: Origin) -> dict[int, object]:
    return {
        0: int(kind),
        1: origin.gateway,
        2: origin.incarnation,
        3: origin.seq,
        4: origin.boot,
        5: origin.boottime_ms,
        6: _encode_clock(origin.clock),
    }


def _encode_description(description: bytes) -> dict[int, object]:
    if len(description) > MAX_DESCRIPTION:
        raise LocalProtocolError(f"a description of {len(description)} bytes; the longest allowed is {MAX_DESCRIPTION}")
    return {10: description} if len(description) <= MAX_PLAIN else {15: zlib.compress(description)}


def _sendable(value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise LocalProtocolError(f"{value} is not finite")
    if isinstance(value, str) and "\0" in value:
        raise LocalProtocolError("a text has a NUL, which no database keeps")
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not is_whole(exponent, -MAX_EXPONENT, MAX_EXPONENT) or abs(value.scaleb(-exponent)) > MAX_U64:
            raise LocalProtocolError(f"{value} is no decimal fraction of 64 bits and an exponent to {MAX_EXPONENT}")
    return value


def _encode_clock(clock: Clock) -> list[int | None]:
    return [int(clock.state), clock.bound_ms]


def _encode_state(state: State) -> dict[int, object]:
    fields: dict[int, object] = {
        0: int(MessageKind.STATE),
        1: state.gateway,
        2: state.incarnation,
        3: state.connection,
        4: state.boot,
        5: state.number,
        6: _encode_clock(state.clock),
        7: state.online,
        8: state.t,
        9: state.first_kept,
        10: state.next_seq,
        11: [[d.first, d.last, int(d.cause)] for d in state.dropped],
        12: [[d.code, d.reachable, d.since_ms, d.detail] for d in state.devices],
        13: state.spool_bytes,
        14: state.spool_quota,
        15: state.version,
    }
    if (one := state.configuration) is not None:
        fields[16] = [one.number, one.hash, one.on_trial, one.refused]
    return fields


def _decode_origin(fields: Fields) -> Origin:
    return Origin(
        gateway=fields.text(1, 64),
        incarnation=fields.integer(2, 1, MAX_U64),
        seq=fields.integer(3, 1, MAX_SEQ),
        boot=fields.octets(4, 16),
        boottime_ms=fields.integer(5, 0, MAX_SEQ),
        clock=_decode_clock(fields.raw(6)),
    )


def _decode_clock(item: object) -> Clock:
    match item:
        case [state, bound] if is_whole(state, 0, max(ClockState)) and (bound is None or is_whole(bound, 0, MAX_SEQ)):
            return Clock(ClockState(state), bound)
    raise RemoteProtocolError("a clock is [state, bound in ms or null]")


def _decode_birth(fields: Fields) -> Birth:
    description = _inflated(fields.octets(15)) if fields.has(15) else fields.octets(10)
    return Birth(_decode_origin(fields), description)


def _inflated(data: bytes) -> bytes:
    """The whole of a zlib stream; no more of it is ever unpacked than a description may hold."""
    inflater = zlib.decompressobj()
    try:
        whole = inflater.decompress(data, MAX_DESCRIPTION)
    except zlib.error as error:
        raise RemoteProtocolError(f"a birth's field 15 is no zlib stream: {error}") from None
    if not inflater.eof or inflater.unused_data:
        raise RemoteProtocolError(
            f"a birth's field 15 is cut off, has a tail, or unpacks to over {MAX_DESCRIPTION} bytes"
        )
    return whole


def _decode_batch(fields: Fields) -> Batch:
    return Batch(
        origin=_decode_origin(fields),
        birth=fields.octets(7, 32),
        t0=fields.integer(8, 0, MAX_TIME_MS),
        groups=tuple(decode_group(item) for item in fields.array(9, MAX_GROUPS)),
    )


def _decode_burst(fields: Fields) -> Burst:
    return Burst(_decode_origin(fields), decode_waveform(fields))


def _decode_event(fields: Fields) -> Event:
    data: dict[str, Scalar] = {}
    for name, value in fields.mapping(14).items():
        if not is_text(name, 64) or not isinstance(value, int | float | str | bytes | Decimal | None):
            raise RemoteProtocolError("an event's data maps texts to single values")
        if isinstance(value, str) and not is_text(value, MAX_PAYLOAD):
            raise RemoteProtocolError("an event's data has a text with NUL")
        if isinstance(value, float) and not math.isfinite(value):
            raise RemoteProtocolError("an event's data has a number that is not finite")
        data[name] = value
    return Event(
        origin=_decode_origin(fields),
        t=fields.integer(8, 0, MAX_TIME_MS),
        kind=fields.text(11, 64),
        source=fields.text(12, 64),
        severity=fields.integer(13, 0, 4),
        data=data,
    )


def _decode_state(fields: Fields) -> State:
    dropped = []
    for item in fields.array(11, MAX_RANGES):
        match item:
            case [first, last, cause] if (
                is_whole(first, 1, MAX_SEQ) and is_whole(last, first, MAX_SEQ) and is_whole(cause, 1, max(DropCause))
            ):
                dropped.append(Dropped(first, last, DropCause(cause)))
            case _:
                raise RemoteProtocolError("a dropped range is [first, last, cause]")
    devices = []
    for item in fields.array(12, MAX_RANGES):
        match item:
            case [code, bool(reachable), since, detail] if (
                is_text(code, 64) and is_whole(since, 0, MAX_TIME_MS) and is_text(detail, 200)
            ):
                devices.append(DeviceHealth(code, reachable, since, detail))
            case _:
                raise RemoteProtocolError("a device's health is [code, reachable, since, detail]")
    return State(
        gateway=fields.text(1, 64),
        incarnation=fields.integer(2, 1, MAX_U64),
        boot=fields.octets(4, 16),
        connection=fields.integer(3, 0, MAX_SEQ),
        number=fields.integer(5, 0, MAX_SEQ),
        online=fields.boolean(7),
        t=fields.integer(8, 0, MAX_TIME_MS),
        clock=_decode_clock(fields.raw(6)),
        first_kept=fields.integer(9, 1, MAX_SEQ),
        next_seq=fields.integer(10, 1, MAX_SEQ),
        dropped=tuple(dropped),
        devices=tuple(devices),
        spool_bytes=fields.integer(13, 0, MAX_SEQ),
        spool_quota=fields.integer(14, 0, MAX_SEQ),
        version=fields.text(15, 64),
        configuration=_decode_configuration(fields.raw(16)) if fields.has(16) else None,
    )


def _decode_configuration(item: object) -> Configuration:
    match item:
        case [number, bytes(hash_), bool(on_trial), refused] if (
            is_whole(number, 0, MAX_SEQ) and len(hash_) == HASH_BYTES and is_text(refused, 200)
        ):
            return Configuration(number, hash_, on_trial, refused)
    raise RemoteProtocolError("a configuration is [number, hash, on trial, why the last refused one was]")


def _decode_acknowledgement(fields: Fields) -> Acknowledgement:
    ranges = []
    for item in fields.array(3, MAX_RANGES):
        match item:
            case [first, last, status, bytes(value)] if (
                is_whole(first, 1, MAX_SEQ)
                and is_whole(last, first, MAX_SEQ)
                and is_whole(status, 1, max(AckStatus))
                and len(value) == 8
            ):
                ranges.append(AckRange(first, last, AckStatus(status), value))
            case _:
                raise RemoteProtocolError("an acknowledged range is [first, last, status, digest]")
    return Acknowledgement(
        gateway=fields.text(1, 64),
        incarnation=fields.integer(2, 1, MAX_U64),
        ranges=tuple(ranges),
        retry_after_ms=fields.integer(4, 0, 3_600_000),
    )


def _decode_command(fields: Fields) -> Command:
    value = fields.raw(9)
    if type(value) is not int and not isinstance(value, Decimal):
        raise RemoteProtocolError("a command's value is an integer or a decimal fraction (tag 4)")
    return Command(
        gateway=fields.text(1, 64),
        incarnation=fields.integer(2, 1, MAX_U64),
        number=fields.integer(3, 1, MAX_SEQ),
        id=fields.octets(4, 16),
        issued=fields.integer(5, 0, MAX_TIME_MS),
        expires=fields.integer(6, 0, MAX_TIME_MS),
        device=fields.text(7, 64),
        channel=fields.text(8, 64),
        value=Decimal(value),
        principal=fields.text(10, 200),
        requires=tuple(map(_decode_requirement, fields.array(11, MAX_REQUIREMENTS))) if fields.has(11) else (),
    )


def _decode_requirement(item: object) -> Requirement:
    match item:
        case [str(device), str(channel), int() | Decimal() as low, int() | Decimal() as high] if (
            len(device) <= 64 and len(channel) <= 64 and not isinstance(low, bool) and not isinstance(high, bool)
        ):
            return Requirement(device, channel, Decimal(low), Decimal(high))
    raise RemoteProtocolError("a requirement is [device, channel, lowest, highest]")


_DECODERS: dict[int, Callable[[Fields], Message]] = {
    MessageKind.BATCH: _decode_batch,
    MessageKind.BIRTH: _decode_birth,
    MessageKind.BURST: _decode_burst,
    MessageKind.EVENT: _decode_event,
    MessageKind.STATE: _decode_state,
    MessageKind.ACKNOWLEDGEMENT: _decode_acknowledgement,
    MessageKind.COMMAND: _decode_command,
    MessageKind.DESIRED: decode_desired,
}
