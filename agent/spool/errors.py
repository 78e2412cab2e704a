"""What can go wrong with a file, told apart by what can be done about it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class SpoolRefused(Exception):
    """A message that was put is not on disk and never will be: the disk refuses, and memory for waiting is full."""


class SpoolInUse(Exception):
    """Another process holds the spool's file."""


class DiskRefused(Exception):
    """The disk is full, or cannot be written or read now. Nothing of the transaction was kept; later it may work."""


class Damaged(Exception):
    """The file is not, or no longer, a spool that can be trusted."""


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
def told() -> Iterator[None]:
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
