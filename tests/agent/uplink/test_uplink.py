"""The uplink against a real broker, with a server that answers well, badly, late or not at all."""

import asyncio
import gc
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from aiomqtt import Client

from agent.spool import Spool
from agent.uplink import KINDS, Broker, Uplink, Way
from agent.uplink import uplink as uplink_module
from agent.uplink.traffic import DAY_MS
from agent.uplink.uplink import NUMBERS
from protocols.edge import cose
from protocols.edge.birth import description_hash
from protocols.edge.envelope import address_of, seal
from protocols.edge.messages import (
    MAX_SEQ,
    AckStatus,
    Batch,
    Birth,
    Clock,
    ClockState,
    Command,
    Event,
    Spooled,
    State,
    acknowledgement_digest,
    digest,
    encode,
)
from tests.agent.spool.messages import batch
from tests.agent.uplink.peers import (
    GATEWAY,
    KEY,
    PASSWORD,
    RESEND_S,
    City,
    Gateway,
    acknowledgement,
    birth,
    certificate,
    event,
    gateway,
    origin,
    serve,
    tls_in_front,
    until,
)

OTHER_KEY = bytes(32)


class Doorman:
    """A broker of one connection: `moment` is called when the first message has been received, `turns` turns of the
    event loop after its receipt was written."""

    def __init__(self, turns: int, moment: Callable[[], object]) -> None:
        self._turns, self._moment = turns, moment

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _packet(reader)
        writer.write(bytes.fromhex("2003000000"))  # CONNACK
        subscribe = await _packet(reader)
        writer.write(bytes.fromhex("9005") + subscribe[:2] + bytes.fromhex("000101"))  # SUBACK
        published = await _packet(reader)
        topic = int.from_bytes(published[:2], "big")
        writer.write(bytes.fromhex("4002") + published[2 + topic : 4 + topic])  # PUBACK
        for _ in range(self._turns):
            await asyncio.sleep(0)
        self._moment()
        while await reader.read(4096):
            pass
        writer.close()


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """What follows the header of the next MQTT packet."""
    await reader.readexactly(1)
    length = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return await reader.readexactly(length)


@pytest.mark.parametrize("turns", range(7))
async def test_an_uplink_told_to_end_at_any_moment_of_an_answer_ends(turns: int, tmp_path: Path) -> None:
    door = Doorman(turns, lambda: running.cancel())
    listening = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    to = Broker("127.0.0.1", listening.sockets[0].getsockname()[1], username=GATEWAY, password=PASSWORD)
    async with Spool(tmp_path / "spool.db", 8 << 20) as spool, asyncio.TaskGroup() as tasks:
        uplink = Uplink(to, GATEWAY, {b"12345678": KEY}, spool, silent_state, origin, ignored, str)
        running = tasks.create_task(uplink.run())
        _, still = await asyncio.wait([running], timeout=4)
        running.cancel()  # again, or a failure would hang
        assert not still
    listening.close()


def silent_state(connection: int, number: int, online: bool) -> State:
    return State(GATEWAY, 1, bytes(16), connection, number, online, 1, Clock(ClockState.SYNCHRONISED, 5), 1, 1)


async def ignored(_: Command) -> None: ...


