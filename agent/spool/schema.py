"""The spool's file: its tables, how it is opened, and what must hold of it (docs/spool.md)."""

import os
import secrets
import sqlite3
from pathlib import Path

from agent.spool.errors import Damaged, told
from agent.spool.records import Snapshot
from agent.spool.room import LOG_BYTES
from protocols.edge.messages import DropCause, Dropped, digest

APPLICATION_ID = 0x48544E47  # "HTNG"
VERSION = 2
CHECKED_BYTES = 64 << 20  # a file up to this size is checked whole when it is opened: a second on a slow card

_SCHEMA = """
CREATE TABLE life (
    one INTEGER PRIMARY KEY CHECK (one = 1), incarnation BLOB NOT NULL, next_seq INTEGER NOT NULL,
    connection INTEGER NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE spooled (
    seq INTEGER PRIMARY KEY, leaf INTEGER NOT NULL, keep INTEGER NOT NULL, birth BLOB, digest BLOB NOT NULL,
    bytes INTEGER NOT NULL, payload BLOB NOT NULL, place INTEGER
);
CREATE INDEX spooled_by_keep ON spooled (keep, seq, bytes, birth);
CREATE TABLE birth (hash BLOB PRIMARY KEY, description BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE dropped (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, cause INTEGER NOT NULL);
CREATE TABLE command (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, received_ms INTEGER NOT NULL, intent BLOB NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
);
"""
_SINCE_2 = """
CREATE TABLE claimed (
    keep INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (keep, first)
) WITHOUT ROWID;
CREATE INDEX spooled_by_place ON spooled (place) WHERE keep = 1;
"""

CAPTURED_BYTES = "SELECT coalesce(sum(bytes), 0) FROM spooled INDEXED BY spooled_by_keep WHERE keep = 3"

_PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # one process, and no shared-memory file beside the log
    "journal_mode = WAL",
    "synchronous = FULL",  # a commit that returned is on disk
    "wal_autocheckpoint = 1000",
    f"journal_size_limit = {LOG_BYTES}",
    "cache_size = -2000",
    "temp_store = MEMORY",
)


def open_database(path: Path) -> sqlite3.Connection:
    """The file at `path`, made if it is not there. Raises Damaged, DiskRefused or SpoolInUse."""
    with told():
        database = sqlite3.connect(path, isolation_level=None, timeout=0.3)
    database.text_factory = bytes  # we store no texts; a flipped bit may make one, and it need not be UTF-8
    try:
        with told():
            _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def load(database: sqlite3.Connection, quota: int) -> Snapshot:
    """What the file holds. Raises Damaged where its numbers cannot all be true."""
    try:
        with told():
            return _load(database, quota)
    except (sqlite3.Error, TypeError, ValueError, OverflowError) as error:  # no such table; a number that is none
        raise Damaged(f"the spool's records do not hold together: {error}") from error


def life(snapshot: Snapshot) -> tuple[bytes, int, int, bytes]:
    """The row that says which seqs were given, with a digest: a flipped bit there would have one given twice."""
    incarnation = snapshot.incarnation.to_bytes(8, "big")
    numbers = b"%b %d %d" % (incarnation, snapshot.next_seq, snapshot.connection)
    return incarnation, snapshot.next_seq, snapshot.connection, digest(numbers)[:8]


def new_incarnation() -> int:
    return secrets.randbelow(2**64 - 1) + 1


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    for pragma in _PRAGMAS:
        database.execute(f"PRAGMA {pragma}").fetchall()
    if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        _create(database, path)
    application, version = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if (application, version) == (APPLICATION_ID, 1):
        _from_version_1(database)
        version = VERSION
    if (application, version) != (APPLICATION_ID, VERSION):
        raise Damaged(f"application {application:#x}, version {version}: not a spool of this version")
    if path.stat().st_size <= CHECKED_BYTES:
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != b"ok":
            raise Damaged(verdict.decode("ascii", "replace"))


def _create(database: sqlite3.Connection, path: Path) -> None:
    script = f"BEGIN; {_SCHEMA} {_SINCE_2} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    database.executescript(script)
    database.execute("INSERT INTO life VALUES (1, ?, ?, ?, ?)", life(Snapshot(new_incarnation(), 1, 0)))
    database.execute("COMMIT")
    folder = os.open(path.parent, os.O_RDONLY)  # the file's name is to be on disk as well as its bytes
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _from_version_1(database: sqlite3.Connection) -> None:
    """Which rows were sent was not noted then: any may have been."""
    try:
        _move_from_version_1(database)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table: its name, or the schema's, was damaged
            raise Damaged(f"version 1, and not to be taken over: {error}") from error
        raise


def _move_from_version_1(database: sqlite3.Connection) -> None:
    moved = "ALTER TABLE spooled ADD COLUMN place INTEGER; UPDATE spooled SET place = seq WHERE keep = 1;"
    database.executescript(f"BEGIN; {moved} {_SINCE_2} PRAGMA user_version = {VERSION};")
    database.execute("INSERT INTO claimed SELECT keep, 1, max(seq) FROM spooled GROUP BY keep")
    database.execute("COMMIT")


def _load(database: sqlite3.Connection, quota: int) -> Snapshot:
    row = database.execute("SELECT incarnation, next_seq, connection, digest FROM life").fetchone()
    rows, size = database.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM spooled").fetchone()
    first, last = (database.execute(f"SELECT {end}(seq) FROM spooled").fetchone()[0] for end in ("min", "max"))  # noqa: S608
    dropped = tuple(
        Dropped(first_of, last_of, DropCause(cause))
        for first_of, last_of, cause in database.execute("SELECT first, last, cause FROM dropped ORDER BY first")
    )
    claimed: dict[int, tuple[tuple[int, int], ...]] = {}
    for keep, low, high in database.execute("SELECT keep, first, last FROM claimed ORDER BY keep, first"):
        if not all(isinstance(number, int) for number in (keep, low, high)):
            raise ValueError("the ranges of what may have been sent")
        claimed[keep] = (*claimed.get(keep, ()), (low, high))
    incarnation, next_seq, connection, _ = row
    snapshot = Snapshot(
        incarnation=int.from_bytes(incarnation, "big"),
        next_seq=next_seq,
        connection=connection,
        first_kept=first or next_seq,
        rows=rows,
        bytes=size,
        quota=quota,
        dropped=dropped,
        claimed=claimed,
        captured=database.execute(CAPTURED_BYTES).fetchone()[0],
    )
    if row != life(snapshot):
        raise ValueError("the digest of the incarnation and its numbers")
    if max([last or 0, *(one.last for one in dropped)]) >= next_seq:
        raise ValueError("a row is numbered beyond the last number given")
    return snapshot
