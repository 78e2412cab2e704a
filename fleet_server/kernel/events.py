"""The transactional outbox: `emit` joins the business transaction, the relay (relay.py) delivers behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet_server.kernel.database import Connection

CHANNEL = "outbox"  # NOTIFY on it only wakes the relay


@dataclass(frozen=True)
class Event:
    """`payload` is what JSON can say: bytes go as hexadecimal text."""

    id: int
    type: str
    key: str
    payload: Mapping[str, Any]
    created_at: datetime


async def emit(connection: Connection, event_type: str, payload: Mapping[str, Any], *, key: str | None = None) -> int:
    """Events of one `key` reach a subscriber in order; the key is the gateway the payload names, unless given.

    Call it in the transaction that makes the event true: no commit, no event.
    """
    ordered_by = str(payload.get("gateway", "")) if key is None else key
    event_id: int = await connection.fetchval(
        "INSERT INTO outbox (type, key, payload) VALUES ($1, $2, $3) RETURNING id",
        event_type,
        ordered_by,
        dict(payload),
    )
    await connection.execute(f"NOTIFY {CHANNEL}")
    return event_id