async def test_what_is_put_arrives_in_order_and_is_freed_when_acknowledged(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await edge.events(300, size=100)
        await edge.drained()
        firsts = list(dict.fromkeys(message.origin.seq for message in server.spooled()))
        assert firsts == list(range(1, 301))
        await until(lambda: edge.uplink.counters.acknowledged == 300)


async def test_a_state_is_published_before_anything_else(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await edge.events(1)
        await server.wait_for(lambda: len(server.arrived) >= 2)
        first = server.arrived[0].message
        assert isinstance(first, State)
        assert first.online
        assert first.connection == NUMBERS * edge.spool.snapshot.connection


async def test_the_brokers_receipt_frees_nothing(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: None
        await edge.events(3)
        await server.wait_for(lambda: len(server.spooled()) >= 6)  # each was sent again on the timer
        assert edge.spool.snapshot.rows == 3


async def test_a_message_lost_on_the_way_is_sent_again_until_it_is_answered(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        seen: set[int] = set()

        def every_other_time(message: Spooled) -> AckStatus | None:
            if message.origin.seq in seen:
                return AckStatus.STORED
            seen.add(message.origin.seq)
            return None

        server.judge = every_other_time
        await edge.events(20)
        await edge.drained()
        assert edge.uplink.counters.resent >= 20
        by_seq: dict[int, set[bytes]] = {}
        for arrived in server.arrived:
            if isinstance(arrived.message, Event):
                by_seq.setdefault(arrived.message.origin.seq, set()).add(arrived.payload)
        assert all(len(payloads) == 1 for payloads in by_seq.values())


async def test_while_nobody_answers_only_a_probe_is_repeated(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: None
        await edge.events(20, size=10_000)
        await server.wait_for(lambda: len(server.spooled()) >= 8)
        times = Counter(message.origin.seq for message in server.spooled())
        assert max(times) <= 4  # 32 KB of the 200 KB that wait


async def test_no_more_is_in_flight_than_the_window_holds(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path, window_bytes=10_000) as edge:
        server.judge = lambda _: None
        await edge.events(30, size=2_000)
        await server.wait_for(lambda: len(server.spooled()) >= 10)
        assert max(message.origin.seq for message in server.spooled()) <= 5


@pytest.mark.parametrize("attack", ["wrong key", "other bytes", "other incarnation", "beyond what was sent"])
async def test_a_forged_acknowledgement_frees_nothing(attack: str, broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: None
        await edge.events(3)
        await server.wait_for(lambda: len(server.spooled()) >= 3)
        payloads = server.payloads()[:3]
        value = acknowledgement_digest([digest(payload) for payload in payloads])
        first = server.spooled()[0].origin
        true = acknowledgement(first, 3, AckStatus.STORED, value)
        match attack:
            case "wrong key":
                await server.send(true, OTHER_KEY)
            case "other bytes":
                await server.send(acknowledgement(first, 3, AckStatus.STORED, bytes(8)), KEY)
            case "other incarnation":
                await server.send(replace(true, incarnation=first.incarnation ^ 1), KEY)
            case "beyond what was sent":
                await server.send(acknowledgement(first, 4000, AckStatus.STORED, value), KEY)
        await until(lambda: sum(edge.uplink.counters.refused.values()) == 1)
        assert edge.spool.snapshot.rows == 3
        await server.send(true, KEY)
        await edge.drained()


async def test_an_acknowledgement_for_another_gateway_put_on_our_topic_is_refused(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: None
        await edge.events(1)
        await server.wait_for(lambda: bool(server.spooled()))
        other = acknowledgement(
            replace(server.spooled()[0].origin, gateway="D1101149001000078B"), 1, AckStatus.STORED, bytes(8)
        )
        await server.client.publish(f"hutong/1/{GATEWAY}/ack", seal(address_of(other), encode(other), KEY), qos=1)
        await until(lambda: edge.uplink.counters.refused["seal"] == 1)
        assert edge.spool.snapshot.rows == 1


async def test_a_replayed_acknowledgement_changes_nothing(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await edge.events(2)
        await edge.drained()
        server.judge = lambda _: None
        await edge.events(1)
        first = server.spooled()[0].origin
        value = acknowledgement_digest([digest(payload) for payload in server.payloads()[:2]])
        await server.send(acknowledgement(first, 2, AckStatus.STORED, value), KEY)
        await server.wait_for(lambda: len(server.spooled()) >= 4)
        assert edge.spool.snapshot.rows == 1
        assert edge.uplink.counters.acknowledged == 2


async def test_a_birth_the_server_lost_is_sent_first_and_the_batch_behind_it(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        known: set[bytes] = set()
        amnesia = [True]

        def judge(message: Spooled) -> AckStatus | None:
            if isinstance(message, Birth):
                if not amnesia.pop() if amnesia else True:
                    known.add(description_hash(message.description))
                return AckStatus.STORED
            if isinstance(message, Batch) and message.birth not in known:
                return AckStatus.NEED_BIRTH
            return AckStatus.STORED

        server.judge = judge
        await edge.spool.put(birth(b"poles"), urgent=True)
        await edge.drained()
        await edge.spool.put(Batch(origin(), description_hash(b"poles"), 1_700_000_000_000, ()))
        await edge.drained()
        kinds = [type(message).__name__ for message in server.spooled()]
        assert kinds == ["Birth", "Batch", "Birth", "Batch"]
        births = [message for message in server.spooled() if isinstance(message, Birth)]
        assert births[0].description == births[1].description
        assert births[0].origin.seq != births[1].origin.seq
        assert edge.uplink.counters.births_again == 1


async def test_after_a_fork_only_what_the_server_does_not_hold_is_numbered_anew(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        old = edge.spool.snapshot.incarnation
        held: list[Spooled] = []
        seen: set[int] = set()

        def judge(message: Spooled) -> AckStatus | None:
            seen.add(message.origin.seq)
            if len(seen) < 5:  # nothing is answered until all are in flight
                return None
            if message.origin.incarnation == old and message.origin.seq in (2, 3):
                return AckStatus.FORK
            held.append(message)
            return AckStatus.STORED

        server.judge = judge
        await edge.events(5)
        await until(lambda: edge.uplink.counters.forks == 1)
        await edge.events(2)
        await edge.drained()
        assert edge.spool.snapshot.incarnation != old
        numbers = sorted(
            (message.data["number"], message.origin.seq, message.origin.incarnation == old)
            for message in held
            if isinstance(message, Event)
        )
        before = [(number, seq) for number, seq, is_old in numbers if is_old]
        after = [(number, seq) for number, seq, is_old in numbers if not is_old]
        assert before == [(0, 1), (3, 4), (4, 5)]
        assert sorted(after) == [(0, 3), (1, 1), (1, 4), (2, 2)]  # 1 and 2 were forked; then two new events


async def test_a_server_that_asks_for_time_gets_it(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: AckStatus.SLOW
        server.retry_after_ms = 1000
        await edge.events(1)
        await until(lambda: edge.uplink.counters.pauses == 1)
        asked = asyncio.get_running_loop().time()
        server.judge = lambda _: AckStatus.STORED
        await edge.events(3)
        await edge.drained()
        assert asyncio.get_running_loop().time() - asked > 0.9


async def test_a_broker_that_was_killed_costs_nothing_but_time(broker: City, tmp_path: Path) -> None:
    async with gateway(broker, tmp_path) as edge:
        async with serve(broker) as server:
            server.judge = lambda _: None
            await edge.events(5)
            await server.wait_for(lambda: len(server.spooled()) >= 5)
        await asyncio.to_thread(broker.stop)
        await edge.events(5)
        await until(lambda: not edge.uplink.connected)
        broker.start()  # not in a thread of its own: the broker goes with the thread that started it
        async with serve(broker) as server:
            await edge.drained(timeout=20)
            assert {message.origin.seq for message in server.spooled()} == set(range(1, 11))
        assert edge.uplink.counters.connects >= 2


def a_command(edge: Gateway, **changes: object) -> Command:
    command = Command(
        gateway=GATEWAY,
        incarnation=edge.spool.snapshot.incarnation,
        number=1,
        id=bytes(range(16)),
        issued=1,
        expires=2**40,
        device="D1101149001000101X",
        channel="relay",
        value=Decimal(1),
        principal="test",
    )
    return replace(command, **changes)  # type: ignore[arg-type]


async def test_a_command_arrives_only_sealed_for_this_gateway_and_incarnation(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await until(lambda: edge.uplink.connected)
        await server.send(a_command(edge), OTHER_KEY)
        await server.send(a_command(edge, incarnation=77), KEY)
        await server.client.publish(f"hutong/1/{GATEWAY}/cmd", b"noise", qos=1)
        await server.send(a_command(edge), KEY)
        await until(lambda: bool(edge.commands))
        assert edge.commands == [a_command(edge)]
        assert edge.uplink.counters.refused == {"seal": 2, "incarnation": 1}


async def test_a_retained_command_is_refused(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server:
        async with gateway(broker, tmp_path) as edge:
            await until(lambda: edge.uplink.connected)
            command = a_command(edge)
        await server.send(command, KEY, retain=True)
        async with gateway(broker, tmp_path) as edge:
            await until(lambda: edge.uplink.counters.refused["retained"] == 1)
            assert edge.commands == []
        await server.client.publish(f"hutong/1/{GATEWAY}/cmd", b"", qos=1, retain=True)


async def test_whoever_stops_says_so_and_for_whoever_dies_the_will_does(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await server.wait_for(lambda: bool(server.states()))
        cut(edge.uplink)
        await server.wait_for(lambda: any(not state.online for state in server.states()))
        will = next(state for state in server.states() if not state.online)
        assert (will.connection, will.number) == (server.states()[0].connection, MAX_SEQ)
        await server.wait_for(lambda: server.states()[-1].online)
        assert server.states()[-1].connection > will.connection
    async with serve(broker) as server:
        async with gateway(broker, tmp_path) as edge:
            await server.wait_for(lambda: bool(server.states()))
        await server.wait_for(lambda: not server.states()[-1].online)
        assert server.states()[-1].number < MAX_SEQ


def cut(uplink: Uplink) -> None:
    """Breaks the connection as a cable would."""
    session = uplink._session
    assert session is not None
    client: Client = session._client
    broken = client._client.socket()
    assert isinstance(broken, socket.socket)
    broken.shutdown(socket.SHUT_RDWR)


async def test_a_state_that_changed_is_published_at_once(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await server.wait_for(lambda: bool(server.states()))
        edge.uplink.state_changed()
        await server.wait_for(lambda: len(server.states()) == 2)
        first, second = server.states()
        assert (second.connection, second.number) == (first.connection, first.number + 1)


async def test_a_state_asked_for_soon_is_one_for_all_who_asked(
    broker: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.uplink.session.STATE_SOON_S", 0.2)
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        await server.wait_for(lambda: bool(server.states()))
        for _ in range(50):
            edge.uplink.state_soon()
        await server.wait_for(lambda: len(server.states()) == 2)
        edge.uplink.state_changed()
        await server.wait_for(lambda: len(server.states()) == 3)
        assert [state.number - server.states()[0].number for state in server.states()] == [0, 1, 2]


async def test_rows_of_an_earlier_life_are_sent_on_connecting(broker: City, tmp_path: Path) -> None:
    async with gateway(broker, tmp_path) as edge:
        await edge.events(4)
    async with gateway(broker, tmp_path) as edge, serve(broker) as server:
        await edge.spool.put(event(4))
        await edge.drained()
        assert {message.origin.seq for message in server.spooled()} == {1, 2, 3, 4, 5}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_over_tls_only_a_broker_that_the_authority_vouches_for_is_spoken_to(
    broker: City, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    ours, others = certificate(tmp_path / "ours"), certificate(tmp_path / "others")
    async with serve(broker) as server, tls_in_front(broker.port, ours) as port:
        wrong = Broker("127.0.0.1", port, tls=True, ca_file=others, username=GATEWAY, password=PASSWORD)
        async with gateway(broker, tmp_path, to=wrong) as edge:
            await until(lambda: edge.uplink.counters.failures >= 2)
            assert edge.uplink.counters.connects == 0
            await edge.events(2)
        right = replace(wrong, ca_file=ours)
        async with gateway(broker, tmp_path, to=right) as edge:
            await edge.drained()
        assert len(server.spooled()) == 2
    # paho leaves the socket of a handshake that failed to the collector, which warns: let it do so here.
    await asyncio.get_running_loop().shutdown_default_executor()
    gc.collect()


@asynccontextmanager
async def two_ways(folder: Path, first: Way, second: Way) -> AsyncIterator[Gateway]:
    async with Spool(folder / "spool.db", 8 << 20, group_s=0.005) as spool, asyncio.TaskGroup() as tasks:
        keys = {cose.key_id(KEY): KEY}
        uplink = Uplink(
            *(first.broker, GATEWAY, keys, spool, silent_state, origin, ignored, str),
            ways=[first, second],
            random=Random(1),
            return_s=0.3,
            traffic_file=folder / "links.json",
        )
        running = tasks.create_task(uplink.run())
        try:
            yield Gateway(spool, uplink)
        finally:
            running.cancel()


async def test_another_link_is_used_while_the_first_cannot_be_and_then_the_first_again(
    broker: City, tmp_path: Path
) -> None:
    there: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A router: what it carries breaks when it is closed."""
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", broker.port)
        there.add(writer)
        with suppress(OSError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, inner_writer))
                tasks.create_task(_copy(inner_reader, writer))

    listening = await asyncio.start_server(carry, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    first = Way("first", Broker("127.0.0.1", port, username=GATEWAY, password=PASSWORD))
    second = Way("second", Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD), KINDS["cellular"])
    async with serve(broker), two_ways(tmp_path, first, second) as edge:
        await edge.events(5)
        await edge.drained()
        assert edge.uplink.using is first
        listening.close()
        for writer in there:
            writer.transport.abort()
        await until(lambda: edge.uplink.using is second and edge.uplink.connected)
        await edge.events(5)
        await edge.drained()
        listening = await asyncio.start_server(carry, "127.0.0.1", port)
        await until(lambda: edge.uplink.using is first and edge.uplink.connected)
        await edge.events(5)
        await edge.drained()
    listening.close()
    assert edge.uplink.traffic.total["first"].sent > 1000
    assert edge.uplink.traffic.total["second"].received > 100
    assert (tmp_path / "links.json").is_file()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_over_a_link_that_is_closed_for_data_alarms_go_and_data_waits(broker: City, tmp_path: Path) -> None:
    spent = replace(KINDS["ethernet"], budget=1)
    way = Way("only", Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD), spent)
    (tmp_path / "links.json").write_text(
        f'{{"day": {time.time_ns() // 86_400_000_000_000}, "links": {{"only": [9, 9]}}}}'
    )
    async with serve(broker) as server, two_ways(tmp_path, way, way) as edge:
        await edge.spool.put(batch(1))
        await asyncio.sleep(0.3)
        assert edge.uplink.counters.connects == 0
        await edge.spool.put(event(2), urgent=True)
        await until(lambda: edge.spool.snapshot.rows == 1)
        assert [type(message) for message in server.spooled()] == [Event]

    assert "no event waits" in edge.uplink.fault


async def test_data_takes_the_link_that_is_open_though_alarms_could_go_over_a_better_one(
    broker: City, tmp_path: Path
) -> None:
    to = Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD)
    first, second = Way("first", to, replace(KINDS["ethernet"], budget=1)), Way("second", to)
    async with serve(broker), two_ways(tmp_path, first, second) as edge:
        await edge.events(1)
        await edge.spool.put(batch(1))
        await edge.drained()
        await until(lambda: edge.uplink.using is second and edge.uplink.connected, 20)
        for _ in range(5):
            await edge.events(1)
            await asyncio.sleep(0.2)
        assert edge.uplink.using is second
        await edge.spool.put(batch(2))
        await edge.drained()


async def test_a_fast_link_does_not_outrun_its_budget(broker: City, tmp_path: Path) -> None:
    to = Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD)
    only = Way("only", to, replace(KINDS["cellular"], budget=1_000_000))
    async with serve(broker), two_ways(tmp_path, only, Way("none", to, replace(only.policy, budget=1))) as edge:
        for number in range(150):
            await edge.spool.put(batch(number, 3000))
        await until(lambda: sum(edge.uplink.traffic.today("only")) >= 900_000)
        assert sum(edge.uplink.traffic.today("only")) < 1_300_000


async def test_a_row_that_was_dropped_while_under_way_is_answered_once_and_no_ghost(
    broker: City, tmp_path: Path
) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path, quota=400_000) as edge:
        await edge.events(1)
        await edge.drained()
        server.judge = lambda _: None
        for number in range(30):
            await edge.spool.put(batch(number, 1000))
        await until(lambda: len(server.spooled()) >= 31)
        for number in range(30, 120):
            await edge.spool.put(batch(number, 1000))
        assert edge.spool.snapshot.counters.dropped_quota > 0
        server.judge = lambda _: AckStatus.STORED
        await edge.drained()
        await until(lambda: edge.uplink._link.window.in_flight == 0)


async def test_old_data_that_a_server_asks_to_wait_with_waits_and_alarms_do_not(broker: City, tmp_path: Path) -> None:
    async with Spool(tmp_path / "spool.db", 8 << 20) as spool:
        for number in range(8):
            await spool.put(batch(number, 1000))
    async with serve(broker) as server:
        server.retry_after_ms = 1500
        server.judge = lambda message: AckStatus.SLOW if isinstance(message, Batch) else AckStatus.STORED
        async with gateway(broker, tmp_path) as edge:
            await until(lambda: edge.uplink.counters.pauses > 0)
            await asyncio.sleep(2 * RESEND_S)
            await edge.events(1)
            await until(lambda: edge.uplink.counters.acknowledged == 1)
            assert edge.uplink.counters.resent == 0
            server.judge = lambda _: AckStatus.STORED
            await edge.drained()


async def test_while_nobody_answers_nothing_is_noted_as_sent_that_was_not(broker: City, tmp_path: Path) -> None:
    async with serve(broker) as server, gateway(broker, tmp_path) as edge:
        server.judge = lambda _: None
        await edge.spool.put(batch(1))
        await until(lambda: len(server.spooled()) == 1)
        assert edge.spool.snapshot.claimed == {0: ((1, 1),)}
        server.judge = lambda _: AckStatus.STORED
        await edge.drained()
        await edge.spool.put(batch(2))
        await edge.drained()
        assert edge.spool.snapshot.claimed == {0: ((2, 66),)}


async def test_a_link_that_spent_its_day_is_used_again_the_next_day_without_any_alarm(
    broker: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "MIND_S", 0.1)
    now = time.time_ns() // 1_000_000
    monkeypatch.setattr(uplink_module, "_utc_ms", lambda: now)
    way = Way("only", Broker("127.0.0.1", broker.port, username=GATEWAY, password=PASSWORD), KINDS["ethernet"])
    way = way._replace(policy=replace(way.policy, budget=1_000_000))
    (tmp_path / "links.json").write_text(f'{{"day": {now // DAY_MS}, "links": {{"only": [900000, 0]}}}}')
    async with serve(broker), two_ways(tmp_path, way, way) as edge:
        await edge.spool.put(batch(1))
        await until(lambda: edge.uplink.fault != "")
        assert edge.uplink.counters.connects == 0
        now += DAY_MS
        await edge.drained()
