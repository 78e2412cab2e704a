"""Pools of a fresh database by role, a gateway that makes true messages, and a hand that commits them."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from fleet_server.ingest.arrivals import Arrival, Raw, Refused, address_of, open_raw
from fleet_server.ingest.commit import Known, Outcome, commit_group
from fleet_server.kernel.database import Database
from protocols.edge import envelope
from protocols.edge.birth import (
    ChannelDescription,
    Description,
    DeviceDescription,
    Kind,
    description_hash,
    encode_description,
)
from protocols.edge.burst import Ending, Waveform
from protocols.edge.columns import F32LE, I64LE, Column, Group
from protocols.edge.cose import key_id
from protocols.edge.messages import (
    AckStatus,
    Batch,
    Birth,
    Burst,
    Clock,
    ClockState,
    Dropped,
    Event,
    Message,
    Origin,
    Scalar,
    State,
    encode,
)

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NOW_MS = 1_772_368_200_000
BOOT = bytes(range(16))
CAPTURE = bytes(range(16, 32))
SYNCHRONISED = Clock(ClockState.SYNCHRONISED, 20)
UNSET = Clock(ClockState.UNSET)


@dataclass
class SimGateway:
    """Numbers its messages itself; `devices` gives each code's channels, "energy" a decimal one, others f32.

    `scale` and `rollover` are the decimal channels'."""

    code: str = "D1101149001000077A"
    incarnation: int = 2**63 + 5
    key: bytes = b"k" * 32
    devices: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"D1101149001000101X": ("power", "energy")})
    clock: Clock = SYNCHRONISED
    seq: int = 0
    scale: int = -2
    rollover: int | None = None

    @property
    def keys(self) -> dict[bytes, bytes]:
        return {key_id(self.key): self.key}

    def description(self) -> Description:
        channels = [
            ChannelDescription(
                alias, at, name, name, "kWh" if name == "energy" else "W",
                Kind.COUNTER if name == "energy" else Kind.GAUGE,
                I64LE if name == "energy" else F32LE, self.scale if name == "energy" else 0, 1000,
                title={"en": name}, rollover=self.rollover if name == "energy" else None,
            )
            for alias, (at, name) in enumerate(
                (at, name) for at, names in enumerate(self.devices.values()) for name in names
            )
        ]  # fmt: skip
        devices = tuple(DeviceDescription(code, "meter_1p", code, "line") for code in self.devices)
        return Description(devices, tuple(channels))

    def alias(self, code: str, name: str) -> int:
        names = [(device, channel) for device, channels in self.devices.items() for channel in channels]
        return names.index((code, name))

    def origin(self, seq: int | None = None, boottime_ms: int = 5_000) -> Origin:
        if seq is None:
            self.seq += 1
            seq = self.seq
        return Origin(self.code, self.incarnation, seq, BOOT, boottime_ms, self.clock)

    def birth(self, seq: int | None = None) -> Birth:
        return Birth(self.origin(seq), encode_description(self.description()))

    def batch(
        self,
        *,
        t0: int = NOW_MS - 60_000,
        power: list[float] | None = None,
        energy: list[int] | None = None,
        step: int = 1000,
        seq: int | None = None,
        code: str = "",
        quality: dict[int, int] | None = None,
        boottime_ms: int = 5_000,
    ) -> Batch:
        """`power` in W and `energy` in kWh times 10**`scale`, hundredths unless told, on one axis from t0."""
        code = code or next(iter(self.devices))
        columns = []
        for name, values, tag, scale in (("power", power, F32LE, 0), ("energy", energy, I64LE, self.scale)):
            if values is not None:
                array = np.array(values, "<f4" if tag == F32LE else "<i8")
                columns.append(
                    Column(self.alias(code, name), tag, array, np.ones(len(array), bool), scale, quality or {})
                )
        samples = len(power or energy or [])
        times = step * np.arange(samples, dtype=np.int64)
        groups = (Group(times, tuple(columns)),) if columns else ()
        birth = description_hash(encode_description(self.description()))
        return Batch(self.origin(seq, boottime_ms), birth, t0, groups)

    def burst(
        self,
        *,
        t0: int = NOW_MS - 60_000,
        power: list[float] | None = None,
        energy: list[int] | None = None,
        fired: int = 0,
        part: tuple[int, int] = (1, 1),
        offset: int = 0,
        seq: int | None = None,
        boottime_ms: int = 5_000,
        capture: bytes = CAPTURE,
        ending: Ending = Ending.WHOLE,
        quality: dict[int, int] | None = None,
    ) -> Burst:
        """Samples 100 ms apart from `offset` ms after t0 on, which is in ms as for a batch; `fired` is ms after t0."""
        batch = self.batch(power=power, energy=energy, step=100_000, seq=seq, quality=quality)
        (group,) = batch.groups
        moved = Group(group.times + 1000 * offset, group.columns)
        told = 1000 * t0, moved, capture, "overload", 1000 * fired, 100_000, *part, ending
        return Burst(replace(batch.origin, boottime_ms=boottime_ms), Waveform(batch.birth, *told))

    def event(self, kind: str, data: dict[str, Scalar], *, t: int = NOW_MS, seq: int | None = None) -> Event:
        return Event(self.origin(seq), t, kind, self.code, 1, data)

    def state(
        self, connection: int, number: int, *, online: bool = True, first_kept: int = 1, next_seq: int = 1,
        dropped: tuple[Dropped, ...] = (),
    ) -> State:  # fmt: skip
        return State(
            self.code, self.incarnation, BOOT, connection, number, online, NOW_MS, self.clock, first_kept, next_seq,
            dropped, version="0.1.0", spool_bytes=4096, spool_quota=1 << 29,
        )  # fmt: skip

    def seal(self, message: Message) -> Raw:
        address = envelope.address_of(message)
        return Raw(address.topic, envelope.seal(address, encode(message), self.key))

    def arrival(self, message: Message) -> Arrival:
        raw = self.seal(message)
        address = address_of(raw)
        assert not isinstance(address, Refused)
        opened = open_raw(raw, address, self.keys)
        assert isinstance(opened, Arrival), opened
        return opened


