"""Whose fault a failed commit is: the moment's, and the group is tried again; or a message's, and it is looked for."""

import asyncpg

from fleet_server.kernel.errors import Unavailable

# SQLSTATE classes that blame the data: data exception, integrity constraint violation, program limit exceeded. All the
# others (no connection, disk full, deadlock, shutdown, a standby, a missing migration) would fail any message.
_DATA = ("22", "23", "54")
_THE_MOMENTS = (OSError, Unavailable, asyncpg.InterfaceError)


def blames_a_message(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _DATA
    # What nobody thought of is our code failing on a message: one gateway's must not end ingest for all of them.
    return not isinstance(error, _THE_MOMENTS)
