"""The store against a model of it, over puts, acknowledgements, drops and the power going off at any moment."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.spool import room
from agent.spool import store as store_module
from agent.spool.errors import Damaged, SpoolInUse
from agent.spool.records import Row
from agent.spool.store import BIRTH, EXPENDABLE, WANTED, Store
from protocols.edge.birth import description_hash
from protocols.edge.columns import F32LE, I64LE, Column, Group, all_present
from protocols.edge.messages import (
    AckRange,
    AckStatus,
    Batch,
    Birth,
    Burst,
    DropCause,
    Event,
    State,
    acknowledgement_digest,
    decode,
    digest,
    encode,
)
from protocols.errors import LocalProtocolError
from tests.agent.spool.messages import GATEWAY, acknowledge, batch, birth, burst, event, origin

QUOTA = 60_000


class Opened(Protocol):
    def __call__(self, quota: int = QUOTA) -> Store: ...


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Opens the spool of the test's folder, again and again if need be; what is open at the end is closed."""
    with ExitStack() as stores:
        yield lambda quota=QUOTA: stores.enter_context(closing(Store(tmp_path / "spool.db", quota)))


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()


def rows_of(store: Store) -> list[Row]:
    return store.read(0, 1 << 30)


def test_a_message_bears_the_incarnation_and_seq_of_its_row(store: Store) -> None:
    with store.transaction():
        seqs = [store.put(message, urgent=False) for message in (birth(b"x"), batch(1), event(2))]
    assert seqs == [1, 2, 3]
    for row in rows_of(store):
        message = decode(row.payload)
        assert isinstance(message, Birth | Batch | Event)
        assert (message.origin.incarnation, message.origin.seq) == (store.snapshot.incarnation, row.seq)
    assert [row.leaf for row in rows_of(store)] == ["birth", "data", "event"]


def test_a_seq_is_never_given_twice_even_when_all_rows_are_gone_and_the_file_was_closed(opened: Opened) -> None:
    store = opened()
    incarnation = store.snapshot.incarnation
    with store.transaction():
        store.put(event(1), urgent=True)
    with store.transaction():
        assert store.free([acknowledge(rows_of(store))]).seqs == (1,)
    store.close()
    store = opened()
    assert (store.snapshot.incarnation, store.snapshot.first_kept, store.snapshot.next_seq) == (incarnation, 2, 2)
    with store.transaction():
        assert store.put(event(2), urgent=True) == 2


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    with store.transaction():
        store.put(event(1), urgent=True)
    before = store.snapshot

    def fail() -> None:
        with store.transaction():
            store.put(event(2), urgent=True)
            store.next_connection()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.snapshot == before
    assert len(rows_of(store)) == 1
    with store.transaction():
        assert store.put(event(3), urgent=True) == 2


def test_a_message_that_the_contract_forbids_is_refused_and_takes_no_seq(store: Store) -> None:
    bad = batch(1, birth=bytes(32))
    column = bad.groups[0].columns[0]
    column.present[:] = False
    with store.transaction():
        with pytest.raises(LocalProtocolError):
            store.put(bad, urgent=False)
        assert store.put(event(1), urgent=True) == 1


def test_only_the_digest_of_our_own_bytes_frees(store: Store) -> None:
    with store.transaction():
        for number in range(5):
            store.put(event(number), urgent=True)
    rows = rows_of(store)
    good = acknowledge(rows[1:4])
    forged = [
        AckRange(2, 4, AckStatus.STORED, bytes(8)),
        AckRange(1, 4, AckStatus.STORED, good.digest),
        AckRange(2, 3, AckStatus.STORED, good.digest),
        AckRange(2, 2**63 - 1, AckStatus.STORED, good.digest),
        AckRange(6, 6, AckStatus.STORED, acknowledgement_digest([])),
    ]
    with store.transaction():
        freed = store.free(forged)
    assert (freed.seqs, freed.refused) == ((), len(forged))
    with store.transaction():
        assert store.free([good]).seqs == (2, 3, 4)


@pytest.mark.parametrize("status", [AckStatus.NEED_BIRTH, AckStatus.FORK, AckStatus.SLOW])
def test_an_answer_that_is_no_commit_frees_nothing(store: Store, status: AckStatus) -> None:
    with store.transaction():
        store.put(event(1), urgent=True)
        assert store.free([acknowledge(rows_of(store), status)]).seqs == ()


