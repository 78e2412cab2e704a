"""The quarantine's room, and how a person makes some: with the owner's role, from the command line alone.

A gateway was told that what is kept whole here is kept, so no job throws it away. When its room is full the gateway is
asked to keep what more there is to refuse, and waits: somebody must look, and then discard.
"""

from typing import NamedTuple

from fleet_server.kernel import audit
from fleet_server.kernel.database import Connection
from fleet_server.kernel.errors import NotFound
from fleet_server.kernel.principal import system


class Fill(NamedTuple):
    """Of one gateway's messages that are kept whole, those with one reason."""

    gateway: str
    reason: str
    messages: int
    octets: int


async def fills(connection: Connection) -> list[Fill]:
    rows = await connection.fetch(
        """SELECT gateway, reason, count(*) AS messages, sum(size)::bigint AS octets FROM quarantine WHERE authentic
           GROUP BY gateway, reason ORDER BY gateway, reason"""
    )
    return [Fill(**row) for row in rows]


async def discard(connection: Connection, gateway: str) -> int:
    """How many messages of the gateway are gone now. NotFound when there was none."""
    count = int((await connection.execute("DELETE FROM quarantine WHERE gateway = $1", gateway)).rpartition(" ")[2])
    if not count:
        raise NotFound(f"The quarantine has nothing of {gateway}.")
    who = system("command-line")
    await audit.record(connection, who, "telemetry.discard-quarantine", gateway, {"messages": count})
    return count
