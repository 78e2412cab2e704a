"""The spool's file: all SQL, all in one thread, inside transactions that its caller opens and ends."""

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from agent.spool.ranges import with_dropped
from protocols.edge.birth import description_hash
from protocols.edge.messages import (
    AckRange,
    AckStatus,
    Batch,
    Birth,
    DropCause,
    Dropped,
    Event,
    Spooled,
    acknowledgement_digest,
    decode,
    digest,
    encode,
)

APPLICATION_ID = 0x48544E47  # "HTNG"
VERSION = 1
LEAVES = ("birth", "data", "event")  # as numbered in the file
EXPENDABLE, WANTED, BIRTH = 0, 1, 2  # what goes first when the quota is reached; births never go
PAGE = 4096
ROW_BYTES = 160  # a row without its payload, with its share of the index and of its page
CHECKED_BYTES = 64 << 20  # a file up to this size is checked whole when it is opened: a second on a slow card
SPARE_DISK = 16 << 20  # room that the quota leaves on the disk: without it, nothing could be freed either
MAX_GONE = 4096  # digests of freed rows that are remembered, for ranges that reach back over them
MAX_RANGE = 100_000
MAX_COMMANDS = 10_000  # ids remembered beyond the unfinished ones; an older one has long expired

_SCHEMA = """
CREATE TABLE life (
    one INTEGER PRIMARY KEY CHECK (one = 1), incarnation BLOB NOT NULL, next_seq INTEGER NOT NULL,
    connection INTEGER NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE spooled (
    seq INTEGER PRIMARY KEY, leaf INTEGER NOT NULL, keep INTEGER NOT NULL, birth BLOB, digest BLOB NOT NULL,
    bytes INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX spooled_by_keep ON spooled (keep, seq, bytes);
CREATE TABLE birth (hash BLOB PRIMARY KEY, description BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE dropped (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, cause INTEGER NOT NULL);
CREATE TABLE command (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, received_ms INTEGER NOT NULL, intent BLOB NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
);
"""


class SpoolRefused(Exception):
    """A message that was put is not on disk and never will be: the disk refuses, and memory for waiting is full."""


class SpoolInUse(Exception):
    """Another process holds the spool's file."""


class DiskRefused(Exception):
    """The disk is full, or cannot be written or read now. Nothing of the transaction was kept; later it may work."""


class Damaged(Exception):
    """The file is not, or no longer, a spool that can be trusted."""


class Row(NamedTuple):
    """`birth` is the hash of the description that a batch, or a birth itself, stands under."""

    seq: int
    leaf: str
    payload: bytes
    digest: bytes
    birth: bytes | None


class Freed(NamedTuple):
    """`refused` counts ranges that freed nothing: other bytes than ours, or not to be checked any more."""

    seqs: tuple[int, ...]
    refused: int


class CommandRecord(NamedTuple):
    """`intent` is the command's payload."""

    id: bytes
    intent: bytes
    received_ms: int


@dataclass(frozen=True)
class Counters:
    """Since the process started."""

    put: int = 0
    freed: int = 0
    dropped_quota: int = 0
    dropped_disk: int = 0
    dropped_damaged: int = 0
    refused_ranges: int = 0


_NONE = Counters()


@dataclass(frozen=True)
class Snapshot:
    """What the spool holds; replaced as a whole after each commit. `bytes` estimates what rows take in the file."""

    incarnation: int
    next_seq: int
    connection: int
    first_kept: int = 1
    rows: int = 0
    bytes: int = 0
    quota: int = 0
    dropped: tuple[Dropped, ...] = ()
    counters: Counters = _NONE


