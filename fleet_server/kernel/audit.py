"""Who did what: rows join the business transaction, one sealer chains them behind it.

A seal's hash is SHA-256(previous hash + row bytes), so a row that is changed, taken out or slipped in shows from there
on; and since whoever can rewrite a row can recompute the chain too, the heads also go to a file outside the database.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fleet_server.config import Settings
from fleet_server.kernel.context import Context
from fleet_server.kernel.domain import Job
from fleet_server.kernel.principal import Principal

log = logging.getLogger(__name__)

GENESIS = bytes(32)
BATCH = 500
LOCK = 0x5EA1
_ROW = "a.id, a.at, a.principal, a.principal_name, a.action, a.object, a.detail::text AS detail, a.database_role"


async def record(
    connection: Any, principal: Principal, action: str, object_: str, detail: Mapping[str, Any] | None = None
) -> None:
    """`action` is `<domain>.<verb>`, `object_` a city code or `<kind>:<id>`. `detail` never holds a secret."""
    await connection.execute(
        "INSERT INTO audit (principal, principal_name, action, object, detail) VALUES ($1, $2, $3, $4, $5)",
        principal.id,
        principal.name,
        action,
        object_,
        dict(detail or {}),
    )


async def latest(
    connection: Any, *, limit: int, before: int | None = None, object_: str = ""
) -> list[Mapping[str, Any]]:
    """The newest first; those of one object, when given."""
    rows: list[Mapping[str, Any]] = await connection.fetch(
        """SELECT id, at, principal, principal_name, action, object, detail FROM audit
           WHERE ($2::bigint IS NULL OR id < $2) AND ($3 = '' OR object = $3) ORDER BY id DESC LIMIT $1""",
        limit,
        before,
        object_,
    )
    return rows


def chain(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """`detail` is the text PostgreSQL gives for the jsonb: exact, where parsed numbers would not be."""
    at: datetime = row["at"]
    parts = [row["id"], at.isoformat(timespec="microseconds")]
    parts += [row[name] for name in ("principal", "principal_name", "action", "object", "detail", "database_role")]
    return hashlib.sha256(previous + json.dumps(parts, ensure_ascii=False).encode()).digest()


def heads_file(settings: Settings) -> Path:
    return settings.secrets.dir.parent / "audit-heads.log"


async def seal(context: Context) -> None:
    """Chain all rows that wait, then note the head outside; after a crash in between the next run notes it."""
    while await _seal_batch(context) == BATCH:
        pass
    async with context.database.system() as connection:
        head = await connection.fetchrow("SELECT position, hash FROM audit_seal ORDER BY position DESC LIMIT 1")
    if head is not None:
        note_head(heads_file(context.settings), head["position"], head["hash"], context.clock.now())


async def _seal_batch(context: Context) -> int:
    async with context.database.system() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        head = await connection.fetchrow("SELECT position, hash FROM audit_seal ORDER BY position DESC LIMIT 1")
        position, last = (head["position"], head["hash"]) if head else (0, GENESIS)
        rows = await connection.fetch(
            f"SELECT {_ROW} FROM audit_unsealed JOIN audit a USING (id) ORDER BY id LIMIT {BATCH}"  # noqa: S608
        )
        seals = []
        for place, row in enumerate(rows, position + 1):
            last = chain(last, row)
            seals.append((place, row["id"], last))
        await connection.executemany("INSERT INTO audit_seal (position, audit_id, hash) VALUES ($1, $2, $3)", seals)
        await connection.execute("DELETE FROM audit_unsealed WHERE id = ANY($1)", [row["id"] for row in rows])
        return len(rows)


def note_head(path: Path, position: int, digest: bytes, now: datetime) -> None:
    """Append `<time> <position> <hash>` unless it is the last line already."""
    line = f"{position} {digest.hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 200))
        whole, _, cut = file.read().rpartition(b"\n")
        if whole.endswith(line.encode()) and not cut:
            return
        # What a crash cut short was never a head. Were it written on, the file would have a line that is none.
        file.truncate(size - len(cut))
        file.seek(0, os.SEEK_END)
        file.write(f"{now:%Y-%m-%dT%H:%M:%SZ} {line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Head:
    position: int
    hash: bytes


@dataclass(frozen=True)
class Verdict:
    """`problem` names the first bad row; None: the chain and all heads agree. `waiting` rows are not sealed yet."""

    sealed: int
    heads: int
    waiting: int
    problem: str | None


def read_heads(path: Path) -> list[Head]:
    """A last line that a crash cut short is left out; any other bad line is a ValueError."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="ascii").split("\n")
    heads = []
    for number, line in enumerate(lines[:-1], 1):
        parts = line.split(" ")
        try:
            heads.append(Head(int(parts[1]), bytes.fromhex(parts[2])))
        except (IndexError, ValueError):
            raise ValueError(f"{path}:{number}: not a head: {line[:100]!r}") from None
    return heads


async def verify(connection: Any, heads: Iterable[Head]) -> Verdict:
    """Recompute the whole chain, in one snapshot, with the auditor's role."""
    known: dict[int, set[bytes]] = {}
    for head in heads:
        known.setdefault(head.position, set()).add(head.hash)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        waiting = await connection.fetchval("SELECT count(*) FROM audit_unsealed")
        position, problem = 0, None
        last = GENESIS
        query = (
            f"SELECT s.position, s.audit_id, s.hash, {_ROW} FROM audit_seal s LEFT JOIN audit a ON a.id = s.audit_id"  # noqa: S608
        )
        async for row in connection.cursor(query + " ORDER BY s.position", prefetch=BATCH):
            problem = _fault(row, position + 1, last, known)
            if problem:
                break
            position, last = row["position"], row["hash"]
        if not problem and known and max(known) > position:
            problem = f"the chain ends at position {position}, but the heads outside know position {max(known)}"
        if not problem:
            problem = await _outside_the_chain(connection)
    return Verdict(position, sum(map(len, known.values())), waiting, problem)


def _fault(row: Mapping[str, Any], expected: int, last: bytes, known: Mapping[int, set[bytes]]) -> str | None:
    where = f"position {expected}, audit row {row['audit_id']}"
    if row["position"] != expected:
        return f"position {expected} is missing: the next is {row['position']}, audit row {row['audit_id']}"
    if row["id"] is None:
        return f"{where}: the row is gone"
    if chain(last, row) != row["hash"]:
        return f"{where}: the row, or one of the chain's hashes here, was changed"
    if known.get(expected, {row["hash"]}) != {row["hash"]}:
        return f"{where}: the chain was rewritten: the head noted outside the database is another"
    return None


async def _outside_the_chain(connection: Any) -> str | None:
    stray = await connection.fetchval(
        """SELECT min(a.id) FROM audit a LEFT JOIN audit_seal s ON s.audit_id = a.id
           LEFT JOIN audit_unsealed u ON u.id = a.id WHERE s.audit_id IS NULL AND u.id IS NULL"""
    )
    return None if stray is None else f"audit row {stray} is neither in the chain nor waiting for it"


SEALER = Job("audit-sealer", every_s=1.0, run=seal)