@dataclass
class Hand:
    """Commits groups one after the other, remembering like the process does."""

    database: Database
    now: datetime = NOW
    known: Known = field(default_factory=Known)

    async def commit(self, gateway: SimGateway, *messages: Message, condemned: str = "") -> dict[int, AckStatus]:
        """The status by seq."""
        outcome = await self.outcome([gateway.arrival(message) for message in messages], condemned=condemned)
        return {answer.seq: answer.status for given in outcome.answers.values() for answer in given}

    async def outcome(self, arrivals: list[Arrival], *, condemned: str = "") -> Outcome:
        async with self.database.system() as connection:
            outcome = await commit_group(connection, arrivals, self.known, self.now, condemned=condemned)
        self.known = Known({**self.known.plans, **outcome.plans}, self.known.days | outcome.days)
        return outcome

    async def rows(self, query: str, *arguments: object) -> list[dict[str, object]]:
        async with self.database.system() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]


@pytest.fixture
def gateway() -> SimGateway:
    return SimGateway()


@pytest.fixture
def other_gateway() -> Callable[..., SimGateway]:
    return lambda **changes: replace(SimGateway(), **changes)


@pytest.fixture
def hand(ingest_database: Database) -> Hand:
    return Hand(ingest_database)


@pytest.fixture
async def ingest_database(database_urls: Any) -> AsyncIterator[Database]:
    async with Database(database_urls.ingest) as database:
        yield database


@pytest.fixture
async def web_database(database_urls: Any) -> AsyncIterator[Database]:
    async with Database(database_urls.web) as database:
        yield database