def test_a_range_that_reaches_back_over_freed_rows_frees_the_rest_if_its_digest_is_right(store: Store) -> None:
    with store.transaction():
        for number in range(6):
            store.put(event(number), urgent=True)
    rows = rows_of(store)
    with store.transaction():
        store.free([acknowledge(rows[1:3])])
    with store.transaction():
        assert store.free([AckRange(1, 5, AckStatus.STORED, bytes(8))]).refused == 1
        assert store.free([acknowledge(rows[0:5])]).seqs == (1, 4, 5)
    with store.transaction():
        assert store.free([acknowledge(rows[0:5])]) == ((), 0)


def test_a_range_over_rows_that_nobody_remembers_frees_nothing(opened: Opened) -> None:
    store = opened()
    with store.transaction():
        for number in range(3):
            store.put(event(number), urgent=True)
    rows = rows_of(store)
    with store.transaction():
        store.free([acknowledge(rows[:1])])
    store.close()
    store = opened()
    with store.transaction():
        assert store.free([acknowledge(rows)]) == ((), 1)
        assert store.free([acknowledge(rows[1:])]).seqs == (2, 3)


def test_the_oldest_data_goes_first_then_events_and_births_never(store: Store) -> None:
    with store.transaction():
        store.put(birth(b"d" * 2000), urgent=True)
        for number in range(12):
            store.put(event(number, size=1500), urgent=True)
    for number in range(40):
        with store.transaction():
            store.put(batch(number, values=900), urgent=False)
    snapshot = store.snapshot
    assert snapshot.bytes <= QUOTA
    kept = rows_of(store)
    assert [row.leaf for row in kept[:13]] == ["birth"] + ["event"] * 12
    data = [row.seq for row in kept if row.leaf == "data"]
    assert data == list(range(54 - len(data), 54))
    assert [(one.first, one.last, one.cause) for one in snapshot.dropped] == [(14, 53 - len(data), DropCause.QUOTA)]
    assert snapshot.counters.dropped_quota == 40 - len(data)
    with store.transaction():
        for number in range(40):
            store.put(event(number, size=1500), urgent=True)
    assert store.snapshot.bytes <= QUOTA
    assert rows_of(store)[0].leaf == "birth"


def test_a_capture_outlasts_all_telemetry_and_a_restart_and_is_counted_until_it_is_freed(opened: Opened) -> None:
    store = opened()
    with store.transaction():
        for number in range(3):
            store.put(burst(number, values=500), urgent=True)
    taken = store.snapshot.captured
    assert taken >= 3 * 4 * 500  # in whole pages
    for number in range(60):
        with store.transaction():
            store.put(batch(number, values=900), urgent=False)
    assert store.snapshot.bytes <= QUOTA
    assert store.snapshot.counters.thinned > 0
    store.close()
    store = opened()
    assert store.snapshot.captured == taken
    bursts = [row for row in rows_of(store) if row.leaf == "burst"]  # thinning moved them along
    assert len(bursts) == 3
    with store.transaction():
        store.free([acknowledge([row]) for row in bursts])
    assert store.snapshot.captured == 0


def test_a_capture_keeps_its_bytes_and_its_place_among_others_in_a_new_incarnation(store: Store) -> None:
    with store.transaction():
        for message in (event(1), burst(2), batch(3)):
            store.put(message, urgent=False)
    with store.transaction():
        store.reincarnate()
    rows = rows_of(store)
    assert [row.leaf for row in rows] == ["event", "burst", "data"]
    moved = decode(rows[1].payload)
    assert isinstance(moved, Burst)
    assert (moved.origin.seq, moved.waveform.capture) == (rows[1].seq, (2).to_bytes(16))


def test_the_file_stays_near_its_quota(opened: Opened, tmp_path: Path) -> None:
    quota = 2 << 20
    store = opened(quota)
    for number in range(55):
        with store.transaction():
            for _ in range(10):
                store.put(batch(number, values=1100), urgent=False)
                store.put(event(number, size=100), urgent=True)
    store.close()
    assert (tmp_path / "spool.db").stat().st_size < 1.25 * quota


