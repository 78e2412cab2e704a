"""Days without the server, in accelerated time, and what comes back first: spool, uplink and a broker as they run."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import pytest
from aiomqtt import Client, ProtocolVersion

from agent.spool import Spool
from agent.spool.room import FILE_BYTES, LOG_BYTES
from protocols.edge import cose
from protocols.edge.columns import F32LE, I64LE, Column, Group, all_present
from protocols.edge.envelope import open_sealed, parse_topic, seal
from protocols.edge.messages import (
    AckStatus,
    Batch,
    Birth,
    Clock,
    ClockState,
    DropCause,
    Event,
    Origin,
    acknowledgement_digest,
    digest,
    encode,
)
from tests.agent.uplink.peers import GATEWAY, KEY, SERVER, City, acknowledgement, gateway

ROOT = Path(__file__).parents[3]
RATE = 1000  # values/s
TICKS, CHANNELS = 7, 100  # of a batch, which is 0.7 s of them
BATCH = TICKS * CHANNELS
ALARM_EACH = 60 * RATE // BATCH  # batches: an alarm a minute
T0 = 1_700_000_000_000
DAYS, QUOTA = 4, 512 << 20
TOTAL_ALIAS = CHANNELS - 1


def batch(number: int, t0: int | None = None) -> Batch:
    """99 gauges at 10 Hz, as noisy as a meter's, and a total that counts all ticks there ever were."""
    noise = np.random.default_rng(number).normal(230, 1, (CHANNELS - 1, TICKS)).astype("<f4")
    present = all_present(TICKS)
    columns = [Column(alias, F32LE, noise[alias], present) for alias in range(CHANNELS - 1)]
    ticks = np.arange(TICKS, dtype=np.int64)
    columns.append(Column(TOTAL_ALIAS, I64LE, number * TICKS + ticks, present, -2))
    origin = Origin(GATEWAY, 0, 0, bytes(16), 700 * number, Clock(ClockState.SYNCHRONISED, 5))
    return Batch(origin, bytes(32), T0 + 700 * number if t0 is None else t0, (Group(100 * ticks, tuple(columns)),))


def alarm(number: int) -> Event:
    origin = Origin(GATEWAY, 0, 0, bytes(16), 700 * number, Clock(ClockState.SYNCHRONISED, 5))
    return Event(origin, T0 + 700 * number, "smoke", GATEWAY, 4, {"number": number})


def resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def disk(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


@dataclass
class Ledger:
    """What a server knows: it takes each seq once, answers all, and keeps nothing else of old data than its totals."""

    client: Client
    seen: set[int] = field(default_factory=set)
    twice: int = 0
    alarms: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)  # s from put to here, of live batches
    first_old: int | None = None  # how many alarms had come before the first old batch
    values: int = 0
    totals: list[tuple[int, int]] = field(default_factory=list)  # (UTC, total)
    numbers: list[int] = field(default_factory=list)  # those that tests.agent.spool.messages.batch() made
    deaf: bool = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as answers:
            async for message in self.client.messages:
                address = parse_topic(str(message.topic))
                opened = open_sealed(address, message.payload, {cose.key_id(KEY): KEY})
                if self.deaf or not isinstance(opened.message, Birth | Batch | Event):
                    continue
                origin = opened.message.origin
                if origin.seq not in self.seen:
                    self.seen.add(origin.seq)
                    self._take(opened.message)
                value = acknowledgement_digest([digest(opened.payload)])
                answer = acknowledgement(origin, 1, AckStatus.STORED, value)
                where = address.topic.rpartition("/")[0] + "/ack"
                answers.create_task(self.client.publish(where, seal(parse_topic(where), encode(answer), KEY), qos=1))

    def _take(self, message: Birth | Batch | Event) -> None:
        if isinstance(message, Event):
            self.alarms.append(int(message.data["number"]))  # type: ignore[arg-type]
        if not isinstance(message, Batch):
            return
        if message.origin.boot == b"l" * 16:
            self.late.append(time.time() - message.t0 / 1000)
            return
        if self.first_old is None:
            self.first_old = len(self.alarms)
        for group in message.groups:
            self.values += sum(len(column.values) for column in group.columns)
            for column in group.columns:
                if column.alias == 7:
                    self.numbers += set(column.values.tolist())
                if column.alias == TOTAL_ALIAS:
                    self.totals += zip((message.t0 + group.times).tolist(), column.values.tolist(), strict=True)


