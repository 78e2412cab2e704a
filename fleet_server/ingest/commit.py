"""One group of authentic messages -> one transaction's work and the answers to give when it has committed.

The order is that of contracts.md, Delivery: lock the cursors in gateway order, tell repeats and forks, look up births,
store. Nothing here is remembered outside the transaction; `Outcome` is applied by the caller after the commit.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from fleet_server.ingest import rollups, store
from fleet_server.ingest.arrivals import Arrival, Unreadable
from fleet_server.ingest.births import Plan, TooManyChannels, UnknownChannel, blocks_by_device, blocks_of
from fleet_server.ingest.chunks import Block, by_hour, encode
from fleet_server.ingest.cursor import Cursor, Verdict
from fleet_server.ingest.rollups import HOUR_MS, MINUTE_MS, from_ms, to_ms
from fleet_server.ingest.samples import Collector
from fleet_server.ingest.sequences import page_of
from fleet_server.ingest.store import BirthKey, Key, Rows
from fleet_server.kernel.database import Connection
from fleet_server.kernel.events import emit
from protocols.edge.birth import Description, decode_description, description_hash
from protocols.edge.messages import AckStatus, Batch, Birth, Burst, ClockState, Configuration, Event, Scalar, State
from protocols.errors import RemoteProtocolError

log = logging.getLogger(__name__)

OLDEST = timedelta(days=400)
FUTURE = timedelta(minutes=5)
ROOM = 16 << 20  # bytes of quarantined messages that are kept for one gateway; then it is asked to keep them itself
MAX_INT8 = 2**63 - 1


@dataclass(frozen=True)
class Answer:
    seq: int
    status: AckStatus
    digest: bytes


@dataclass
class Outcome:
    answers: dict[Key, list[Answer]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    plans: dict[BirthKey, Plan] = field(default_factory=dict)  # to be known from now on
    days: set[date] = field(default_factory=set)  # whose partitions now exist


async def _never(_gateway: str) -> bool:
    return False


@dataclass(frozen=True)
class Known:
    """What the process remembers of earlier commits, which saves lookups and has no other effect; and whom it asks
    whether a gateway's devices may move to another."""

    plans: Mapping[BirthKey, Plan] = field(default_factory=dict)
    days: frozenset[date] = frozenset()
    gives_up_devices: Callable[[str], Awaitable[bool]] = _never


async def commit_group(
    connection: Connection, arrivals: Sequence[Arrival], known: Known, now: datetime, *, condemned: str = ""
) -> Outcome:
    """`condemned`, when given, is why the messages cannot be stored: each goes to the quarantine unread."""
    group = _Group(connection, known, now, condemned)
    await group.run(arrivals)
    return group.outcome