def test_data_gives_way_before_the_disk_is_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.transaction():
        for number in range(10):
            store.put(batch(number, values=900), urgent=False)
    left = min(store_module.SPARE_BYTES, QUOTA // 2) - 9000
    real = room.free_bytes
    monkeypatch.setattr(store_module, "free_bytes", lambda database, _: left + real(database, Path("/proc/full")))
    with store.transaction():
        store.put(batch(10, values=900), urgent=False)
    assert 0 < store.snapshot.counters.dropped_quota <= 3
    before = store.snapshot.rows
    for number in range(5):  # the pages that were given up are room: not everything is dropped bit by bit
        with store.transaction():
            store.put(batch(number, values=900), urgent=False)
    assert store.snapshot.rows >= before - 1


def test_a_row_that_was_changed_on_disk_is_never_given_out(opened: Opened, tmp_path: Path) -> None:
    store = opened()
    with store.transaction():
        for number in range(3):
            store.put(event(number), urgent=True)
    store.close()
    with sqlite3.connect(tmp_path / "spool.db") as database:
        database.execute("UPDATE spooled SET payload = x'00' || payload WHERE seq = 2")
    database.close()
    store = opened()
    assert [row.seq for row in rows_of(store)] == [1, 3]
    assert store.damaged() == [2]
    with store.transaction():
        store.drop_damaged([2])
    assert [(one.first, one.last, one.cause) for one in store.snapshot.dropped] == [(2, 2, DropCause.DAMAGED)]


def test_a_new_incarnation_keeps_every_row_under_new_numbers_in_the_old_order(store: Store) -> None:
    with store.transaction():
        for number in range(8):
            store.put(batch(number) if number % 2 else event(number), urgent=False)
    rows = rows_of(store)
    with store.transaction():
        store.free([acknowledge(rows[:2]), acknowledge(rows[4:5])])
    old, before = store.snapshot.incarnation, rows_of(store)
    with store.transaction():
        new = store.reincarnate()
    after = rows_of(store)
    assert new == store.snapshot.incarnation != old
    assert [row.seq for row in after] == [1, 2, 3, 4, 5]
    assert store.snapshot.next_seq == 6
    for one, other in zip(before, after, strict=True):
        was, now = decode(one.payload), decode(other.payload)
        assert isinstance(was, Batch | Event)
        assert isinstance(now, Batch | Event)
        assert (now.origin.incarnation, now.origin.seq) == (new, other.seq)
        assert (now.origin.boot, now.origin.boottime_ms) == (was.origin.boot, was.origin.boottime_ms)
    with store.transaction():
        assert store.free([acknowledge(before)]).seqs == ()


def test_a_description_is_kept_as_long_as_a_row_needs_it(store: Store) -> None:
    first, second, third = b"first", b"second", b"third"
    with store.transaction():
        store.put(birth(first), urgent=True)
        store.put(batch(1, birth=description_hash(first)), urgent=False)
    rows = rows_of(store)
    with store.transaction():
        store.free([acknowledge(rows[:1])])
        store.put(birth(second), urgent=True)
    assert store.description(description_hash(first)) == first
    assert store.kept_birth(description_hash(first)) is None
    assert store.kept_birth(description_hash(second)) == 3
    with store.transaction():
        store.free([acknowledge(rows[1:2])])
        store.put(birth(third), urgent=True)
    assert store.description(description_hash(first)) is None
    assert store.description(description_hash(third)) == third


def test_a_commands_id_is_taken_once_for_all(opened: Opened) -> None:
    store = opened()
    with store.transaction():
        assert store.begin_command(b"a" * 16, b"intent", 1000)
        assert not store.begin_command(b"a" * 16, b"intent", 1000)
        assert store.begin_command(b"b" * 16, b"other", 1001)
    with store.transaction():
        store.finish_command(b"a" * 16, event(1))
        store.finish_command(b"c" * 16, event(2))
    store.close()
    store = opened()
    assert [record.id for record in store.unfinished_commands()] == [b"b" * 16]
    with store.transaction():
        assert not store.begin_command(b"a" * 16, b"intent", 1000)
        assert not store.begin_command(b"c" * 16, b"intent", 1000)
    assert len(rows_of(store)) == 2


def test_connection_numbers_rise_over_lives(opened: Opened) -> None:
    numbers = []
    for _ in range(3):
        store = opened()
        for _ in range(2):
            with store.transaction():
                numbers.append(store.next_connection())
        store.close()
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_two_processes_never_share_a_spool(store: Store) -> None:
    with store.transaction():
        store.put(event(1), urgent=True)
    with pytest.raises(SpoolInUse):
        Store(store.path, QUOTA)


class SpoolMachine(RuleBasedStateMachine):
    """`expected` is what a reader must see after every commit; a copy of the files is what a power cut leaves."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")  # hundreds of commits: where it can be had, a disk that costs no waiting
        self.folder = Path(tempfile.mkdtemp(prefix="spool-", dir=memory if memory.is_dir() else None))
        self.life = 0
        self.store = Store(self.folder / "spool.db", QUOTA)
        self.expected: dict[int, bytes] = {}
        self.given = 0
        self.freed: set[int] = set()
        self.digests: dict[int, bytes] = {}

    @rule(sizes=st.lists(st.integers(0, 6000), min_size=1, max_size=4), data=st.booleans())
    def put(self, sizes: list[int], data: bool) -> None:
        with self.store.transaction():
            seqs = [
                self.store.put(batch(size, values=1 + size // 4) if data else event(size, size), urgent=not data)
                for size in sizes
            ]
        assert seqs == list(range(self.given + 1, self.given + 1 + len(sizes)))
        self.given = self.store.snapshot.next_seq - 1  # thinning takes some as well
        for row in rows_of(self.store):
            self.digests.setdefault(row.seq, row.digest)
        self.note_drops()

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(1, self.given))
        last = data.draw(st.integers(first, min(self.given, first + 5)))
        seqs = range(first, last + 1)
        known = all(seq in self.digests for seq in seqs)
        value = acknowledgement_digest([self.digests.get(seq, bytes(32)) for seq in seqs])
        honest = data.draw(st.booleans())
        with self.store.transaction():
            freed = self.store.free([AckRange(first, last, AckStatus.STORED, value if honest else bytes(8))])
        if not honest:
            assert freed.seqs == ()
        elif all(seq in self.expected for seq in seqs):
            assert freed.seqs == tuple(seqs)
        elif known and freed.seqs:
            assert set(freed.seqs) == set(seqs) & self.expected.keys()
        for seq in freed.seqs:
            del self.expected[seq]
            self.freed.add(seq)

    @rule()
    def reincarnate(self) -> None:
        old = [self.expected[seq] for seq in sorted(self.expected)]
        with self.store.transaction():
            self.store.reincarnate()
        rows = rows_of(self.store)
        assert len(rows) == len(old)
        self.given = len(rows)
        self.expected = {row.seq: row.payload for row in rows}
        self.digests = {row.seq: row.digest for row in rows}
        self.freed = set()

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.store = Store(self.store.path, QUOTA)

    @rule()
    def cut_the_power(self) -> None:
        """What is on disk is all there is: the files are copied as they stand, and opened elsewhere."""
        self.life += 1
        folder = self.folder / str(self.life)
        folder.mkdir()
        for path in self.store.path.parent.glob("spool.db*"):
            shutil.copy(path, folder / path.name)
        self.store.close()
        self.store = Store(folder / "spool.db", QUOTA)

    def note_drops(self) -> None:
        kept = {row.seq: row.payload for row in rows_of(self.store)}
        declared = {seq for one in self.store.snapshot.dropped for seq in range(one.first, one.last + 1)}
        for seq in list(self.expected):
            if seq not in kept:
                assert seq in declared
                del self.expected[seq]
        self.expected |= kept

    @invariant()
    def every_seq_is_kept_freed_or_declared(self) -> None:
        rows = rows_of(self.store)
        snapshot = self.store.snapshot
        assert {row.seq: row.payload for row in rows} == self.expected
        declared = {seq for one in snapshot.dropped for seq in range(one.first, one.last + 1)}
        assert set(range(1, self.given + 1)) <= self.expected.keys() | self.freed | declared
        assert not declared & self.expected.keys()
        assert snapshot.next_seq == self.given + 1
        assert snapshot.first_kept == min(self.expected, default=snapshot.next_seq)
        assert snapshot.rows == len(rows)
        assert snapshot.bytes <= QUOTA
        assert all(digest(row.payload) == row.digest for row in rows)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def hour(number: int) -> Batch:
    """A minute's ticks of that hour: 20 noisy gauges, and a total that counts the hours."""
    noise = np.random.default_rng(number).normal(230, 1, (20, 60)).astype("<f4")
    columns = [Column(alias, F32LE, noise[alias], all_present(60)) for alias in range(20)]
    columns.append(Column(20, I64LE, np.full(60, number, "<i8"), all_present(60), -2))
    origin_then = replace(origin(), boottime_ms=HOUR_MS * number)
    return Batch(
        origin_then, HASH, T0 + HOUR_MS * number, (Group(np.arange(60, dtype=np.int64) * 1000, tuple(columns)),)
    )


T0, HOUR_MS, DAY_MS = 1_699_920_000_000, 3_600_000, 86_400_000
HASH = description_hash(b"what there is")


@pytest.mark.parametrize("days", [25, pytest.param(180, marks=pytest.mark.long)])
def test_half_a_year_alone_leaves_every_alarm_every_days_total_and_a_state_that_can_be_told(
    days: int, opened: Opened
) -> None:
    """With a reboot each week, and a broker that answers now and then while no server does."""
    quota = 1_200_000
    store = opened(quota)
    with store.transaction():
        store.put(birth(b"what there is"), urgent=True)
    for number in range(24 * days):
        with store.transaction():
            store.put(hour(number), urgent=False)
        if number % 12 == 0:
            with store.transaction():
                store.put(event(number), urgent=True)
        if number % 240 == 100:  # a connection: something is sent, to nobody
            for keep, ahead in ((BIRTH, 0), (WANTED, 0), (EXPENDABLE, 64)):
                if rows := store.read(0, 8 << 10, keep):
                    with store.transaction():
                        store.claim(keep, store.unclaimed(keep, [row.seq for row in rows]), ahead)
        if number % 168 == 0:
            store.close()
            store = opened(quota)
        assert store.snapshot.bytes <= quota
    kept = [decode(row.payload) for row in rows_of(store)]
    alarms = {one.data["number"] for one in kept if isinstance(one, Event)}
    assert alarms == set(range(0, 24 * days, 12))
    totals = {t for one in kept if isinstance(one, Batch) for g in one.groups for t in (g.times + one.t0).tolist()}
    assert {t // DAY_MS for t in totals} == set(range(T0 // DAY_MS, T0 // DAY_MS + days)), "a day's total is gone"
    newest = max(one.t0 for one in kept if isinstance(one, Batch))
    assert newest == T0 + HOUR_MS * (24 * days - 1)
    assert store.description(HASH) == b"what there is"
    snapshot = store.snapshot
    state = State(
        *(GATEWAY, snapshot.incarnation, bytes(16), 1, 1, True, T0, origin().clock),
        *(snapshot.first_kept, snapshot.next_seq, snapshot.dropped),
    )
    assert decode(encode(state)) == state
    assert snapshot.counters.dropped_quota == 0
    assert len(snapshot.dropped) < 100


def test_a_file_of_version_1_is_taken_over_and_nothing_of_it_is_said_again(opened: Opened, tmp_path: Path) -> None:
    store = opened(1 << 20)
    with store.transaction():
        store.put(birth(b"what there is"), urgent=True)
        for number in range(10):
            store.put(batch(number), urgent=False)
            store.put(event(number), urgent=True)
    store.close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        database.executescript(
            "DROP TABLE claimed; DROP INDEX spooled_by_place; ALTER TABLE spooled DROP COLUMN place;"
            "PRAGMA user_version = 1;"
        )
    store = opened(1 << 20)
    assert [row.seq for row in rows_of(store)] == list(range(1, 22))
    assert [row.seq for row in store.read(0, 1 << 20, WANTED)] == list(range(3, 22, 2))
    assert store.unclaimed(EXPENDABLE, range(2, 21, 2)) == []
    assert store.unclaimed(WANTED, range(3, 22, 2)) == []


def test_a_file_of_version_1_whose_tables_are_damaged_is_told_as_damaged(opened: Opened, tmp_path: Path) -> None:
    opened().close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        database.executescript(
            "DROP TABLE claimed; DROP INDEX spooled_by_place; ALTER TABLE spooled DROP COLUMN place;"
            "ALTER TABLE spooled RENAME TO spoolee; PRAGMA user_version = 1;"
        )
    with pytest.raises(Damaged, match="no such table: spooled"):
        opened()


def test_a_message_that_nobody_can_read_holds_up_neither_thinning_nor_a_new_incarnation(opened: Opened) -> None:
    store = opened(400_000)
    unreadable = replace(event(1), kind="x" * 65)
    with store.transaction():
        assert store.put(unreadable, urgent=True) == 1
    for number in range(150):
        with store.transaction():
            store.put(hour(number), urgent=False)
    assert store.snapshot.counters.thinned > 0
    assert store.read(0, 1)[0].payload == encode(
        replace(unreadable, origin=replace(unreadable.origin, incarnation=store.snapshot.incarnation, seq=1))
    )
    with store.transaction():
        store.reincarnate()
    assert [(one.first, one.last, one.cause) for one in store.snapshot.dropped] == [(1, 1, DropCause.DAMAGED)]


def test_batches_that_are_too_much_for_one_message_stay_as_they_are(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    def wide(first: int, columns: int) -> Batch:
        aliases = range(first, first + 2 * columns, 2)
        one = np.zeros(1, np.int64)
        groups = (Group(one, tuple(Column(alias, F32LE, np.ones(1, "<f4"), all_present(1)) for alias in aliases)),)
        return Batch(replace(origin(), boottime_ms=first), HASH, T0 + first, groups)

    store = opened(1_200_000)
    with store.transaction():
        store.put(wide(0, 5_000), urgent=False)
        store.put(wide(20_000, 18_000), urgent=False)
    for number in range(200):
        with store.transaction():
            store.put(hour(number), urgent=False)
    assert {1, 2} <= {row.seq for row in rows_of(store)}
    assert caplog.text.count("rows 1 to 2 cannot be thinned: a payload of") == 1
    assert store.snapshot.counters.thinned > 0
    assert store.snapshot.counters.dropped_quota == 0


def test_what_may_have_been_sent_is_looked_through_for_thinning_once_and_not_with_each_commit(opened: Opened) -> None:
    store = opened(2_000_000)
    number = 0
    while store.snapshot.bytes < 1_700_000:
        with store.transaction():
            store.put(hour(number), urgent=False)
        number += 1
    with store.transaction():
        store.claim(EXPENDABLE, [1], 2 * number)
    looked: list[int] = []
    for more in range(number, number + 12):
        ticks: list[int] = []
        store._db.set_progress_handler(lambda ticks=ticks: ticks.append(1), 50)  # type: ignore[misc]
        with store.transaction():
            store.put(hour(more), urgent=False)
        store._db.set_progress_handler(None, 0)
        looked.append(len(ticks))
    assert max(looked) > 2 * looked[-1]
    assert sum(one > max(looked) // 2 for one in looked) == 1


def test_a_new_incarnation_keeps_the_order_of_events_that_thinning_moved(opened: Opened) -> None:
    store = opened(400_000)
    for number in range(150):
        with store.transaction():
            store.put(hour(number), urgent=False)
            if number % 10 == 0:
                store.put(event(number), urgent=True)

    def events() -> list[object]:
        kept = [decode(row.payload) for row in store.read(0, 1 << 20, WANTED)]
        return [one.data["number"] for one in kept if isinstance(one, Event)]

    assert [row.seq for row in store.read(0, 1 << 20, WANTED)] != sorted(
        row.seq for row in store.read(0, 1 << 20, WANTED)
    )
    assert events() == list(range(0, 150, 10))
    with store.transaction():
        store.reincarnate()
    assert events() == list(range(0, 150, 10))


def test_a_description_outlives_the_thinning_of_all_rows_that_need_it(opened: Opened) -> None:
    store = opened(400_000)
    with store.transaction():
        store.put(birth(b"what there is"), urgent=True)
    with store.transaction():
        store.free([acknowledge(store.read(0, 1))])
    with store.transaction():
        store.put(hour(0), urgent=False)
        store.put(birth(b"what there was then"), urgent=True)
    number = 1
    while not store.snapshot.counters.thinned:
        with store.transaction():
            store.put(replace(hour(number), birth=description_hash(b"what there was then")), urgent=False)
        number += 1
    assert HASH in {row.birth for row in rows_of(store)}
    assert store.description(HASH) == b"what there is"


def test_a_note_of_what_was_sent_that_is_no_number_is_damage_and_stops_no_commit(
    opened: Opened, tmp_path: Path
) -> None:
    store = opened(400_000)
    with store.transaction():
        store.claim(EXPENDABLE, [1], 64)
    store.close()
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("UPDATE claimed SET last = x'40'")
    with pytest.raises(Damaged, match="sent"):
        opened(400_000)