@asynccontextmanager
async def ledger(broker: City) -> AsyncIterator[Ledger]:
    client = Client(
        "127.0.0.1",
        broker.port,
        username=SERVER,
        password="server's",
        protocol=ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    async with client, asyncio.TaskGroup() as tasks:
        client.pending_calls_threshold = 1_000_000
        await client.subscribe([(f"hutong/1/+/{leaf}", 1) for leaf in ("birth", "data", "event")])
        kept = Ledger(client)
        running = tasks.create_task(kept.run())
        try:
            yield kept
        finally:
            running.cancel()


async def outage(folder: Path, batches: int, quota: int) -> tuple[int, list[int], list[int]]:
    """Spools all that a gateway reads while it is alone. Returns how many alarms there were, and the memory and the
    disk that were taken after each tenth of the time."""
    alarms, memory, disks = 0, [], []
    async with Spool(folder / "spool.db", quota) as spool:
        for number in range(batches):
            last = spool.submit(batch(number))
            if number % ALARM_EACH == 0:
                spool.submit(alarm(number), urgent=True)
                alarms += 1
            if number % 16 == 15:
                await last
            if (number + 1) % (batches // 10) == 0:
                memory.append(resident())
                disks.append(disk(folder))
    return alarms, memory, disks


async def come_back(broker: City, folder: Path, quota: int, limit_s: float) -> tuple[Ledger, float]:
    """Connects, and reads on in real time, until all that waited is delivered, and how long that took."""
    async with ledger(broker) as server, gateway(broker, folder, quota=quota) as edge, asyncio.timeout(limit_s):
        began = time.monotonic()
        waited = edge.spool.snapshot.next_seq
        number = 0
        while True:
            live = batch(number, t0=time.time_ns() // 1_000_000)
            live = Batch(
                Origin(GATEWAY, 0, 0, b"l" * 16, 700 * number, live.origin.clock), bytes(32), live.t0, live.groups
            )
            edge.spool.submit(live)
            number += 1
            if edge.spool.snapshot.first_kept >= waited and number > 10:
                break
            await asyncio.sleep(BATCH / RATE)
        took = time.monotonic() - began
        await edge.drained(60)
        # A machine that stood still for ten seconds is to repeat a window at most.
        assert edge.uplink.counters.resent <= edge.uplink.counters.sent // 20
        return server, took


async def an_outage_of_days_and_back(broker: City, folder: Path, share: float) -> None:
    """`share` of the days with `share` of the quota: the same rates, and as much more than there is room for."""
    batches = int(DAYS * 86_400 * RATE / BATCH * share)
    quota = int(QUOTA * share)
    began = time.monotonic()
    alarms, memory, disks = await outage(folder, batches, quota)
    fed = time.monotonic() - began
    settled = memory[2:]
    assert max(disks) <= max(quota, FILE_BYTES) * 1.1 + 2 * LOG_BYTES
    assert max(settled) <= 1.05 * settled[0], settled  # less is what the tests before this one gave back
    server, took = await come_back(broker, folder, quota, 120 + 20_000 * share)
    assert server.alarms == sorted(server.alarms)
    assert len(server.alarms) == alarms, "an alarm was lost, or came twice"
    assert server.first_old is not None
    assert server.first_old >= min(alarms, 1000)
    late = sorted(server.late)
    p99 = late[int(0.99 * (len(late) - 1))]
    totals = sorted(server.totals)
    assert len(totals) == len(set(totals))
    assert totals[0] == (T0, 0)
    assert totals[-1] == (T0 + 700 * (batches - 1) + 600, batches * TICKS - 1)
    minutes = {t // 60_000 for t, _ in totals}
    first, last = T0 // 60_000, totals[-1][0] // 60_000
    assert minutes == set(range(first, last + 1)), "a total lost a minute"
    sys.stderr.write(
        f"\n{batches * BATCH / 1e6:.1f} M values in {fed:.0f} s; disk at most {max(disks) / 1e6:.0f} MB of quota"
        f" {quota / 1e6:.0f} MB; RSS {min(settled) / 1e6:.1f} to {max(settled) / 1e6:.1f} MB; {alarms} alarms,"
        f" {server.first_old} before any old batch; {server.values / 1e6:.1f} M old values kept, delivered in"
        f" {took:.0f} s; live p50 {late[len(late) // 2]:.3f} s, p99 {p99:.3f} s of {len(late)}\n"
    )
    assert p99 < 2.0


@pytest.mark.long
async def test_after_four_days_alone_shortened_alarms_come_first_and_live_data_does_not_wait(
    broker: City, tmp_path: Path
) -> None:
    await an_outage_of_days_and_back(broker, tmp_path, 1 / 60)


@pytest.mark.soak
async def test_after_four_days_alone_alarms_come_first_and_live_data_does_not_wait(
    broker: City, tmp_path: Path
) -> None:
    await an_outage_of_days_and_back(broker, tmp_path, 1.0)


async def killed_again_and_again(broker: City, folder: Path, seconds: float, quota: int) -> None:
    """A gateway that is killed at random moments while it puts, sends and frees, and while it thins; whatever it said
    was on disk arrives, once."""
    random, first, kills, promised = Random(4), 0, 0, set[int]()
    until = time.monotonic() + seconds
    async with ledger(broker) as server:
        server.deaf = True  # at first, so that the spool fills
        while time.monotonic() < until:
            script = [str(Path(__file__).with_name("hammer.py")), str(folder), str(broker.port), str(quota), str(first)]
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, *script), stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
            )
            assert child.stdout is not None
            said = await child.stdout.readline()
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0.0, 1.5)):
                    while line := await child.stdout.readline():
                        said += line
            child.kill()
            kills += 1
            said += await child.stdout.read()
            await child.wait()
            promised |= {int(number) for number in said.split()}
            first = max(promised) + 1  # the last may be on disk without having been said
            server.deaf = random.random() < 0.5
        server.deaf = False
        async with gateway(broker, folder, quota=quota) as edge:
            await edge.drained(120)
            dropped = {seq for one in edge.spool.snapshot.dropped for seq in range(one.first, one.last + 1)}
            assert set(range(1, edge.spool.snapshot.next_seq)) == server.seen | dropped
            causes = {one.cause for one in edge.spool.snapshot.dropped}
    alarms = {number for number in promised if number % 5 == 0}
    assert alarms <= set(server.alarms)
    assert len(server.alarms) == len(set(server.alarms)), "an alarm came twice"
    assert len(server.numbers) == len(set(server.numbers)), "a batch came twice"
    if quota > 1 << 20:
        assert not causes
        assert promised <= set(server.numbers) | set(server.alarms)
    else:
        assert DropCause.THINNED in causes
    sys.stderr.write(f"\n{kills} kills, {len(promised)} messages promised, {len(dropped)} seqs said again\n")


@pytest.mark.long
@pytest.mark.parametrize("quota", [64 << 20, 600_000])
async def test_whatever_moment_a_gateway_is_killed_at_nothing_promised_is_lost_and_nothing_comes_twice(
    quota: int, broker: City, tmp_path: Path
) -> None:
    await killed_again_and_again(broker, tmp_path, 20, quota)


@pytest.mark.soak
@pytest.mark.parametrize("quota", [64 << 20, 600_000])
async def test_in_an_hour_of_kills_nothing_promised_is_lost_and_nothing_comes_twice(
    quota: int, broker: City, tmp_path: Path
) -> None:
    await killed_again_and_again(broker, tmp_path, 1800, quota)