class _Group:
    def __init__(self, connection: Connection, known: Known, now: datetime, condemned: str) -> None:
        self._connection = connection
        self._known = known
        self._now = now
        self._oldest = to_ms(now - OLDEST)
        self._newest = to_ms(now + FUTURE)
        self._condemned = condemned
        self._rows = Rows()
        self._collector = Collector()
        self._widths: dict[int, int] = {}
        self._plans: dict[BirthKey, Plan] = {}
        self._room: dict[str, int] = {}
        self._faults: dict[tuple[str, str], list[str]] = {}
        self.outcome = Outcome()

    async def run(self, arrivals: Sequence[Arrival]) -> None:
        keyed = sorted((*arrival.identity, at) for at, arrival in enumerate(arrivals))
        cursors = await store.lock_cursors(
            self._connection, list({(gateway, incarnation) for gateway, incarnation, _, _ in keyed}), self._now
        )
        pages = {(cursors[gateway, incarnation].id, page_of(seq)) for gateway, incarnation, seq, _ in keyed if seq}
        await store.load_digests(self._connection, cursors.values(), pages)
        await self._find_plans(arrivals)
        for gateway, incarnation, _, at in keyed:
            cursor, arrival = cursors[gateway, incarnation], arrivals[at]
            if isinstance(arrival.message, State):
                await self._hear(cursor, arrival, arrival.message)
            else:
                await self._take(cursor, arrival)
        await self._write(cursors)
        for (gateway, reason), details in self._faults.items():
            log.warning("gateway %s: %d quarantined: %s: %s", gateway, len(details), reason, details[0])

    async def _find_plans(self, arrivals: Sequence[Arrival]) -> None:
        wanted = (
            {
                (arrival.message.origin.gateway, arrival.message.birth)
                for arrival in arrivals
                if isinstance(arrival.message, Batch)
            }
            | {
                (arrival.message.origin.gateway, arrival.message.waveform.birth)
                for arrival in arrivals
                if isinstance(arrival.message, Burst)
            }
            | {
                (arrival.message.origin.gateway, description_hash(arrival.message.description))
                for arrival in arrivals
                if isinstance(arrival.message, Birth)
            }
        )
        self._plans = {key: self._known.plans[key] for key in wanted if key in self._known.plans}
        if unknown := [key for key in wanted if key not in self._plans]:
            self.outcome.plans = await store.load_plans(self._connection, unknown)
            self._plans.update(self.outcome.plans)

    async def _hear(self, cursor: Cursor, arrival: Arrival, state: State) -> None:
        if self._condemned:
            await self._quarantine(cursor, arrival, None, "poison", self._condemned)
            return
        cursor.hear(state)
        self._rows.states.append(
            (cursor.gateway, cursor.id, state.connection, state.number, state.online, self._now, self._now,
             _state_json(state))
        )  # fmt: skip
        self.outcome.counts["stored:state"] += 1

    async def _take(self, cursor: Cursor, arrival: Arrival) -> None:
        seq = arrival.identity[2]
        verdict = cursor.judge(seq, arrival.digest)
        if verdict is Verdict.FRESH:
            status = await self._read(cursor, arrival, seq)
            if status in (AckStatus.STORED, AckStatus.QUARANTINED):
                cursor.receive(seq, arrival.digest, status)
        elif verdict is Verdict.REPEAT:
            status = AckStatus.STORED
            cursor.repeats += 1
            self.outcome.counts["repeat"] += 1
        elif verdict is Verdict.FORK:
            status = AckStatus.FORK
            cursor.forks += 1
            self.outcome.counts["fork"] += 1
            await self._quarantine_once(cursor, arrival, seq, "fork", f"another message stands under seq {seq}")
        else:
            status = AckStatus.SLOW
            self.outcome.counts["too-many-holes"] += 1
        answer = Answer(seq, status, arrival.digest)
        self.outcome.answers.setdefault((cursor.gateway, cursor.incarnation), []).append(answer)

    async def _read(self, cursor: Cursor, arrival: Arrival, seq: int) -> AckStatus:
        """Store a message that was not received before, or say why not."""
        message = arrival.message
        fault: tuple[str, str] | None
        if self._condemned and not isinstance(message, Birth):
            fault = ("poison", self._condemned)
        elif isinstance(message, Batch):
            plan = self._plans.get((cursor.gateway, message.birth))
            if plan is None:
                self.outcome.counts["need-birth"] += 1
                return AckStatus.NEED_BIRTH
            fault = self._batch(cursor, message, plan)
        elif isinstance(message, Burst):
            plan = self._plans.get((cursor.gateway, message.waveform.birth))
            if plan is None:
                self.outcome.counts["need-birth"] += 1
                return AckStatus.NEED_BIRTH
            fault = self._burst(cursor, message, plan)
        elif isinstance(message, Birth):
            fault = ("poison", self._condemned) if self._condemned else await self._apply(cursor, message)
            if fault is not None:
                # Without it the batches behind it cannot be read either: all of them stay with the gateway.
                await self._quarantine_once(cursor, arrival, seq, *fault)
                self.outcome.counts["refused-birth"] += 1
                return AckStatus.SLOW
        elif isinstance(message, Event):
            fault = await self._event(cursor, message)
        else:
            assert isinstance(message, Unreadable)  # noqa: S101
            fault = ("unreadable", message.fault)
        if fault is None:
            self.outcome.counts[f"stored:{arrival.raw.topic.rpartition('/')[2]}"] += 1
            return AckStatus.STORED
        if await self._quarantine(cursor, arrival, seq, *fault):
            return AckStatus.QUARANTINED
        self.outcome.counts["quarantine-full"] += 1
        return AckStatus.SLOW

    def _batch(self, cursor: Cursor, batch: Batch, plan: Plan) -> tuple[str, str] | None:
        try:
            devices = blocks_by_device(batch, plan)
        except UnknownChannel as error:
            return "unknown-channel", str(error)
        origin = batch.origin
        if origin.clock.state is ClockState.UNSET:
            for device, blocks in devices.items():
                self._rows.undated.append(
                    (device, cursor.gateway, origin.boot, origin.boottime_ms, batch.t0, cursor.id, origin.seq,
                     count_readings(blocks), encode(batch.t0, blocks))
                )  # fmt: skip
            self.outcome.counts["undated"] += 1
            return None
        for blocks in devices.values():
            for block in blocks:
                if fault := self._out_of_time(int(block.times[0])) or self._out_of_time(int(block.times[-1])):
                    return fault
        for device, blocks in devices.items():
            self._widths[device] = max(plan.widths[device], self._widths.get(device, 0))
            for block in blocks:
                self._collector.add(device, block)
            self._rows.chunks += chunk_rows(device, blocks, cursor.id, origin.seq, origin.clock.state)
        return None

    def _burst(self, cursor: Cursor, burst: Burst, plan: Plan) -> tuple[str, str] | None:
        origin, waveform = burst.origin, burst.waveform
        try:
            devices = blocks_of(0, (waveform.group,), waveform.birth, plan)
        except UnknownChannel as error:
            return "unknown-channel", str(error)
        if len(devices) != 1:
            return "mixed-burst", f"a burst of {len(devices)} devices; it is of one"
        ((device, blocks),) = devices.items()
        if origin.clock.state is not ClockState.UNSET:
            times = waveform.group.times
            for t in (int(times[0]), int(times[-1]), waveform.fired):
                if fault := self._out_of_time((waveform.t0 + t) // 1000):
                    return fault
        self._rows.captures.append(
            (device, waveform.capture, cursor.gateway, origin.boot, origin.boottime_ms, int(origin.clock.state),
             waveform.t0, waveform.rule, waveform.fired, waveform.period, waveform.parts, self._now)
        )  # fmt: skip
        self._rows.capture_parts.append(
            (device, waveform.capture, waveform.part, int(waveform.ending), cursor.id, origin.seq,
             count_readings(blocks), encode(0, blocks))
        )  # fmt: skip
        return None

    async def _apply(self, cursor: Cursor, birth: Birth) -> tuple[str, str] | None:
        name = description_hash(birth.description)
        try:
            description = decode_description(birth.description)
            plan = await self._places(cursor.gateway, name, birth.description, description)
        except (RemoteProtocolError, TooManyChannels) as error:
            return "bad-birth", str(error)
        except store.ForeignDevice as error:
            return "foreign-device", str(error)
        self._plans[cursor.gateway, name] = self.outcome.plans[cursor.gateway, name] = plan
        await emit(self._connection, "birth.stored", {"gateway": cursor.gateway, "hash": name.hex()})
        return None

    async def _places(self, gateway: str, name: bytes, encoded: bytes, description: Description) -> Plan:
        """Devices move once their gateway gives them up; else any gateway could claim any device."""
        heirless: set[str] = set()
        while True:
            try:
                return await store.apply_birth(
                    self._connection, gateway, name, encoded, description, self._now, heirless
                )
            except store.ForeignDevice as error:
                if not await self._known.gives_up_devices(error.owner):
                    raise
                heirless.add(error.owner)

    async def _event(self, cursor: Cursor, event: Event) -> tuple[str, str] | None:
        origin = event.origin
        if origin.clock.state is not ClockState.UNSET and (fault := self._out_of_time(event.t)):
            return fault
        data = {name: jsonable(value) for name, value in event.data.items()}
        self._rows.events.append(
            (cursor.gateway, cursor.id, origin.seq, event.kind, event.source, from_ms(event.t),
             int(origin.clock.state), event.severity, data, self._now)
        )  # fmt: skip
        if event.kind == "clock-fix" and (fix := self._clock_fix(event)):
            self._rows.fixes.append((cursor.gateway, *fix))
        payload = {
            "gateway": cursor.gateway,
            "incarnation": str(cursor.incarnation),  # 64 bits: more than JSON's readers keep of a number
            "seq": origin.seq,
            "kind": event.kind,
            "source": event.source,
            "t": event.t,
            "severity": event.severity,
            "data": data,
        }
        await emit(self._connection, "event.stored", payload)
        return None

    def _clock_fix(self, event: Event) -> tuple[bytes, int, int, int | None] | None:
        """(boot, boottime_ms, utc_ms, bound_ms), None if the event does not say it or says nonsense."""
        match [event.data.get(name) for name in ("boot", "boottime_ms", "utc_ms", "bound_ms")]:
            case [bytes(boot), int(boottime), int(utc), None | int() as bound] if (
                len(boot) == 16 and 0 <= boottime <= utc <= self._newest and utc >= self._oldest
            ):
                return boot, boottime, utc, bound if bound is None else min(max(bound, 0), MAX_INT8)
        log.warning("gateway %s: a clock-fix without boot, boottime_ms and a plausible utc_ms", event.origin.gateway)
        self.outcome.counts["bad-clock-fix"] += 1
        return None

    def _out_of_time(self, t: int) -> tuple[str, str] | None:
        if t > self._newest:
            return "in-the-future", f"source time {_show(t)} is more than {FUTURE} ahead of {self._now:%FT%TZ}"
        if t < self._oldest:
            return "too-old", f"source time {_show(t)} is more than {OLDEST.days} days before {self._now:%FT%TZ}"
        return None

    async def _quarantine(self, cursor: Cursor, arrival: Arrival, seq: int | None, reason: str, detail: str) -> bool:
        """Whether it was kept: each gateway has its room, so that none can fill the disk."""
        size = len(arrival.payload)
        if cursor.gateway not in self._room:
            self._room[cursor.gateway] = ROOM - await store.kept_bytes(self._connection, cursor.gateway)
        if self._room[cursor.gateway] < size:
            return False
        self._room[cursor.gateway] -= size
        detail = detail.replace("\0", "\\0")[:500]
        self._rows.quarantine.append(
            (self._now, cursor.gateway, arrival.raw.topic, reason, detail, size, True, cursor.id, seq, arrival.payload)
        )
        self.outcome.counts[f"quarantined:{reason}"] += 1
        self._faults.setdefault((cursor.gateway, reason), []).append(f"seq {seq}: {detail}")
        return True

    async def _quarantine_once(self, cursor: Cursor, arrival: Arrival, seq: int, reason: str, detail: str) -> None:
        """For what is not freed by its answer, and so will come again."""
        if not await store.is_kept(self._connection, cursor, seq, reason):
            await self._quarantine(cursor, arrival, seq, reason, detail)

    async def _write(self, cursors: Mapping[Key, Cursor]) -> None:
        connection, rows = self._connection, self._rows
        days = {row[1].date() for row in rows.chunks} - self._known.days
        await store.make_partitions(connection, days)
        self.outcome.days = days
        await store.add_rows(connection, rows)
        samples = rollups.ordered(self._collector.samples())
        self.outcome.counts["readings"] += len(samples)
        await store.merge_rollups(
            connection,
            rollups.reduce(samples, self._widths, HOUR_MS),
            rollups.reduce(samples, self._widths, MINUTE_MS),
        )
        await store.merge_last(connection, rollups.latest(samples, self._widths))
        newer = await store.merge_states(connection, rows.states)
        self.outcome.counts["old-state"] += len(rows.states) - newer
        await store.save_cursors(connection, cursors.values(), self._now)
        if len(samples) or newer:
            await connection.execute(f"NOTIFY {store.WAKE}")


def chunk_rows(
    device: int, blocks: list[Block], incarnation_id: int | None, seq: int | None, clock: int
) -> list[tuple[object, ...]]:
    """Rows of `chunk`, one for each hour of source time."""
    found: list[tuple[object, ...]] = []
    for parts in by_hour(blocks).values():
        t0 = min(int(block.times[0]) for block in parts)
        t1 = max(int(block.times[-1]) for block in parts)
        count = count_readings(parts)
        found.append((device, from_ms(t0), from_ms(t1), incarnation_id, seq, int(clock), count, encode(t0, parts)))
    return found


def count_readings(blocks: list[Block]) -> int:
    """Values, and failed readings that have only a quality."""
    count = 0
    for block in blocks:
        for column in block.columns:
            count += len(column.values)
            if column.quality and len(column.values) < len(column.present):
                count += sum(not column.present[index] for index in column.quality)
    return count


def jsonable(value: Scalar) -> int | float | str | bool | None:
    """Bytes as hexadecimal, decimals and integers that JSON's readers would round as text."""
    match value:
        case bytes():
            return value.hex()
        case Decimal():
            return str(value)
        case int() if abs(value) >= 2**53:
            return str(value)
    return value


def _state_json(state: State) -> dict[str, object]:
    return {
        "clock": state.clock.state.name.lower().replace("_", "-"),
        "clock_bound_ms": state.clock.bound_ms,
        "t": state.t,
        "boot": state.boot.hex(),
        "version": state.version,
        "spool_bytes": state.spool_bytes,
        "spool_quota": state.spool_quota,
        "devices": [[d.code, d.reachable, d.since_ms, d.detail] for d in state.devices],
        "configuration": _configuration_json(state.configuration),
    }


def _configuration_json(one: Configuration | None) -> list[object] | None:
    return None if one is None else [one.number, one.hash.hex(), one.on_trial, one.refused]


def _show(t: int) -> str:
    return f"{from_ms(t):%FT%TZ}" if t < 253_402_300_800_000 else f"{t} ms"
