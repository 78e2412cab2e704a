"""Whose fault a failed commit is: the moment's, and the group is tried again; or a message's, and it is looked for."""

import asyncpg

# SQLSTATE classes that blame the data: data exception, integrity constraint violation, program limit exceeded. All the
# others (no connection, disk full, deadlock, shutdown, a standby, a missing migration) would fail any message.
_DATA = ("22", "23", "54")
_OURS = (ValueError, TypeError, ArithmeticError, LookupError, AssertionError)


def blames_a_message(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _DATA
    return isinstance(error, _OURS)
