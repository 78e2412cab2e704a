"""Room on the disk that is the spool's, whatever others write there: a full disk could not be emptied without.

SQLite frees nothing before it has written to its log, and a file that grows may meet the end of the disk long after the
commit that made it grow. So the file has free pages from the start, and the log its full size; and while the file is
closed, when SQLite removes the log, a file beside it keeps the log's place.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

PAGE = 4096
FILE_BYTES = 8 << 20  # a file's least size: half of it is what a full disk leaves for messages
LOG_BYTES = 8 << 20  # pragma journal_size_limit: SQLite gives back what the log has beyond


def take_place(database: sqlite3.Connection, path: Path, file_bytes: int) -> None:
    """Gives the opened file and its log their sizes, as far as the disk allows."""
    _reserve(path).unlink(missing_ok=True)
    _allocate(path.with_name(path.name + "-wal"), LOG_BYTES)
    missing = file_bytes // PAGE - database.execute("PRAGMA page_count").fetchone()[0]
    if missing > 0:
        with suppress(sqlite3.OperationalError):  # a full disk: the file stays as it is
            database.execute("BEGIN IMMEDIATE")
            database.execute("CREATE TABLE room (bytes BLOB)")
            database.execute("INSERT INTO room VALUES (zeroblob(?))", (missing * PAGE,))
            database.execute("DROP TABLE room")
            database.execute("COMMIT")
        if database.in_transaction:
            database.execute("ROLLBACK")


def keep_place(path: Path) -> None:
    """Of the log of a file that was closed, so that it can be opened again on a full disk."""
    if path.exists() and not path.with_name(path.name + "-wal").exists():
        _allocate(_reserve(path), LOG_BYTES)


def free_bytes(database: sqlite3.Connection, path: Path) -> int:
    """What may still be written: pages of the file that hold nothing, and what is left of the disk."""
    disk = os.statvfs(path.parent)
    pages: int = database.execute("PRAGMA freelist_count").fetchone()[0]
    return disk.f_bavail * disk.f_frsize + pages * PAGE


def _reserve(path: Path) -> Path:
    return path.with_name(path.name + ".reserve")


def _allocate(path: Path, size: int) -> None:
    with suppress(OSError):  # a full disk, or one that knows no reservations
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