class Store:
    """Every change stands inside `with store.transaction():`; `snapshot` is of the last one that was committed.

    Raises DiskRefused and Damaged from everything.
    """

    def __init__(self, path: Path, quota: int, counters: Counters = _NONE) -> None:
        self.path = path
        self.quota = quota
        self._gone: dict[int, bytes] = {}
        self._gone_now: dict[int, bytes] = {}
        self._damaged: list[int] = []
        with _told():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=1.0)
        try:
            with _told():
                self._prepare()
                self.snapshot = self._now = replace(self._load(), counters=counters)
        except sqlite3.OperationalError as error:  # no such table, no such column
            self._db.close()
            raise Damaged(str(error)) from error
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done inside is on disk when this returns, or none of it is."""
        self._now, self._gone_now = self.snapshot, {}
        try:
            with _told():
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._enforce_quota()
                self._save()
                self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.snapshot = self._now
        self._gone |= self._gone_now
        for seq in list(self._gone)[: max(0, len(self._gone) - MAX_GONE)]:
            del self._gone[seq]

    def put(self, message: Spooled, urgent: bool) -> int:
        """Gives the message its place: incarnation, seq, bytes. Raises LocalProtocolError for what cannot be sent."""
        seq = self._now.next_seq
        origin = replace(message.origin, incarnation=self._now.incarnation, seq=seq)
        self._insert(replace(message, origin=origin), urgent)
        self._now = replace(self._now, next_seq=seq + 1)
        self._count(put=1)
        return seq

    def drop_unwritten(self, count: int) -> None:
        """Gives seqs to messages that the disk refused and that are no more, so that their loss can be told."""
        self._skip(count, DropCause.DISK)
        self._count(dropped_disk=count)

    def read(self, after: int, most_bytes: int) -> list[Row]:
        """Rows behind seq `after`, in order, up to `most_bytes` of payload but at least one, if there is one.

        A row that does not read back as it was written is left out; drop_damaged() is then to be called.
        """
        rows: list[Row] = []
        size = 0
        self._damaged = []
        with _told():
            cursor = self._db.execute(
                "SELECT seq, leaf, payload, digest, birth FROM spooled WHERE seq > ? ORDER BY seq", (after,)
            )
            for seq, leaf, payload, kept_digest, birth in cursor:
                if not isinstance(payload, bytes) or digest(payload) != kept_digest or leaf not in range(len(LEAVES)):
                    self._damaged.append(seq)
                    continue
                size += len(payload)
                if rows and size > most_bytes:
                    break
                rows.append(Row(seq, LEAVES[leaf], payload, kept_digest, birth))
            cursor.close()
        return rows

    def damaged(self) -> list[int]:
        """The rows that the last read() left out."""
        return self._damaged

    def drop_damaged(self, seqs: Sequence[int]) -> None:
        self._delete(seqs)
        self._declare(seqs, DropCause.DAMAGED)
        self._count(dropped_damaged=len(seqs))

    def kept_birth(self, hashed: bytes) -> int | None:
        """The seq of the newest kept birth of that description: one that waits for its acknowledgement."""
        with _told():
            found = self._db.execute(
                "SELECT max(seq) FROM spooled WHERE keep = ? AND birth = ?", (BIRTH, hashed)
            ).fetchone()
        return None if found[0] is None else int(found[0])

    def description(self, hashed: bytes) -> bytes | None:
        with _told():
            found = self._db.execute("SELECT description FROM birth WHERE hash = ?", (hashed,)).fetchone()
        if found is None or description_hash(found[0]) != hashed:
            return None
        return bytes(found[0])

    def free(self, ranges: Iterable[AckRange]) -> Freed:
        """Lets go of rows that an acknowledgement covers: whole ranges, and only where its digest is that of our bytes.

        Rows of a range that were freed before take part in the digest from memory. A range with a seq whose bytes
        nobody here remembers cannot be checked, and frees nothing; its rows will be sent, and acknowledged, again.
        """
        freed: list[int] = []
        refused = 0
        for one in ranges:
            if one.status not in (AckStatus.STORED, AckStatus.QUARANTINED):
                continue
            seqs = self._covered(one)
            if seqs is None:
                refused += 1
                continue
            freed += seqs
            self._delete(seqs)
        self._count(freed=len(freed), refused_ranges=refused)
        return Freed(tuple(freed), refused)

    def _covered(self, one: AckRange) -> list[int] | None:
        if one.last >= self._now.next_seq or one.last - one.first >= MAX_RANGE:
            return None
        kept = dict(
            self._db.execute("SELECT seq, digest FROM spooled WHERE seq BETWEEN ? AND ?", (one.first, one.last))
        )
        digests = []
        for seq in range(one.first, one.last + 1):
            known = kept.get(seq) or self._gone_now.get(seq) or self._gone.get(seq)
            if known is None:
                return None
            digests.append(known)
        return sorted(kept) if acknowledgement_digest(digests) == one.digest else None

    def next_connection(self) -> int:
        self._now = replace(self._now, connection=self._now.connection + 1)
        return self._now.connection

    def reincarnate(self) -> int:
        """Gives every kept row a place in a new incarnation, in the old order; what was declared dropped is past.

        The n-th row becomes seq n, which is never above its old one: so rows can move one by one, in rising order,
        without meeting each other, however many they are.
        """
        self._db.execute("DELETE FROM dropped")
        self._gone.clear()
        self._now = replace(
            self._now, incarnation=new_incarnation(), next_seq=1, rows=0, bytes=0, dropped=(), first_kept=1
        )
        query = "SELECT seq, keep, payload, digest FROM spooled WHERE seq > ? ORDER BY seq LIMIT 1"
        seq = 0
        while (row := self._db.execute(query, (seq,)).fetchone()) is not None:
            seq, keep, payload, kept_digest = row
            self._db.execute("DELETE FROM spooled WHERE seq = ?", (seq,))
            message = decode(payload) if digest(payload) == kept_digest else None
            if isinstance(message, Birth | Batch | Event):
                self.put(message, urgent=keep != EXPENDABLE)
            else:
                self._skip(1, DropCause.DAMAGED)
        return self._now.incarnation

    def begin_command(self, identity: bytes, intent: bytes, now_ms: int) -> bool:
        cursor = self._db.execute(
            "INSERT INTO command (id, received_ms, intent) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (identity, now_ms, intent),
        )
        if not cursor.rowcount:
            return False
        self._db.execute(
            "DELETE FROM command WHERE finished AND number <= (SELECT max(number) FROM command) - ?", (MAX_COMMANDS,)
        )
        return True

    def finish_command(self, identity: bytes, result: Event) -> int:
        seq = self.put(result, urgent=True)
        self._db.execute(
            "INSERT INTO command (id, received_ms, intent, finished) VALUES (?, ?, x'', 1)"
            " ON CONFLICT (id) DO UPDATE SET finished = 1",
            (identity, result.t),
        )
        return seq

    def unfinished_commands(self) -> list[CommandRecord]:
        with _told():
            rows = self._db.execute(
                "SELECT id, intent, received_ms FROM command WHERE NOT finished ORDER BY number"
            ).fetchall()
        return [CommandRecord(*row) for row in rows]

    def _insert(self, message: Spooled, urgent: bool) -> None:
        payload = encode(message)
        birth, keep = None, WANTED
        match message:
            case Birth():
                birth, keep = description_hash(message.description), BIRTH
                self._remember_birth(birth, message.description)
            case Batch():
                birth = message.birth
                keep = WANTED if urgent else EXPENDABLE
        leaf = {Birth: 0, Batch: 1, Event: 2}[type(message)]
        size = row_bytes(len(payload))
        self._db.execute(
            "INSERT INTO spooled VALUES (?, ?, ?, ?, ?, ?, ?)",
            (message.origin.seq, leaf, keep, birth, digest(payload), size, payload),
        )
        self._now = replace(self._now, rows=self._now.rows + 1, bytes=self._now.bytes + size)

    def _remember_birth(self, hashed: bytes, description: bytes) -> None:
        """Keeps descriptions as long as a batch that needs one, so that a server that lost it can have it again."""
        self._db.execute("DELETE FROM birth WHERE hash NOT IN (SELECT birth FROM spooled WHERE birth IS NOT NULL)")
        self._db.execute("INSERT OR REPLACE INTO birth VALUES (?, ?)", (hashed, description))

    def _delete(self, seqs: Sequence[int]) -> None:
        for seq in seqs:
            found = self._db.execute("DELETE FROM spooled WHERE seq = ? RETURNING digest, bytes", (seq,)).fetchone()
            if found is not None:
                self._gone_now[seq] = found[0]
                self._now = replace(self._now, rows=self._now.rows - 1, bytes=self._now.bytes - found[1])

    def _skip(self, count: int, cause: DropCause) -> None:
        seqs = range(self._now.next_seq, self._now.next_seq + count)
        self._now = replace(self._now, next_seq=seqs.stop)
        self._declare(seqs, cause)

    def _enforce_quota(self) -> None:
        """Drops the oldest data, then the oldest events, until the rest fits; and says so."""
        free = _free_disk(self.path) + self._db.execute("PRAGMA freelist_count").fetchone()[0] * PAGE
        allowed = min(self.quota, self._now.bytes + free - SPARE_DISK)
        excess = self._now.bytes - allowed
        if excess <= 0:
            return
        going = []
        for seq, size in self._db.execute("SELECT seq, bytes FROM spooled WHERE keep < ? ORDER BY keep, seq", (BIRTH,)):
            if excess <= 0:
                break
            going.append(seq)
            excess -= size
        going.sort()
        self._delete(going)
        self._declare(going, DropCause.QUOTA)
        self._count(dropped_quota=len(going))

    def _declare(self, seqs: Iterable[int], cause: DropCause) -> None:
        def is_kept(first: int, last: int) -> bool:
            query = "SELECT EXISTS (SELECT 1 FROM spooled WHERE seq BETWEEN ? AND ?)"
            return bool(self._db.execute(query, (first, last)).fetchone()[0])

        before, after = self._now.dropped, with_dropped(self._now.dropped, seqs, cause, is_kept)
        self._db.executemany("DELETE FROM dropped WHERE first = ?", [(d.first,) for d in set(before) - set(after)])
        self._db.executemany(
            "INSERT INTO dropped VALUES (?, ?, ?)",
            [(d.first, d.last, int(d.cause)) for d in set(after) - set(before)],
        )
        self._now = replace(self._now, dropped=after)

    def _count(self, **more: int) -> None:
        counters = self._now.counters
        grown = {name: getattr(counters, name) + by for name, by in more.items()}
        self._now = replace(self._now, counters=replace(counters, **grown))

    def _save(self) -> None:
        first = self._db.execute("SELECT min(seq) FROM spooled").fetchone()[0]
        self._now = replace(self._now, first_kept=self._now.next_seq if first is None else first)
        if _life(self._now) != _life(self.snapshot):
            self._db.execute(
                "UPDATE life SET incarnation = ?, next_seq = ?, connection = ?, digest = ?", _life(self._now)
            )

    def _roll_back(self) -> None:
        self._now = self.snapshot
        if self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    @property
    def is_stuck(self) -> bool:
        """Whether a transaction could not even be rolled back: the file must be opened anew."""
        return self._db.in_transaction

    def _prepare(self) -> None:
        for pragma in (
            "locking_mode = EXCLUSIVE",  # one process, and no shared-memory file beside the log
            "journal_mode = WAL",
            "synchronous = FULL",  # a commit that returned is on disk
            "wal_autocheckpoint = 1000",
            f"journal_size_limit = {8 << 20}",
            "cache_size = -2000",
            "temp_store = MEMORY",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._create()
        application, version = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (application, version) != (APPLICATION_ID, VERSION):
            raise Damaged(f"application {application:#x}, version {version}: not a spool of this version")
        if self.path.stat().st_size <= CHECKED_BYTES:
            verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise Damaged(str(verdict))

    def _create(self) -> None:
        script = f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        self._db.executescript(script)
        self._db.execute("INSERT INTO life VALUES (1, ?, ?, ?, ?)", _life(Snapshot(new_incarnation(), 1, 0)))
        self._db.execute("COMMIT")
        folder = os.open(self.path.parent, os.O_RDONLY)  # the file's name is on disk as well as its bytes
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _load(self) -> Snapshot:
        life = self._db.execute("SELECT incarnation, next_seq, connection, digest FROM life").fetchone()
        rows, size, last = self._db.execute(
            "SELECT count(*), coalesce(sum(bytes), 0), coalesce(max(seq), 0) FROM spooled"
        ).fetchone()
        first = self._db.execute("SELECT min(seq) FROM spooled").fetchone()[0]
        ranges = self._db.execute("SELECT first, last, cause FROM dropped ORDER BY first").fetchall()
        try:
            snapshot = Snapshot(
                incarnation=int.from_bytes(life[0], "big"),
                next_seq=life[1],
                connection=life[2],
                first_kept=first or life[1],
                rows=rows,
                bytes=size,
                quota=self.quota,
                dropped=tuple(Dropped(first, last, DropCause(cause)) for first, last, cause in ranges),
            )
            sound = life == _life(snapshot) and max([last, *(one.last for one in snapshot.dropped)]) < snapshot.next_seq
        except (TypeError, ValueError, OverflowError):
            sound = False
        if not sound:
            raise Damaged("the spool's record of its incarnation and numbers does not hold together")
        return snapshot


def _life(snapshot: Snapshot) -> tuple[bytes, int, int, bytes]:
    """The row that says which seqs were given, with a digest: a flipped bit there would have one given twice."""
    incarnation = snapshot.incarnation.to_bytes(8, "big")
    numbers = b"%b %d %d" % (incarnation, snapshot.next_seq, snapshot.connection)
    return incarnation, snapshot.next_seq, snapshot.connection, digest(numbers)[:8]


def new_incarnation() -> int:
    return secrets.randbelow(2**64 - 1) + 1


def row_bytes(payload: int) -> int:
    """About what a row takes of the file: a payload beyond a quarter page fills pages of its own."""
    if payload <= PAGE // 4:
        return payload + ROW_BYTES
    return -(-(payload + ROW_BYTES) // PAGE) * PAGE


def _free_disk(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


_DISK = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
# A short read is a file cut off under us; a row that is there already is a number given twice.
_CUT = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


@contextmanager
def _told() -> Iterator[None]:
    """Tells SQLite's many errors apart by what can be done: wait, or give the file up."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            raise SpoolInUse("another process holds the spool's file") from error
        if code in _CUT or code & 0xFF in _DAMAGE:
            raise Damaged(str(error)) from error
        if code & 0xFF in _DISK:
            raise DiskRefused(str(error)) from error
        raise
    except OSError as error:
        raise DiskRefused(str(error)) from error
